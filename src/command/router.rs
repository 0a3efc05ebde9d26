//! `moim router`: the federation router alone.

use crate::{command::subgraph::announce, operations, serve, setting::Settings};
use anyhow::{Context, Result};
use platform::{
    cache::Cache,
    config::{self, Env, Source},
    health::Registry,
    metrics::sampler,
    shutdown::Shutdown,
    signature, telemetry,
};
use router::Router;
use secrecy::ExposeSecret;
use std::{fs, io::Write, path::PathBuf};

/// Arguments of `moim router`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The composed supergraph (SDL)
    #[arg(long, value_name = "FILE", required_unless_present = "config_schema")]
    supergraph: Option<PathBuf>,
    /// The router's configuration (YAML); each setting has a default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration's JSON Schema instead
    #[arg(long)]
    config_schema: bool,
}

/// Serves until the process is told to end.
///
/// With a bare supergraph it needs nothing else. It signs its requests if `MOIM_SIGNATURE_KEY` is set, and feeds
/// `@eventSource` subscriptions if `MOIM_NATS_URL` is. Rate limits hold across routers if `MOIM_REDIS_URL` is set.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Some(path) = arguments.supergraph.filter(|_| !arguments.config_schema) else {
        let schema = serde_json::to_string_pretty(&router::Config::json_schema())?;
        writeln!(std::io::stdout(), "{schema}")?;
        return Ok(());
    };
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
    };
    let supergraph = read(&path)?;
    let mut configuration = match &arguments.config {
        Some(path) => router::Config::from_yaml(&read(path)?)
            .with_context(|| format!("{} can't be used", path.display()))?,
        None => router::Config::default(),
    };
    let settings = Settings::load()?;
    let shutdown = Shutdown::default();
    shutdown.on_signal()?;
    let listener = serve::bind(crate::setting::listen(Some(configuration.listen))?).await?;
    if configuration.events.is_none() && settings.get("MOIM_NATS_URL").is_some() {
        configuration.events = Some(events(&settings)?);
    }
    let main = (listener.local_addr()?, configuration.in_production());
    let health = Registry::default();
    shutdown.spawn(sampler::run(Vec::new(), health.clone(), shutdown.clone()));
    let info = operations::info("router", None);
    let operations = operations::routes(info, &health, main, &settings, &shutdown).await?;
    let mut builder =
        Router::builder(supergraph, configuration).health(health).operations(operations);
    if settings.get("MOIM_SIGNATURE_KEY").is_some() {
        builder = builder.keys(signature::Keys::from(&config::Keys::from(&settings)?));
    }
    if settings.get("MOIM_REDIS_URL").is_some() {
        builder = builder.cache(Cache::connect(&config::Redis::from(&settings)?).await?);
    }
    let router = builder.build().await?;
    router.watch(&path);
    announce("router", &listener)?;
    serve::router(listener, router, axum::Router::new(), &shutdown).await?;
    shutdown.finish().await;
    Ok(())
}

/// The event stream that `MOIM_NATS_URL` and `MOIM_NATS_PREFIX` name.
pub(crate) fn events(source: &dyn Source) -> Result<router::config::Events> {
    let nats = config::Nats::from(source)?;
    Ok(router::config::Events { url: nats.url.expose_secret().to_owned(), prefix: nats.prefix })
}
