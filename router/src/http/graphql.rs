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
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE},
};
use platform::{identity::Identity, telemetry::TraceContext};

use super::{
    negotiation::{Media, accepted},
    request::{GraphQLRequest, QueryParameters, Refusal, check_csrf},
};
use crate::{
    engine::{Answer, Operation, Prepared},
    error::{self, GraphQLError, code},
    gateway::Gateway,
    subscription::{self, sse, websocket},
};

/// Answers a `POST`.
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    request: axum::extract::Request,
) -> Response {
    let started = Instant::now();
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, &()).await;
    let read = body.map_err(unreadable).and_then(|body| GraphQLRequest::from_body(&headers, &body));
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
    if gateway.config.explorer && wants_page(&headers) && request.uri().query().is_none() {
        let location = (LOCATION, HeaderValue::from_static("/graphiql"));
        return (StatusCode::SEE_OTHER, [location]).into_response();
    }
    let read = Query::<QueryParameters>::try_from_uri(request.uri())
        .map_err(|_| {
            let message = "The query string cannot be read.";
            Refusal::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, message)
        })
        .and_then(|Query(parameters)| GraphQLRequest::from_query(parameters));
    let read = match gateway.config.http.csrf_protection {
        true => check_csrf(&headers).and(read),
        false => read,
    };
    handle(&gateway, &headers, read, true, started).await
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreadable(rejection: BytesRejection) -> Refusal {
    let status = rejection.status();
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large.",
        _ => "The body cannot be read.",
    };
    Refusal::new(status, code::BAD_REQUEST, message)
}

/// Whether a person has opened the endpoint in a browser.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT);
    accept.and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// What is told in the request's log line.
#[derive(Default)]
struct Told {
    operation: Option<String>,
    kind: &'static str,
    hash: u64,
    viewer: Option<String>,
    errors: usize,
}

async fn handle(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    read: Result<GraphQLRequest, Refusal>,
    safe: bool,
    started: Instant,
) -> Response {
    let trace = TraceContext::from_headers(headers);
    let mut told = Told::default();
    let Some(media) = accepted(headers) else {
        let message = "Accept `application/json` or `application/graphql-response+json`.";
        let refusal = Refusal::new(StatusCode::NOT_ACCEPTABLE, code::BAD_REQUEST, message);
        return log(&told, &trace, started, refuse(Media::Json, &refusal));
    };
    let response = match answer(gateway, headers, read, safe, media, trace, &mut told).await {
        Ok(response) => response,
        Err(refusal) => {
            told.errors = 1;
            refuse(media, &refusal)
        }
    };
    log(&told, &trace, started, response)
}

async fn answer(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    read: Result<GraphQLRequest, Refusal>,
    safe: bool,
    media: Media,
    trace: TraceContext,
    told: &mut Told,
) -> Result<Response, Refusal> {
    let request = read?;
    let identity = gateway.identify(headers).await.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::debug!(error, "a token is refused");
        let message = "The access token is expired or not valid.";
        Refusal::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
    })?;
    if let Identity::Viewer(viewer) = &identity {
        told.viewer = Some(viewer.id.to_string());
    }
    let engine = &gateway.engine;
    let prepared = engine.prepare(&request.query, request.operation_name.as_deref());
    let prepared = match prepared.await {
        Ok(prepared) => prepared,
        Err(errors) => {
            told.errors = errors.len();
            if media == Media::EventStream {
                return Ok(sse::refuse(&gateway.live, errors));
            }
            return Ok(respond(media, Answer::refused(&errors)));
        }
    };
    told.operation = prepared.operation_name().map(str::to_owned);
    told.kind = prepared.operation().as_str();
    told.hash = prepared.hash();
    if safe && prepared.operation() == Operation::Mutation {
        let message = "Mutations must be sent by POST.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::BAD_REQUEST, message));
    }
    let mut ctx = gateway.context(identity, headers);
    ctx.trace = trace;
    if media == Media::EventStream {
        let query = subscription::Query {
            query: request.query,
            operation_name: request.operation_name,
            variables: request.variables,
            last_event_id: sse::last_event_id(headers),
        };
        return Ok(sse::respond(&gateway.live, query, ctx));
    }
    let work = execute(gateway, &prepared, &request, &ctx);
    let answer = trace.scope(work).await;
    told.errors = answer.errors;
    Ok(respond(media, answer))
}

async fn execute(
    gateway: &Gateway,
    prepared: &Arc<Prepared>,
    request: &GraphQLRequest,
    ctx: &crate::engine::RequestContext,
) -> Answer {
    gateway.engine.answer(prepared, &request.variables, ctx).await
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
        Media::EventStream => Media::Json,
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
fn log(told: &Told, trace: &TraceContext, started: Instant, response: Response) -> Response {
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(
        operation = told.operation.as_deref(),
        kind = told.kind,
        hash = format_args!("{:016x}", told.hash),
        viewer = told.viewer.as_deref(),
        status = response.status().as_u16(),
        errors = told.errors,
        duration_ms,
        trace_id = trace.trace_id(),
        "request"
    );
    response
}
