//! Measures `moim router` beside other routers, over the same subgraphs, in one run.
//!
//! | module | idea |
//! |---|---|
//! | `graph`, `answer`, `subgraph` | made-up data, its answers, subgraphs that cost little |
//! | `contestant`, `process` | the routers, and what the kernel says they cost |
//! | `load`, `report` | requests, and what came of them |
//! | `push` | what live updates cost our router |

mod answer;
mod contestant;
mod graph;
mod load;
mod process;
mod push;
mod report;
mod subgraph;

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use contestant::{Contestant, Recipe, file, version};
use load::{Load, Operation};
use mimalloc::MiMalloc;
use platform::{config::Env, telemetry};
use report::{Entry, Report, Round};

/// The same as that of `moim`: our router runs in this program, too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Version of the npm gateway, as in gateway/package.json.
const GATEWAY_VERSION: &str = "2.15.1";
/// Requests before those that are measured, in seconds.
const WARM_UP_SECONDS: u64 = 2;
/// Most requests of one measurement.
const REQUESTS_MAX: u32 = 1_000_000;
/// Most requests with a new document in one round.
const NEW_DOCUMENTS_MAX: u32 = 500;

/// Measures the router beside others.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the routers, measure them in turns, print a table, write JSON
    Run(Run),
    /// Measure what live updates cost our router: subscribers, events, memory
    Push(push::Arguments),
    /// Serve the subgraphs alone, to look at one router: writes the supergraph, prints its path
    Subgraphs {
        /// Where the supergraph is written
        #[arg(long)]
        results: PathBuf,
    },
    /// Our router with the subgraphs in its own process
    #[command(hide = true)]
    Router {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The folder for results, logs and the routers' files
    #[arg(long)]
    results: PathBuf,
    /// Our router; the binary beside this one unless given
    #[arg(long)]
    moim: Option<PathBuf>,
    /// Folder where the npm gateway is installed; it isn't measured unless given
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Another router's binary
    #[arg(long, env = "PEER")]
    peer: Option<PathBuf>,
    /// Its arguments, divided by spaces; {supergraph}, {host} and {port} are filled in
    #[arg(long, env = "PEER_ARGS", default_value = "", allow_hyphen_values = true)]
    peer_args: String,
    /// Its environment variables, as NAME=VALUE divided by spaces; filled in as well
    #[arg(
        long,
        env = "PEER_ENV",
        default_value = "SUPERGRAPH_FILE_PATH={supergraph} HOST={host} PORT={port}"
    )]
    peer_env: String,
    /// How often each router has its turn
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// How long a turn is, in seconds
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 5)]
    seconds: u64,
    /// Connections, each with one request under way
    #[arg(long, env = "BENCH_CONCURRENCY", default_value_t = 50)]
    concurrency: usize,
    /// Only routers whose name contains this
    #[arg(long, env = "BENCH_ONLY", default_value = "")]
    only: String,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(run(arguments)),
        Command::Push(arguments) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(push::run(arguments)),
        Command::Subgraphs { results } => {
            let supergraph = supergraph(&results)?;
            writeln!(std::io::stdout(), "{}", supergraph.display())?;
            loop {
                std::thread::park();
            }
        }
        // The same runtime as that of `moim`.
        Command::Router { listen } => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(router(listen)),
    }
}

/// Starts the subgraphs and writes the supergraph with their addresses.
fn supergraph(results: &Path) -> Result<PathBuf> {
    fs::create_dir_all(results)?;
    let results = fs::canonicalize(results)?;
    file(&results, "supergraph.graphql", &subgraph::addressed(&subgraph::serve()?))
}

/// Our router with the subgraphs in its own process, until it is ended from outside.
async fn router(listen: SocketAddr) -> Result<()> {
    // It logs as `moim` does.
    telemetry::init(&telemetry::Log::from(&Env)?)?;
    let answers = subgraph::Answers::new();
    let mut builder = router::Router::builder(subgraph::SUPERGRAPH, router::Config::default());
    for name in subgraph::NAMES {
        builder = builder.transport(name, Arc::new(subgraph::InProcess(Arc::clone(&answers))));
    }
    let router = builder.build().await?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let service = router.routes().into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

async fn run(arguments: Run) -> Result<()> {
    let supergraph = supergraph(&arguments.results)?;
    let results = fs::canonicalize(&arguments.results)?;
    let mut contestants = Vec::new();
    for recipe in recipes(&arguments, &results)? {
        if recipe.name.contains(&arguments.only) {
            say(&format!("starting {} ({})", recipe.name, recipe.version));
            contestants.push(recipe.start(&supergraph, &results).await?);
        }
    }
    ensure!(!contestants.is_empty(), "no router to measure");
    let mut rounds = vec![Vec::new(); contestants.len()];
    for number in 1..=arguments.rounds {
        for (contestant, rounds) in contestants.iter_mut().zip(&mut rounds) {
            let round = measure(contestant, &arguments).await?;
            say(&format!(
                "round {number}: {} {:.0}/s, {:.0} µs CPU each",
                contestant.name, round.requests_per_second, round.cpu_us
            ));
            rounds.push(round);
        }
    }
    let report = report(&contestants, rounds, &arguments)?;
    let table = report.table();
    file(&results, "results.json", &serde_json::to_string_pretty(&report)?)?;
    file(&results, "results.md", &table)?;
    write!(std::io::stdout(), "\n{table}")?;
    Ok(())
}

/// Every router that can be measured here.
fn recipes(arguments: &Run, results: &Path) -> Result<Vec<Recipe>> {
    let this = std::env::current_exe()?;
    let moim = match &arguments.moim {
        Some(path) => path.clone(),
        None => this.with_file_name("moim"),
    };
    ensure!(moim.exists(), "{} isn't there: build it first", moim.display());
    let moim = fs::canonicalize(moim)?;
    let all = file(results, "every-fetch.yaml", "fetch: { deduplicate: false }\n")?;
    let own = version(&moim, "--version");
    let ours = |name, program: &Path, text: &str| Recipe {
        name,
        version: own.clone(),
        program: program.to_owned(),
        arguments: words(text),
        variables: vec![("MOIM_LISTEN".to_owned(), "{host}:{port}".to_owned())],
    };
    let mut every = ours("moim every fetch", &moim, "router --supergraph {supergraph} --config");
    every.arguments.push(all.to_string_lossy().into_owned());
    let mut recipes = vec![
        ours("moim", &moim, "router --supergraph {supergraph}"),
        every,
        ours("moim in-process", &this, "router --listen {host}:{port}"),
    ];
    if let Some(folder) = &arguments.gateway {
        let program = folder.join("node_modules/.bin/hive-gateway");
        recipes.push(Recipe {
            name: "hive-gateway",
            version: GATEWAY_VERSION.to_owned(),
            program: fs::canonicalize(&program)
                .with_context(|| format!("{} isn't installed", program.display()))?,
            arguments: words("supergraph {supergraph} --host {host} --port {port}"),
            variables: vec![("NODE_ENV".to_owned(), "production".to_owned())],
        });
    }
    if let Some(peer) = &arguments.peer {
        recipes.push(Recipe {
            name: "peer",
            version: version(peer, "--version"),
            program: fs::canonicalize(peer).context("PEER is no program")?,
            arguments: words(&arguments.peer_args),
            variables: arguments
                .peer_env
                .split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        });
    }
    Ok(recipes)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

async fn measure(contestant: &mut Contestant, arguments: &Run) -> Result<Round> {
    let load_average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load_average = load_average.split(' ').next().unwrap_or_default().to_owned();
    let warm = |seconds| Load {
        concurrency: arguments.concurrency,
        duration: Duration::from_secs(seconds),
        requests_max: REQUESTS_MAX,
    };
    turn(contestant, &contestant.warm, warm(WARM_UP_SECONDS)).await?;
    let (outcome, cpu_us) = turn(contestant, &contestant.warm, warm(arguments.seconds)).await?;
    let new = Load { requests_max: NEW_DOCUMENTS_MAX, ..warm(arguments.seconds) };
    let (outcome_new, cpu_new_document_us) = turn(contestant, &contestant.cold, new).await?;
    ensure!(contestant.process.runs(), "{} ended", contestant.name);
    let per_second = f64::from(outcome.answers) / outcome.elapsed.as_secs_f64();
    Ok(Round {
        requests_per_second: per_second,
        p50_ms: milli(outcome.percentile_us(50)),
        p99_ms: milli(outcome.percentile_us(99)),
        cpu_us,
        cpu_new_document_us,
        answers: outcome.answers,
        failures: outcome.failures + outcome_new.failures,
        load_average,
    })
}

/// One load, and the router's CPU time per answer in microseconds.
async fn turn(
    contestant: &Contestant,
    operation: &Operation,
    load: Load,
) -> Result<(load::Outcome, f64)> {
    let before = contestant.process.cpu_us()?;
    let outcome = load::run(contestant.address, operation, load, &contestant.number).await?;
    let spent = contestant.process.cpu_us()?.saturating_sub(before);
    let cpu_us = milli(spent) * 1_000.0 / f64::from(outcome.answers.max(1));
    Ok((outcome, cpu_us))
}

fn report(contestants: &[Contestant], rounds: Vec<Vec<Round>>, arguments: &Run) -> Result<Report> {
    let answer_bytes = match &contestants[0].warm {
        Operation::Same { answer, .. } => answer.len(),
        Operation::New { answer_bytes, .. } => *answer_bytes,
    };
    let mut entries = Vec::new();
    for (contestant, rounds) in contestants.iter().zip(rounds) {
        entries.push(Entry {
            name: contestant.name.to_owned(),
            version: contestant.version.clone(),
            peak_memory_mib: milli(contestant.process.peak_memory_kib()?) * 1_000.0 / 1_024.0,
            rounds,
        });
    }
    Ok(Report {
        date: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        machine: machine(),
        concurrency: arguments.concurrency,
        seconds: arguments.seconds,
        answer_bytes,
        entries,
    })
}

/// A thousandth, exact for all that is measured here.
fn milli(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / 1_000.0
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// Tells how it goes, apart from the results.
fn say(text: &str) {
    // Nobody may be looking.
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
