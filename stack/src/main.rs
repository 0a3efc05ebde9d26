//! The embedded stack by itself: for tests, tools and curious people.

mod nextest;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Why a command failed: told to the person who typed it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Embedded Postgres, Valkey and NATS.
#[derive(Parser)]
#[command(name = "stack", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download and unpack the servers, so that later starts are quick.
    Fetch,
    /// Start the servers. Without a command: print their URLs as shell exports
    /// and stop on Ctrl-C. With one: run it with the URLs in its environment
    /// (and psql on its PATH), and stop when it ends.
    Run {
        /// Keep the data in this folder; else it is thrown away at the end.
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Set-up script of nextest: servers for this test run.
    Nextest {
        /// The process with which the servers end, instead of nextest.
        #[arg(long, hide = true)]
        until: Option<i32>,
    },
    /// The servers' keeper during a test run.
    #[command(hide = true)]
    Keep {
        /// Folder for the data, removed at the end.
        #[arg(long)]
        data_dir: PathBuf,
        /// When this process ends, all ends.
        #[arg(long)]
        until: i32,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Fetch => run::fetch(),
        Command::Run { data_dir, command } => run::run(data_dir, &command).await,
        Command::Nextest { until } => nextest::set_up(until),
        Command::Keep { data_dir, until } => nextest::keep(&data_dir, until).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stack: {error}");
            ExitCode::FAILURE
        }
    }
}
