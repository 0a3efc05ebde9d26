//! The receiving end of a subgraph.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::{ObjectType, Schema, ServerError, SubscriptionType};
use axum::extract::State;
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{Request, Response, Transport, TransportError};
use crate::cache::AtLeast;
use crate::error::{self, ApiError, Code};
use crate::metrics::http::Route;
use crate::metrics::messaging;
use crate::signature::Keys;
use crate::telemetry::{Kind, Span, TraceContext};

/// Largest request that is read from the network.
pub const REQUEST_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Room that an answer begins with; most are smaller.
const RESPONSE_START_BYTES: usize = 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Execute =
    dyn Fn(async_graphql::Request) -> BoxFuture<'static, async_graphql::Response> + Send + Sync;

/// A schema that answers signed requests: as an HTTP service ([`Endpoint::routes`]) and as a
/// [`Transport`] inside the process.
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    keys: Keys,
    execute: Box<Execute>,
    metrics: messaging::Endpoint,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint of the subgraph `name`, which trusts requests signed with `keys` for it.
    ///
    /// `per_request` adds what lives as long as one request (its DataLoaders) to its data. The
    /// request's [`Identity`](crate::identity::Identity), [`TraceContext`], [`AtLeast`] and, where it is
    /// told, [`ClientAddress`](crate::identity::ClientAddress) are there already.
    pub fn new<Q, M, S>(
        name: impl Into<String>,
        keys: Keys,
        schema: Schema<Q, M, S>,
        per_request: impl Fn(async_graphql::Request) -> async_graphql::Request + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let execute = Box::new(move |request| {
            let schema = schema.clone();
            let request = per_request(request);
            async move { schema.execute(request).await }.boxed()
        });
        let name = name.into();
        let metrics = messaging::Endpoint::new(&name);
        Arc::new(Self { inner: Arc::new(Inner { name, keys, execute, metrics }) })
    }

    /// The subgraph's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Answers one request. GraphQL answers have status 200 whatever their errors; 403 says that the
    /// request isn't signed as it must be, 400 that its body isn't a GraphQL request.
    pub async fn handle(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        self.inner.handle(headers, body).await
    }

    /// `POST /graphql`, with bodies up to [`REQUEST_MAX_BYTES`].
    pub fn routes(self: &Arc<Self>) -> axum::Router {
        axum::Router::new().route("/graphql", post(receive)).with_state(Arc::clone(self))
    }
}

impl Transport for Endpoint {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let inner = Arc::clone(&self.inner);
        async move {
            let timeout = request.extensions().get::<super::CallTimeout>().copied();
            let work = inner.handle(request.headers(), request.body());
            match timeout {
                None => Ok(work.await),
                Some(super::CallTimeout(limit)) => tokio::time::timeout(limit, work)
                    .await
                    .map_err(|_| TransportError::Timeout(super::transport::millis(limit))),
            }
        }
        .boxed()
    }
}

async fn receive(
    State(endpoint): State<Arc<Endpoint>>,
    request: axum::extract::Request,
) -> http::Response<axum::body::Body> {
    static ROUTE: Route = Route::new("/graphql");
    let (parts, body) = request.into_parts();
    let running = ROUTE.begin(&parts.method);
    let response = match Limited::new(body, REQUEST_MAX_BYTES).collect().await {
        Ok(body) => endpoint.handle(&parts.headers, &body.to_bytes()).await,
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the request is larger than {REQUEST_MAX_BYTES} bytes");
            refusal(StatusCode::PAYLOAD_TOO_LARGE, Code::BAD_REQUEST, &message)
        }
        Err(_) => refusal(StatusCode::BAD_REQUEST, Code::BAD_REQUEST, "the body broke off"),
    };
    ROUTE.end(&running, response.status());
    response.map(axum::body::Body::from)
}

impl Inner {
    async fn handle(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let began = Instant::now();
        let response = self.answer(headers, body).await;
        self.metrics.observe(response.status().is_success(), began.elapsed());
        response
    }

    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let (identity, client) = match self.keys.verify(&self.name, headers, body) {
            Ok(caller) => caller,
            Err(error) => {
                tracing::warn!(subgraph = self.name, %error, "untrusted request refused");
                let message = "only the router and services may ask here";
                return refusal(StatusCode::FORBIDDEN, Code::SUBGRAPH_UNTRUSTED_REQUEST, message);
            }
        };
        let mut request = match read(body) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("the body isn't a GraphQL request: {error}");
                return refusal(StatusCode::BAD_REQUEST, Code::BAD_REQUEST, &message);
            }
        };
        let above = TraceContext::in_headers(headers);
        let mut span = Span::start(Kind::Server, above, || format!("graphql {}", self.name).into());
        span.set("moim.subgraph", || self.name.clone());
        let trace = span.context();
        // Parsed here only to tell its errors from those of validation; it isn't parsed again.
        if let Err(mut error) = request.parsed_query().map(|_| ()) {
            set_code(&mut error, Code::GRAPHQL_PARSE_FAILED.as_str());
            return answer(&async_graphql::Response::from_errors(vec![error]));
        }
        let mut request = request.data(identity).data(trace).data(AtLeast::in_headers(headers));
        if let Some(client) = client {
            request = request.data(client);
        }
        trace.scope(self.execute(request)).await
    }

    async fn execute(&self, request: async_graphql::Request) -> Response {
        // A panic in a resolver must not take down who asked in the same process. What it touched is
        // dropped with the request; pools and caches recover on their own.
        let work = AssertUnwindSafe(async { (self.execute)(request).await }).catch_unwind();
        match work.await {
            Ok(mut response) => {
                response.errors.iter_mut().for_each(publish);
                answer(&response)
            }
            Err(_) => {
                let error: Box<dyn std::error::Error + Send + Sync> = "a resolver panicked".into();
                let masked = error::internal(error);
                let mut public = ServerError::new(masked.message, None);
                public.extensions = masked.extensions;
                answer(&async_graphql::Response::from_errors(vec![public]))
            }
        }
    }
}

fn read(body: &[u8]) -> Result<async_graphql::Request, serde_json::Error> {
    // Serde would also take a list for the fields of a struct.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(serde::de::Error::custom("it isn't an object"));
    }
    serde_json::from_slice(body)
}

/// Makes an error fit for clients: every one has a code, inner ones are logged and masked.
fn publish(error: &mut ServerError) {
    if error.extensions.as_ref().is_some_and(|values| values.get("code").is_some()) {
        return;
    }
    if let Some(code) = error.source::<ApiError>().map(|public| public.code) {
        return set_code(error, code.as_str());
    }
    if error.source.is_none() {
        if is_input_error(&error.message) {
            return set_code(error, Code::BAD_USER_INPUT.as_str());
        }
        // Only resolvers' errors have a path: this one was found before anything ran.
        if error.path.is_empty() {
            return set_code(error, Code::GRAPHQL_VALIDATION_FAILED.as_str());
        }
    }
    let inner: Box<dyn std::error::Error + Send + Sync> = std::mem::take(&mut error.message).into();
    let masked = error::internal(inner);
    error.message = masked.message;
    error.extensions = masked.extensions;
    error.source = None;
}

/// What the library says, without a code, when an argument or a variable doesn't fit its type.
fn is_input_error(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

fn set_code(error: &mut ServerError, code: &str) {
    error.extensions.get_or_insert_default().set("code", code);
}

fn answer(response: &async_graphql::Response) -> Response {
    let mut body = Vec::with_capacity(RESPONSE_START_BYTES);
    match serde_json::to_writer(&mut body, response) {
        Ok(()) => reply(StatusCode::OK, body.into()),
        Err(error) => {
            error::log_internal(&error);
            let code = Code::INTERNAL_SERVER_ERROR;
            refusal(StatusCode::INTERNAL_SERVER_ERROR, code, error::INTERNAL_MESSAGE)
        }
    }
}

fn refusal(status: StatusCode, code: Code, message: &str) -> Response {
    let body = serde_json::json!({
        "errors": [{ "message": message, "extensions": { "code": code.as_str() } }]
    });
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(body.to_string().as_bytes());
    reply(status, bytes.freeze())
}

fn reply(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
