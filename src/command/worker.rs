//! `moim worker NAME`: one service's relay, event consumers and job workers.

use crate::{
    command::subgraph::{announce, set_peers},
    operations, serve,
    service::{Name, Service, Shared},
    setting::{self, Settings},
};
use anyhow::Result;
use platform::{
    config::{Env, Source},
    metrics::sampler,
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

/// Works until the process is told to end; with `MOIM_LISTEN` or `MOIM_OPERATIONS_LISTEN` it serves
/// health and metrics as well.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let settings = Settings::load()?;
    let shutdown = Shutdown::default();
    shutdown.on_signal()?;
    let shared = Shared::connect(&settings).await?;
    set_peers(&shared, &settings)?;
    let service = Service::start(arguments.name, &shared, &settings).await?;
    service.work(&shutdown);
    shutdown.spawn(sampler::run(
        vec![service.kernel.clone()],
        shared.health.clone(),
        shutdown.clone(),
    ));
    tracing::info!(service = arguments.name.as_str(), "works");
    let info = operations::info("worker", Some(arguments.name.as_str()));
    if settings.get("MOIM_LISTEN").is_some() {
        let listener = serve::bind(setting::listen(None)?).await?;
        announce("worker", &listener)?;
        let (main, health) = ((listener.local_addr()?, false), &shared.health);
        let routes = operations::routes(info, health, main, &settings, &shutdown).await?;
        // Nobody waits for its answers but probes.
        let end = serve::End { drain: Duration::ZERO, ..serve::End::DEFAULT };
        serve::run(listener, routes, &shutdown, health, end, async {}).await?;
    } else {
        let nowhere = (([127, 0, 0, 1], 0).into(), false);
        let _unserved =
            operations::routes(info, &shared.health, nowhere, &settings, &shutdown).await?;
    }
    shutdown.cancelled().await;
    shutdown.finish().await;
    Ok(())
}
