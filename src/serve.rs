//! Serving HTTP until the process is told to end.

use anyhow::{Context, Result};
use platform::shutdown::Shutdown;
use router::Router;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

/// How long open connections may go on after the process was told to end.
const CONNECTIONS_END_WITHIN: Duration = Duration::from_secs(3);

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
    router: Router,
    others: axum::Router,
    shutdown: &Shutdown,
) -> Result<()> {
    let routes = others.merge(router.routes());
    let told = shutdown.clone();
    shutdown.spawn(async move {
        told.cancelled().await;
        router.close();
    });
    run(listener, routes, shutdown).await
}

/// Serves until shutdown; connections that are open then get a few seconds.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn run(
    listener: TcpListener,
    routes: axum::Router,
    shutdown: &Shutdown,
) -> Result<()> {
    let told = shutdown.token();
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(async move { told.cancelled().await });
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(CONNECTIONS_END_WITHIN).await;
    };
    tokio::select! {
        served = serving => served.context("serving HTTP failed"),
        () = too_long => Ok(()),
    }
}
