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
use platform::{identity::Identity, telemetry::TraceContext};

use super::{
    negotiation::{Media, accepted},
    operation::{Caller, Outcome, Told},
    request::{GraphQLRequest, QueryParameters, Refusal, Requests, check_csrf},
};
use crate::{
    engine::Answer,
    error::{self, GraphQLError, code},
    gateway::Gateway,
    limit,
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
    let trace = TraceContext::from_headers(headers);
    let mut line = Line { trace, started, viewer: None, told: Told::default() };
    let Some(media) = accepted(headers) else {
        let message = "Accept `application/json` or `application/graphql-response+json`.";
        let refusal = Refusal::new(StatusCode::NOT_ACCEPTABLE, code::BAD_REQUEST, message);
        return line.log(refuse(Media::Json, &refusal));
    };
    let response = match answer(gateway, headers, read, safe, media, &mut line).await {
        Ok(response) => response,
        Err(refusal) => {
            line.told.errors = 1;
            refuse(media, &refusal)
        }
    };
    line.log(response)
}

async fn answer(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    read: Result<Requests, Refusal>,
    safe: bool,
    media: Media,
    line: &mut Line,
) -> Result<Response, Refusal> {
    let requests = read?;
    let identity = gateway.identify(headers).await.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::debug!(error, "a token is refused");
        let message = "The access token is expired or not valid.";
        Refusal::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
    })?;
    if let Identity::Viewer(viewer) = &identity {
        line.viewer = Some(viewer.id.to_string());
    }
    let caller = Caller { gateway, headers, identity, trace: line.trace, safe, media };
    match requests {
        Requests::One(request) => match caller.run(*request, &mut line.told).await? {
            Outcome::Answer(answer) => Ok(respond(media, answer)),
            Outcome::Stream(response) => Ok(response),
        },
        Requests::Batch(requests) => {
            let body = batch(caller, requests, &mut line.told).await?;
            Ok(write(media, StatusCode::OK, body))
        }
    }
}

/// Runs the requests of a batch beside each other; their answers keep the order.
/// What is wrong with one of them stands in its place.
async fn batch(
    caller: Caller<'_>,
    requests: Vec<Result<GraphQLRequest, Refusal>>,
    told: &mut Told,
) -> Result<Bytes, Refusal> {
    if matches!(caller.media, Media::EventStream | Media::Multipart) {
        let message = "A batch cannot be streamed: accept `application/json`.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, message));
    }
    let caller = &caller;
    let runs = requests.into_iter().map(|request| async move {
        let mut told = Told::default();
        let outcome = match request {
            Ok(request) => caller.run(request, &mut told).await,
            Err(refusal) => {
                told.errors = 1;
                Err(refusal)
            }
        };
        let body = match outcome {
            Ok(Outcome::Answer(answer)) => answer.body,
            // Not for these media types.
            Ok(Outcome::Stream(_)) => error::response(&[]),
            Err(refusal) => error::response(&[refusal.error]),
        };
        (body, told)
    });
    let answers = futures::future::join_all(runs).await;
    told.kind = "batch";
    let mut body = vec![b'['];
    for (index, (answer, of_one)) in answers.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(answer);
        told.errors += of_one.errors;
        told.cost = told.cost.saturating_add(of_one.cost);
    }
    body.push(b']');
    Ok(body.into())
}

/// A GraphQL response, with the status that its media type wants.
fn respond(media: Media, answer: Answer) -> Response {
    let status = match (media, answer.executed) {
        (Media::GraphQL, false) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    write(media, status, answer.body)
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

/// One line per request; never tokens, documents or variables.
struct Line {
    trace: TraceContext,
    started: Instant,
    viewer: Option<String>,
    told: Told,
}

impl Line {
    fn log(&self, response: Response) -> Response {
        let told = &self.told;
        let duration_ms = self.started.elapsed().as_secs_f64() * 1_000.0;
        tracing::info!(
            operation = told.operation.as_deref(),
            kind = told.kind,
            hash = format_args!("{:016x}", told.hash),
            viewer = self.viewer.as_deref(),
            cost = told.cost,
            status = response.status().as_u16(),
            errors = told.errors,
            duration_ms,
            trace_id = self.trace.trace_id(),
            "request"
        );
        response
    }
}
