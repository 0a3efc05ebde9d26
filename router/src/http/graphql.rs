//! `POST /graphql` and `GET /graphql`.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{FromRequest as _, Query, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE,
    },
};
use platform::telemetry::TraceContext;

use super::{
    negotiation::{Media, accepted},
    operation::{Caller, Outcome},
    request::{GraphQLRequest, QueryParameters, Refusal, Requests, check_csrf},
};
use crate::{
    engine::Answer,
    error::{self, GraphQLError, code},
    gateway::Gateway,
    limit,
    record::{Record, Way},
    subscription::websocket,
};

/// Answers a `POST`.
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    request: axum::extract::Request,
) -> Response {
    let started = Instant::now();
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, &()).await;
    let config = &gateway.config;
    let read = body
        .map_err(|rejection| unreadable(&rejection, &headers, config.http.body_max_bytes))
        .and_then(|body| Requests::from_body(&headers, &body, config.limits.batch));
    handle(&gateway, &headers, read, false, started).await
}

/// Answers a `GET`.
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    request: axum::extract::Request,
) -> Response {
    let started = Instant::now();
    let headers = request.headers().clone();
    if websocket::is_wanted(&headers) {
        return websocket::respond(&gateway, request).await;
    }
    if gateway.config.explores() && wants_page(&headers) && request.uri().query().is_none() {
        let location = (LOCATION, HeaderValue::from_static("/graphiql"));
        return (StatusCode::SEE_OTHER, [location]).into_response();
    }
    let read = Query::<QueryParameters>::try_from_uri(request.uri())
        .map_err(|_| {
            let message = "The query string cannot be read.";
            Refusal::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, message)
        })
        .and_then(|Query(parameters)| GraphQLRequest::from_query(parameters))
        .map(|request| Requests::One(Box::new(request)));
    let read = match gateway.config.http.csrf_protection {
        true => check_csrf(&headers).and(read),
        false => read,
    };
    handle(&gateway, &headers, read, true, started).await
}

fn unreadable(rejection: &BytesRejection, headers: &HeaderMap, limit: usize) -> Refusal {
    let status = rejection.status();
    if status != StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::new(status, code::BAD_REQUEST, "The body cannot be read.");
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // A chunked body doesn't say how long it would have been.
    let value = length.unwrap_or(limit as u64 + 1);
    let what = match length {
        Some(_) => "The body's length in bytes is",
        None => "The body's length in bytes is at least",
    };
    Refusal { status, error: limit::exceeded(limit::code::BODY, what, value, limit as u64) }
}

/// Whether a person has opened the endpoint in a browser.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT);
    accept.and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

async fn handle(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    read: Result<Requests, Refusal>,
    safe: bool,
    started: Instant,
) -> Response {
    let mut record = Record::new(Way::Http, TraceContext::from_headers(headers), started);
    let response = match accepted(headers) {
        None => {
            let message = "Accept `application/json` or `application/graphql-response+json`.";
            record.refused(1);
            let status = StatusCode::NOT_ACCEPTABLE;
            refuse(Media::Json, &Refusal::new(status, code::BAD_REQUEST, message))
        }
        Some(media) => match answer(gateway, headers, read, safe, media, &mut record).await {
            Ok(response) => response,
            Err(refusal) => {
                record.refused(1);
                refuse(media, &refusal)
            }
        },
    };
    record.close(response.status());
    response
}

async fn answer(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    read: Result<Requests, Refusal>,
    safe: bool,
    media: Media,
    record: &mut Record,
) -> Result<Response, Refusal> {
    let requests = read?;
    let identity = gateway.identify(headers).await.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::debug!(error, "a token is refused");
        let message = "The access token is expired or not valid.";
        Refusal::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
    })?;
    record.of(&identity);
    let caller = Caller { gateway, headers, identity, trace: record.trace(), safe, media };
    match requests {
        Requests::One(request) => match caller.run(*request, record).await? {
            Outcome::Answer(answer) => Ok(respond(media, answer)),
            Outcome::Stream(response) => Ok(response),
        },
        Requests::Batch(requests) => {
            let body = batch(caller, requests, record).await?;
            Ok(write(media, StatusCode::OK, body))
        }
    }
}

/// Runs the requests of a batch beside each other; their answers keep the order.
/// What is wrong with one of them stands in its place.
async fn batch(
    caller: Caller<'_>,
    requests: Vec<Result<GraphQLRequest, Refusal>>,
    record: &mut Record,
) -> Result<Bytes, Refusal> {
    if matches!(caller.media, Media::EventStream | Media::Multipart) {
        let message = "A batch cannot be streamed: accept `application/json`.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, message));
    }
    let caller = &caller;
    let runs = requests.into_iter().map(|request| async move {
        let mut part = Record::new(Way::Batch, caller.trace, Instant::now());
        let outcome = match request {
            Ok(request) => caller.run(request, &mut part).await,
            Err(refusal) => {
                part.refused(1);
                Err(refusal)
            }
        };
        let (body, status) = match outcome {
            Ok(Outcome::Answer(answer)) => {
                let status = status(Media::GraphQL, &answer);
                (answer.body, status)
            }
            // Not for these media types.
            Ok(Outcome::Stream(_)) => (error::response(&[]), StatusCode::BAD_REQUEST),
            Err(refusal) => (error::response(&[refusal.error]), refusal.status),
        };
        let sum = part.sum();
        part.close(status);
        (body, sum)
    });
    let answers = futures::future::join_all(runs).await;
    let mut body = vec![b'['];
    for (index, (answer, sum)) in answers.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&answer);
        record.add(sum);
    }
    body.push(b']');
    Ok(body.into())
}

/// A GraphQL response, with the status that its media type wants.
fn respond(media: Media, answer: Answer) -> Response {
    write(media, status(media, &answer), answer.body)
}

fn status(media: Media, answer: &Answer) -> StatusCode {
    match (media, answer.executed) {
        (Media::GraphQL, false) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// The response to what is no GraphQL request, or may not be one here.
fn refuse(media: Media, refusal: &Refusal) -> Response {
    let body = error::response(std::slice::from_ref::<GraphQLError>(&refusal.error));
    let mut response = write(media, refusal.status, body);
    let headers = response.headers_mut();
    match refusal.status {
        StatusCode::UNAUTHORIZED => {
            let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(WWW_AUTHENTICATE, value);
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        _ => {}
    }
    response
}

fn write(media: Media, status: StatusCode, body: Bytes) -> Response {
    let media = match media {
        Media::EventStream | Media::Multipart => Media::Json,
        media => media,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media.content_type());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}
