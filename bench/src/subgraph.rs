//! Subgraphs that cost as little as they can: each distinct request is answered once and its
//! answer kept, so that what is measured is the router.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use platform::subgraph::{Transport, TransportError};
use tokio::net::TcpListener;

use crate::{answer::answer, graph::Graph};

/// The supergraph as composed, with addresses that [`addressed`] replaces.
pub(crate) const SUPERGRAPH: &str = include_str!("../schema/supergraph.graphql");
/// The addresses in it.
const ADDRESSES: [&str; 3] = ["127.0.0.1:4201", "127.0.0.1:4202", "127.0.0.1:4203"];
/// The subgraphs in the order of their addresses.
pub(crate) const NAMES: [&str; 3] = ["user", "meeting", "transcript"];
/// Most answers that are kept.
const KEPT_MAX: usize = 1_000;

/// Answers of the subgraphs.
pub(crate) struct Answers {
    graph: Graph,
    kept: Mutex<HashMap<Bytes, Bytes>>,
}

impl Answers {
    /// None given yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { graph: Graph::new(), kept: Mutex::default() })
    }

    fn respond(&self, request: Bytes) -> Response<Bytes> {
        let found = self.lock().get(&request).cloned();
        let found = found.map_or_else(|| self.make(request), Ok);
        let (status, body) = match found {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}").into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }

    fn make(&self, request: Bytes) -> Result<Bytes> {
        let body = answer(&self.graph, &request)?;
        let mut kept = self.lock();
        if kept.len() < KEPT_MAX {
            kept.insert(request, body.clone());
        }
        Ok(body)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Bytes, Bytes>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the subgraphs inside the process.
pub(crate) struct InProcess(pub(crate) Arc<Answers>);

impl Transport for InProcess {
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let response = self.0.respond(request.into_body());
        async move { Ok(response) }.boxed()
    }
}

/// Serves the subgraphs on this machine only, in a thread of their own, as long as the process lives.
/// Gives their addresses, in the order of [`NAMES`].
///
/// # Errors
/// When no port is free.
pub(crate) fn serve() -> Result<[SocketAddr; 3]> {
    let listeners =
        [(); 3].map(|()| std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))));
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); 3];
    let mut bound = Vec::new();
    for (listener, address) in listeners.into_iter().zip(&mut addresses) {
        let listener = listener.context("no port for a subgraph")?;
        listener.set_nonblocking(true)?;
        *address = listener.local_addr()?;
        bound.push(listener);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = Answers::new();
    thread::Builder::new().name("subgraphs".to_owned()).spawn(move || {
        let serving = bound.into_iter().map(|listener| accept(listener, Arc::clone(&answers)));
        runtime.block_on(futures::future::join_all(serving))
    })?;
    Ok(addresses)
}

async fn accept(listener: std::net::TcpListener, answers: Arc<Answers>) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answers = Arc::clone(&answers);
                async move {
                    let body = request.into_body().collect().await;
                    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    Ok::<_, Infallible>(answers.respond(body).map(Full::new))
                }
            });
            // A router that goes away ends its connections as it likes.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The supergraph with these addresses of the subgraphs.
pub(crate) fn addressed(addresses: &[SocketAddr; 3]) -> String {
    let with = |sdl: String, (from, to): (&&str, &SocketAddr)| sdl.replace(*from, &to.to_string());
    ADDRESSES.iter().zip(addresses).fold(SUPERGRAPH.to_owned(), with)
}
