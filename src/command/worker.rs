//! `moim worker NAME`: one service's relay, event consumers and job workers.

use crate::{
    command::subgraph::set_peers,
    serve,
    service::{Name, Service, Shared},
    setting::{self, Settings},
};
use anyhow::Result;
use platform::{
    config::{Env, Source},
    shutdown::Shutdown,
    telemetry,
};
use std::time::Duration;

/// Arguments of `moim worker`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the service
    name: Name,
}

/// Works until the process is told to end; with `MOIM_LISTEN` it serves health as well.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let settings = Settings::load()?;
    let shutdown = Shutdown::default();
    shutdown.on_signal()?;
    let shared = Shared::connect(&settings).await?;
    set_peers(&shared, &settings)?;
    let service = Service::start(arguments.name, &shared, &settings).await?;
    service.work(&shutdown);
    tracing::info!(service = arguments.name.as_str(), "works");
    if settings.get("MOIM_LISTEN").is_some() {
        let listener = serve::bind(setting::listen(None)?).await?;
        let (routes, health) = (shared.health.routes(), &shared.health);
        // Nobody waits for its answers but probes.
        let end = serve::End { drain: Duration::ZERO, ..serve::End::DEFAULT };
        serve::run(listener, routes, &shutdown, health, end, async {}).await?;
    }
    shutdown.cancelled().await;
    shutdown.finish().await;
    Ok(())
}
