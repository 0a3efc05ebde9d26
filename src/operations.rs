//! What every role has for operators: the endpoints, on the main address or one of their own, and the export of
//! traces.

use crate::serve;
use anyhow::{Context, Result};
use platform::{
    config::Source,
    health::Registry,
    operations::{self, Info, Operations, Settings},
    shutdown::Shutdown,
    telemetry,
};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Commit that the program was built from, if the build was told.
const COMMIT: Option<&str> = option_env!("MOIM_BUILD_COMMIT");

/// What a process with this role, of this service if any, is.
pub(crate) fn info(role: &'static str, service: Option<&'static str>) -> Info {
    Info { role, service, version: env!("CARGO_PKG_VERSION"), commit: COMMIT }
}

/// Starts the export of traces if it is set, and gives the endpoints that belong on the main address. What is for operators only is served at
/// `MOIM_OPERATIONS_LISTEN` from now on, if that is set.
///
/// # Errors
/// When a setting is wrong or the address is taken.
pub(crate) async fn routes(
    info: Info,
    health: &Registry,
    (main, production): (SocketAddr, bool),
    source: &dyn Source,
    shutdown: &Shutdown,
) -> Result<axum::Router> {
    let settings = Settings::from(source)?;
    telemetry::export::start(&operations::name(&info), info.version, source)?;
    let operations = Operations::new(info, health.clone());
    if let Some(address) = settings.listen {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("can't listen on {address}; set MOIM_OPERATIONS_LISTEN to a free address")
        })?;
        announce(&listener)?;
        let routes = operations.routes(settings.own_access());
        let (ending, health) = (shutdown.clone(), health.clone());
        shutdown.spawn(async move {
            let end = serve::End::DEFAULT;
            if let Err(error) = serve::run(listener, routes, &ending, &health, end, async {}).await
            {
                tracing::error!(error = format!("{error:#}"), "the endpoints for operators ended");
            }
        });
    }
    Ok(operations.routes(settings.main_access(main, production)))
}

/// Says on standard output where operators ask.
fn announce(listener: &TcpListener) -> Result<()> {
    use std::io::Write;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "for operators: http://{address}/metrics")?;
    Ok(())
}
