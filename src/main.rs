//! `moim`: every role of the platform in one binary.
//!
//! `moim up` runs everything on this machine; the other commands run one role each, so that the same
//! binary makes up a cluster. Each role is configured by environment variables (docs/configuration.md).

mod command;
mod demo;
mod operations;
mod serve;
mod service;
mod setting;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use std::{path::PathBuf, process::ExitCode};

/// Faster than the system's where several threads allocate many small pieces.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Turns meetings into minutes: a federated GraphQL API, its workers and its router.
#[derive(Parser)]
#[command(name = "moim", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: servers, migrations, router, subgraphs, workers, demo data
    Up(command::up::Arguments),
    /// Run the federation router alone, for any supergraph
    Router(command::router::Arguments),
    /// Serve one subgraph over HTTP
    Subgraph(command::subgraph::Arguments),
    /// Run one service's outbox relay, event consumers and job workers
    Worker(command::worker::Arguments),
    /// Migrate the databases of every service
    Migrate,
    /// Apply or show the NATS streams and consumers of nats/
    #[command(subcommand)]
    Nats(command::nats::Command),
    /// List, show, replay or drop events and jobs that were given up
    #[command(subcommand)]
    Dlq(command::dlq::Command),
    /// Publish stored events again
    #[command(subcommand)]
    Events(command::events::Command),
    /// Show what is cached, or evict it
    #[command(subcommand)]
    Cache(command::cache::Command),
    /// Say who administers, and shut or open accounts
    #[command(subcommand)]
    User(command::user::Command),
    /// Print a subgraph's SDL
    Sdl {
        /// Name of the subgraph
        name: String,
    },
    /// Check configuration and reachability; each failure says what to do
    Check,
    /// Fetch what `moim up` and the tests need: servers and speech weights
    Fetch {
        /// Also copy the sample recording to this path
        #[arg(long, value_name = "FILE")]
        sample: Option<PathBuf>,
    },
    /// The speech engine's own process: jobs on standard input, events on standard output
    #[command(hide = true)]
    Speech,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Speech = arguments.command {
        speech::process::child_main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("moim: the async runtime did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let ended = run(arguments.command).await;
        platform::telemetry::export::finish().await;
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(arguments) => command::up::run(arguments).await,
        Command::Router(arguments) => command::router::run(arguments).await,
        Command::Subgraph(arguments) => command::subgraph::run(arguments).await,
        Command::Worker(arguments) => command::worker::run(arguments).await,
        Command::Migrate => command::migrate::run().await,
        Command::Nats(command) => command::nats::run(command).await,
        Command::Dlq(command) => command::dlq::run(command).await,
        Command::Events(command) => command::events::run(command).await,
        Command::Cache(command) => command::cache::run(command).await,
        Command::User(command) => command::user::run(command).await,
        Command::Sdl { name } => command::sdl::run(&name),
        Command::Check => command::check::run().await,
        Command::Fetch { sample } => command::fetch::run(sample).await,
        Command::Speech => unreachable!("handled before the runtime starts"),
    }
}
