//! The HTTP side: GraphQL over HTTP, the explorer, health.

mod explorer;
mod graphql;
mod negotiation;
mod operation;
mod request;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate as _,
        predicate::{NotForContentType, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    config::{ConfigError, Cors},
    gateway::Gateway,
    headers, mode, rate,
};

/// Smallest response that is worth compressing, in bytes.
const COMPRESS_ABOVE_BYTES: u64 = 1024;
/// How long browsers may remember what CORS allows, in seconds.
const CORS_MAX_AGE_S: u64 = 3_600;

/// All routes of the router but its health.
pub(crate) fn routes(gateway: &Arc<Gateway>) -> Result<Router, ConfigError> {
    let config = &gateway.config;
    let mut routes = Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post))
        .layer(DefaultBodyLimit::max(config.http.body_max_bytes))
        .layer(from_fn_with_state(Arc::clone(gateway), surround))
        .with_state(Arc::clone(gateway));
    if config.explores() {
        routes = routes.merge(explorer::routes());
    }
    if config.http.compression {
        let worth = SizeAbove::new(COMPRESS_ABOVE_BYTES)
            .and(NotForContentType::SSE)
            // Parts must not wait in the compressor.
            .and(NotForContentType::const_new("multipart/"))
            .and(NotForContentType::IMAGES);
        let layer = CompressionLayer::new().quality(CompressionLevel::Fastest);
        routes = routes.layer(layer.compress_when(worth));
    }
    match cors(&config.http.cors, gateway.propagated())? {
        Some(layer) => Ok(routes.layer(layer)),
        None => Ok(routes),
    }
}

/// What is around every request to the endpoint. One layer: each is boxed and cloned for every request.
async fn surround(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let answer = |request| headers::respond(request, |request| next.run(request));
    let metered = |request| rate::meter(&gateway.limiter, request, answer);
    mode::trace(request, metered).await
}

fn cors<'n>(
    config: &Cors,
    propagated: impl Iterator<Item = &'n HeaderName>,
) -> Result<Option<CorsLayer>, ConfigError> {
    if config.origins.is_empty() {
        return Ok(None);
    }
    let origins = match config.origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => {
            let origins = config.origins.iter().map(|origin| {
                HeaderValue::from_str(origin).map_err(|_| ConfigError::Header(origin.clone()))
            });
            AllowOrigin::list(origins.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let mut allowed = vec![
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        header::ACCEPT,
        HeaderName::from_static("apollo-require-preflight"),
        HeaderName::from_static("x-apollo-operation-name"),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("traceparent"),
    ];
    allowed.extend(propagated.cloned());
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(allowed)
        .expose_headers([header::RETRY_AFTER, rate::RATE_LIMIT, rate::RATE_LIMIT_POLICY])
        .allow_credentials(config.credentials)
        .max_age(std::time::Duration::from_secs(CORS_MAX_AGE_S));
    Ok(Some(layer))
}
