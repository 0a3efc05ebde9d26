//! `moim subgraph NAME`: one subgraph's HTTP server.

use crate::{
    operations, serve,
    service::{Name, Service, Shared},
    setting::{self, Settings},
};
use anyhow::Result;
use platform::{
    config::{Env, Source},
    metrics::sampler,
    shutdown::Shutdown,
    subgraph::{Http, HttpOptions},
    telemetry,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// Where a subgraph listens unless told otherwise, as in `supergraph.yaml`.
fn address(name: Name) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, name.port()))
}

/// Arguments of `moim subgraph`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the subgraph
    name: Name,
}

/// Serves until the process is told to end.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let settings = Settings::load()?;
    let shutdown = Shutdown::default();
    shutdown.on_signal()?;
    let listener = serve::bind(setting::listen(Some(address(arguments.name)))?).await?;
    let shared = Shared::connect(&settings).await?;
    set_peers(&shared, &settings)?;
    let service = Service::start(arguments.name, &shared, &settings).await?;
    shutdown.spawn(sampler::run(
        vec![service.kernel.clone()],
        shared.health.clone(),
        shutdown.clone(),
    ));
    let info = operations::info("subgraph", Some(arguments.name.as_str()));
    let main = (listener.local_addr()?, false);
    let operations = operations::routes(info, &shared.health, main, &settings, &shutdown).await?;
    let routes = service.endpoint.routes().merge(service.routes.clone()).merge(operations);
    announce(arguments.name.as_str(), &listener)?;
    let end = serve::End::DEFAULT;
    serve::run(listener, routes, &shutdown, &shared.health, end, async {}).await?;
    shutdown.finish().await;
    Ok(())
}

/// Ways to the other subgraphs over HTTP: `MOIM_<NAME>_URL`, else where they listen by default.
pub(crate) fn set_peers(shared: &Shared, source: &dyn Source) -> Result<()> {
    for name in Name::ALL {
        let variable = format!("MOIM_{}_URL", name.as_str().to_uppercase());
        let url = source.get(&variable);
        let url = url.unwrap_or_else(|| format!("http://{}/graphql", address(name)));
        shared.peers.set(name.as_str(), Arc::new(Http::new(&url, HttpOptions::default())?));
    }
    Ok(())
}

/// Says on standard output where a role listens.
pub(crate) fn announce(role: &str, listener: &tokio::net::TcpListener) -> Result<()> {
    use std::io::Write;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "{role} listens on http://{address}/graphql")?;
    Ok(())
}
