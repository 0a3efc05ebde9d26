//! `moim up`: everything on this machine.

use crate::{
    demo, operations, serve,
    service::{Name, Service, Shared},
    setting::{self, KeyFolder, Settings},
};
use anyhow::{Context, Result, anyhow};
use meeting::meeting::Meetings;
use platform::{
    config::{Env, Source, Values},
    metrics::sampler,
    shutdown::Shutdown,
    telemetry, topology,
};
use router::Router;
use std::{io::Write, path::Path};
use tokio::{net::TcpListener, task::JoinHandle};

/// The supergraph of this version, composed at build time (`make schema`).
const SUPERGRAPH: &str = include_str!("../../schema/supergraph.graphql");

/// Arguments of `moim up`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Don't load demo data
    #[arg(long)]
    no_demo: bool,
}

/// Starts everything, prints where it is, and stops all of it when the process is told to end.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let data = setting::data_folder()?;
    let keys = KeyFolder::of(&data);
    keys.fill()?;
    let listener = serve::bind(setting::listen(None)?).await?;
    let shutdown = Shutdown::default();
    shutdown.on_signal()?;

    let stack = stack::Stack::start(&stack::Options::from_env(&data)).await?;
    let running = async {
        let start = start_all(&arguments, &data, &stack, keys.values(), listener, &shutdown);
        tokio::select! {
            serving = start => serving?.await?,
            () = shutdown.cancelled() => Ok(()), // told to end before everything was up
        }
    };
    let result = tokio::select! {
        result = running => result,
        server = stack.failed() => Err(anyhow!("{server} ended and can't be started again")),
    };
    shutdown.finish().await;
    stack.stop().await;
    result
}

/// Starts everything on servers that are up; answers the task that serves.
async fn start_all(
    arguments: &Arguments,
    data: &Path,
    stack: &stack::Stack,
    keys: Values,
    listener: TcpListener,
    shutdown: &Shutdown,
) -> Result<JoinHandle<Result<()>>> {
    let base = format!("http://{}", listener.local_addr()?);
    let settings = Settings::with(
        data,
        keys.with("MOIM_POSTGRES_URL", stack.postgres_url())
            .with("MOIM_REDIS_URL", stack.redis_url())
            .with("MOIM_NATS_URL", stack.nats_url())
            .with("MOIM_MEETING_UPLOAD_BASE_URL", &base)
            .with("MOIM_TRANSCRIPT_DOWNLOAD_BASE_URL", &base),
    );
    if transcript::Config::from(&settings)?.engine.needs_weights() {
        super::fetch::weights().await?;
    }
    let shared = Shared::connect(&settings).await?;
    topology::apply(&shared.bus).await.context("the NATS topology can't be applied")?;
    let mut services = Vec::new();
    for name in Name::ALL {
        shared.migrate(name).await?;
        let service = Service::start(name, &shared, &settings).await?;
        shared.peers.set(name.as_str(), service.endpoint.clone());
        services.push((name, service));
    }
    let mut routes = axum::Router::new();
    let mut config = router_config(&base)?;
    // There is no other router to go to.
    config.shutdown.drain_ms = 0;
    config.events = Some(super::router::events(&settings)?);
    let main = (listener.local_addr()?, config.in_production());
    let info = operations::info("up", None);
    let operations = operations::routes(info, &shared.health, main, &settings, shutdown).await?;
    let mut builder = Router::builder(SUPERGRAPH, config)
        .keys(shared.keys.clone())
        .cache(shared.cache.clone())
        .health(shared.health.clone())
        .operations(operations);
    for (name, service) in &services {
        builder = builder.transport(name.as_str(), service.endpoint.clone());
        routes = routes.merge(service.routes.clone());
    }
    let router = builder.build().await?;
    for (_, service) in &services {
        service.work(shutdown);
    }
    let kernels = services.iter().map(|(_, service)| service.kernel.clone()).collect();
    shutdown.spawn(sampler::run(kernels, shared.health.clone(), shutdown.clone()));
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { serve::router(listener, router, routes, &shutdown).await }
    });
    let with_demo = !arguments.no_demo && setting::switch("MOIM_DEMO", true)?;
    if with_demo {
        let kernel = |of: Name| {
            let found = services.iter().find(|(name, _)| *name == of);
            found.map(|(_, service)| service.kernel.clone()).context("a service is missing")
        };
        let meetings = Meetings::new(kernel(Name::Meeting)?, meeting::Config::from(&settings)?);
        let worked = demo::Services {
            meetings,
            transcript: kernel(Name::Transcript)?,
            ai: kernel(Name::Ai)?,
            todo: kernel(Name::Todo)?,
        };
        demo::load(&base, &worked).await.context("the demo data can't be loaded")?;
    }
    welcome(&base, with_demo)?;
    Ok(serving)
}

/// How often a viewer may ask (or an address, when anonymous). Log-in and registration are the stricter bucket.
const RATE_LIMITS: &str = "
rate_limit:
  enabled: true
  default: { per_second: 20, burst: 40, per_minute: 200, per_hour: 2000 }
  subgraphs:
    user: { per_second: 10, burst: 20, per_minute: 100, per_hour: 1000 }
";

/// The router's configuration: `MOIM_ROUTER_CONFIG` names a file, else tokens of our own user service, and limits.
fn router_config(base: &str) -> Result<router::Config> {
    if let Some(path) = Env.get("MOIM_ROUTER_CONFIG") {
        let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
        return router::Config::from_yaml(&text).with_context(|| format!("{path} can't be used"));
    }
    let limits = if setting::switch("MOIM_RATE_LIMIT", true)? { RATE_LIMITS } else { "" };
    let text = format!(
        "{limits}authentication:\n  issuers:\n    - issuer: moim\n      audience: moim\n      trust: own\n      \
         jwks:\n        url: {base}/.well-known/jwks.json\n"
    );
    Ok(router::Config::from_yaml(&text)?)
}

/// What a newcomer may try.
const TO_TRY: &str = "
  To try: open the explorer. Its tabs hold the main job, step by step: log in with the first,
  watch the meeting that is in progress, send it a recording, end it, and see its minutes come.
  `make sample` gives you a recording; README.md has the same job for curl, and a tour of what
  the demo's people have met about.";

/// Says where everything is and what to try.
fn welcome(base: &str, with_demo: bool) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "\n  Moim is up. Ctrl-C stops all of it.\n")?;
    writeln!(out, "  GraphQL endpoint   {base}/graphql")?;
    writeln!(out, "  Explorer           {base}/graphiql/")?;
    if with_demo {
        writeln!(out, "  Demo login         {}   {}", demo::EMAIL, demo::PASSWORD)?;
        writeln!(out, "{TO_TRY}")?;
    }
    writeln!(out)?;
    Ok(())
}
