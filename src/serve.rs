//! Serving HTTP until the process is told to end, and ending without failing a request.
//!
//! The end has three steps. While it *drains*, the process says that it isn't ready and still answers everything,
//! with `connection: close`: load balancers and clients go elsewhere. Then it takes no more connections and lets
//! what runs *finish*. What hasn't finished by then is cut off.

use anyhow::{Context, Result};
use axum::{Router, extract::ConnectInfo};
use futures::future::join;
use hyper::{
    Request, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use platform::{health::Registry, shutdown::Shutdown};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a connection may be silent between requests, or take to send a request's headers. Load balancers keep
/// idle connections for 60 s: they must be the first to let go.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Pause between pings on HTTP/2 connections, and longest wait for their answer.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection that has just been opened when the server stops may take for its only request.
const LAST_REQUEST_WITHIN: Duration = Duration::from_secs(1);
/// Pause after a failed accept: the process has no file handles left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// How a server ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// How long it goes on answering after it was told to end.
    pub(crate) drain: Duration,
    /// Longest that what runs then may take.
    pub(crate) finish: Duration,
}

impl End {
    /// For roles that don't configure it.
    pub(crate) const DEFAULT: Self = Self {
        drain: Duration::from_millis(router::config::DRAIN_MS),
        finish: Duration::from_millis(router::config::FINISH_MS),
    };
}

/// Binds a listener.
///
/// # Errors
/// When the address is taken or not this machine's.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}; set MOIM_LISTEN to a free address"))
}

/// Serves a router until shutdown. Its subscriptions are then closed, so that their clients resume elsewhere.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn router(
    listener: TcpListener,
    router: router::Router,
    others: Router,
    shutdown: &Shutdown,
) -> Result<()> {
    let routes = others.merge(router.routes());
    let settings = router.shutdown();
    let end = End {
        drain: Duration::from_millis(settings.drain_ms),
        finish: Duration::from_millis(settings.finish_ms),
    };
    let closed = async {
        router.close();
        router.closed().await;
    };
    run(listener, routes, shutdown, &router.health(), end, closed).await
}

/// Serves until shutdown. `closed` is run when no more connections are taken, and waited for.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn run(
    listener: TcpListener,
    routes: Router,
    shutdown: &Shutdown,
    health: &Registry,
    end: End,
    closed: impl Future<Output = ()>,
) -> Result<()> {
    let server = Server {
        routes,
        told: shutdown.token(),
        stop: CancellationToken::new(),
        open: TaskTracker::new(),
        http: http(),
    };
    let mut drained = pin!(async {
        shutdown.cancelled().await;
        health.drain();
        tokio::time::sleep(end.drain).await;
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => server.take(accepted).await,
            () = &mut drained => break,
        }
    }
    server.stop.cancel();
    let listener = listener.into_std().context("serving HTTP failed")?;
    // Who is connected already is answered; the others find the next server.
    while let Ok((stream, peer)) = listener.accept() {
        server.take(nonblocking(stream).map(|stream| (stream, peer))).await;
    }
    drop(listener);
    server.open.close();
    let ended = join(server.open.wait(), closed);
    if tokio::time::timeout(end.finish, ended).await.is_err() {
        tracing::warn!(connections = server.open.len(), "connections did not end in time");
    }
    Ok(())
}

fn nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT)
        // WebSockets over HTTP/2.
        .enable_connect_protocol();
    http
}

/// What connections share.
struct Server {
    routes: Router,
    /// The process was told to end.
    told: CancellationToken,
    /// No more connections are taken.
    stop: CancellationToken,
    open: TaskTracker,
    http: auto::Builder<TokioExecutor>,
}

impl Server {
    async fn take(&self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small; they must not wait for more to come.
                let _ = stream.set_nodelay(true);
                let connection = Connection {
                    routes: TowerToHyperService::new(self.routes.clone()),
                    told: self.told.clone(),
                    stop: self.stop.clone(),
                    http: self.http.clone(),
                    peer,
                };
                self.open.spawn(connection.serve(stream));
            }
            // The client gave up meanwhile.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection of a client.
struct Connection {
    routes: TowerToHyperService<Router>,
    told: CancellationToken,
    stop: CancellationToken,
    http: auto::Builder<TokioExecutor>,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self { routes, told, stop, http, peer } = self;
        let served = Arc::new(AtomicBool::new(false));
        let service = service_fn(|mut request: Request<Incoming>| {
            served.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            let has_keep_alive = request.version() <= Version::HTTP_11;
            let (answer, told) = (routes.call(request), told.clone());
            async move {
                let mut response = answer.await?;
                let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                if has_keep_alive && !upgraded && told.is_cancelled() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection =
            pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        tokio::select! {
            _ = &mut connection => return,
            () = stop.cancelled() => {}
        }
        // A request may be on its way; its answer closes the connection.
        let last = async {
            if !served.load(Ordering::Relaxed) {
                tokio::time::sleep(LAST_REQUEST_WITHIN).await;
            }
        };
        tokio::select! {
            _ = &mut connection => return,
            () = last => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
