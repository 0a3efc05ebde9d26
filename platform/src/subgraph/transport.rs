//! The way to a subgraph over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{CallTimeout, Request, Response, Transport, TransportError};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Limits of an [`Http`] transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Most time for a call from its start to the last byte of the answer. A request's
    /// [`CallTimeout`] can only shorten it.
    pub timeout_ms: u64,
    /// Most time to make a connection.
    pub connect_timeout_ms: u64,
    /// Largest answer that is accepted.
    pub response_max_bytes: usize,
    /// Most idle connections that are kept.
    pub idle_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout_ms: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            connect_timeout_ms: 2_000,
            response_max_bytes: 64 * 1024 * 1024,
            idle_max: 128,
            // Below what servers commonly allow, so that ours isn't the end that meets a closed one.
            idle_timeout_ms: 30_000,
        }
    }
}

/// The URL of a subgraph can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} isn't an http:// or https:// URL")]
pub struct InvalidUrl {
    /// The URL as given.
    pub url: String,
}

/// Calls a subgraph at a URL, over pooled connections of HTTP/1.1.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    target: Arc<Target>,
}

struct Target {
    uri: Uri,
    options: HttpOptions,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("uri", &self.target.uri).finish_non_exhaustive()
    }
}

impl Http {
    /// A transport to the subgraph at `url`, such as `http://127.0.0.1:4001/graphql`.
    ///
    /// # Errors
    /// When the URL isn't one of HTTP.
    pub fn new(url: &str, options: HttpOptions) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(invalid());
        }
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_millis(options.connect_timeout_ms)));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(options.idle_max)
            .pool_idle_timeout(Duration::from_millis(options.idle_timeout_ms))
            .build(connector);
        Ok(Self { client, target: Arc::new(Target { uri, options }) })
    }

    /// The address that is called.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.target.uri
    }
}

impl Transport for Http {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let client = self.client.clone();
        let target = Arc::clone(&self.target);
        async move {
            let mut limit = Duration::from_millis(target.options.timeout_ms);
            if let Some(CallTimeout(shorter)) = request.extensions().get() {
                limit = limit.min(*shorter);
            }
            let exchange = async {
                let response =
                    client.request(address(request, &target.uri)).await.map_err(classify)?;
                let (parts, body) = response.into_parts();
                let body = read(body, target.options.response_max_bytes).await?;
                Ok(Response::from_parts(parts, body))
            };
            tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|_| Err(TransportError::Timeout(millis(limit))))
        }
        .boxed()
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn address(request: Request, uri: &Uri) -> http::Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    parts.method = Method::POST;
    parts.uri = uri.clone();
    parts.version = http::Version::HTTP_11;
    // The host is that of the address, whatever the request was made from.
    parts.headers.remove(HOST);
    parts.headers.insert(CONTENT_TYPE, JSON);
    parts.headers.entry(ACCEPT).or_insert(JSON);
    http::Request::from_parts(parts, Full::new(body))
}

/// Reads an answer into one piece, without copying one that came as one.
async fn read(mut body: Incoming, max_bytes: usize) -> Result<Bytes, TransportError> {
    let announced = body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
    if announced.is_some_and(|size| size > max_bytes) {
        return Err(TransportError::TooLarge(max_bytes));
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| TransportError::Body(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.len().max(rest.len());
        if data.len() > max_bytes - so_far {
            return Err(TransportError::TooLarge(max_bytes));
        }
        if so_far == 0 {
            first = data;
            continue;
        }
        if rest.is_empty() {
            // An announced size was checked above; without one, room grows by doubling.
            rest.reserve(announced.unwrap_or(2 * (first.len() + data.len())));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn classify(error: hyper_util::client::legacy::Error) -> TransportError {
    if error.is_connect() {
        return TransportError::Connect(error.into());
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        let closed = match this.downcast_ref::<hyper::Error>() {
            Some(hyper) => {
                hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed()
            }
            None => this.downcast_ref::<std::io::Error>().is_some(),
        };
        if closed {
            return TransportError::Closed(error.into());
        }
        cause = this.source();
    }
    TransportError::Protocol(error.into())
}
