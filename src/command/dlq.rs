//! `moim dlq`: dead letters.

use crate::{
    command::table::{self, Table},
    service::{self, Name},
    setting::Settings,
};
use anyhow::{Context, Result, bail};
use platform::{
    bus::Bus,
    config,
    dead_letter::{DeadLetter, DeadLetters, Filter, LIST_MAX, Replayed},
    outbox::Outbox,
    task::Tasks,
};
use serde_json::json;
use std::{collections::HashMap, io::Write};

/// What to do with dead letters.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List events and jobs that were given up, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// Most letters to list
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one with all that it holds
    Show {
        /// Its number
        id: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give letters another chance: a job's task waits again, an event goes to the consumer that gave it up
    Replay(Chosen),
    /// Forget letters
    Drop(Chosen),
}

/// Which letters.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// Only those of this stream, such as EVENTS or QUEUE_TRANSCRIPT
    #[arg(long)]
    stream: Option<String>,
    /// Only those that this consumer gave up
    #[arg(long)]
    consumer: Option<String>,
}

impl Which {
    fn filter(&self) -> Filter {
        Filter { stream: self.stream.clone(), consumer: self.consumer.clone() }
    }
}

/// The letters to do something with.
#[derive(clap::Args)]
pub(crate) struct Chosen {
    /// Their numbers
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<u64>,
    /// All letters (that fit)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists, shows, replays or drops.
pub(crate) async fn run(command: Command) -> Result<()> {
    let settings = Settings::load()?;
    let bus = Bus::connect(&config::Nats::from(&settings)?)
        .await
        .context("NATS can't be reached (MOIM_NATS_URL)")?;
    let letters =
        DeadLetters::open(&bus).await.context("is the topology applied (moim nats apply)?")?;
    match command {
        Command::List { which, limit, json } => {
            list(&letters.list(&which.filter(), limit).await?, json)
        }
        Command::Show { id, json } => {
            let letter = letters.get(id).await?.with_context(|| format!("no dead letter {id}"))?;
            show(&letter, json)
        }
        Command::Replay(chosen) => {
            let found = find(&letters, &chosen).await?;
            replay(&letters, &found, &settings, chosen.json).await
        }
        Command::Drop(chosen) => {
            for letter in find(&letters, &chosen).await? {
                letters.drop(letter.id).await?;
                let id = letter.id;
                say(
                    chosen.json,
                    &json!({ "id": id, "outcome": "DROPPED" }),
                    &format!("{id}: dropped"),
                )?;
            }
            Ok(())
        }
    }
}

async fn find(letters: &DeadLetters, chosen: &Chosen) -> Result<Vec<DeadLetter>> {
    if chosen.all {
        return Ok(letters.list(&chosen.which.filter(), LIST_MAX).await?);
    }
    let mut found = Vec::new();
    for id in &chosen.ids {
        let letter = letters.get(*id).await?;
        found.push(letter.with_context(|| format!("no dead letter {id}: nothing was done"))?);
    }
    Ok(found)
}

async fn replay(
    letters: &DeadLetters,
    found: &[DeadLetter],
    settings: &Settings,
    json: bool,
) -> Result<()> {
    let mut owners: HashMap<String, Tasks> = HashMap::new();
    let mut failed = 0;
    for letter in found {
        if let Some(queue) = letter.owner()
            && !owners.contains_key(&queue.name)
        {
            let name: Name = queue.name.parse()?;
            let pool = service::database(settings, name).await?;
            owners.insert(queue.name.clone(), Tasks::new(pool, Outbox::new(), name.as_str()));
        }
        let tasks = letter.owner().and_then(|queue| owners.get(&queue.name));
        let id = letter.id;
        match letters.replay(letter, tasks).await {
            Ok(replayed) => {
                let (outcome, text) = told(&replayed);
                say(json, &json!({ "id": id, "outcome": outcome }), &format!("{id}: {text}"))?;
            }
            Err(error) => {
                failed += 1;
                let text = platform::error::chain(&error);
                say(
                    json,
                    &json!({ "id": id, "outcome": "KEPT", "error": text }),
                    &format!("{id}: kept: {text}"),
                )?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} letters were not replayed", found.len());
    }
    Ok(())
}

fn told(replayed: &Replayed) -> (&'static str, String) {
    match replayed {
        Replayed::Delivered { consumer } => ("DELIVERED", format!("delivered to {consumer} again")),
        Replayed::Queued(task) => ("QUEUED", format!("task {task} waits in its queue again")),
        Replayed::Already(task, status) => {
            ("ALREADY", format!("nothing to do: task {task} is {}", status.as_str()))
        }
        Replayed::Gone(task) => {
            ("GONE", format!("nothing to do: there is no task {task} any more"))
        }
    }
}

fn list(letters: &[DeadLetter], json: bool) -> Result<()> {
    if json {
        return table::json(&serde_json::to_value(letters)?);
    }
    let mut rows = Table::new(["id", "given up", "stream", "consumer", "kind", "tries", "reason"]);
    for letter in letters {
        rows.row([
            letter.id.to_string(),
            letter.given_up_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            letter.stream.clone(),
            letter.consumer.clone(),
            letter.kind.clone(),
            letter.deliveries.to_string(),
            letter.reason.chars().take(80).collect(),
        ]);
    }
    match letters.len() {
        0 => writeln!(std::io::stdout(), "no dead letters")?,
        _ => rows.print()?,
    }
    Ok(())
}

fn show(letter: &DeadLetter, json: bool) -> Result<()> {
    if json {
        return table::json(&serde_json::to_value(letter)?);
    }
    let mut out = std::io::stdout();
    for (name, value) in [
        ("id", letter.id.to_string()),
        ("given up", platform::event::rfc3339(letter.given_up_at)),
        ("stream", letter.stream.clone()),
        ("consumer", letter.consumer.clone()),
        ("kind", letter.kind.clone()),
        ("subject", letter.subject.clone()),
        ("message", letter.message.clone()),
        ("tries", letter.deliveries.to_string()),
        ("reason", letter.reason.clone()),
        ("task", letter.task().map(|task| task.to_string()).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            writeln!(out, "{name:<10}{value}")?;
        }
    }
    writeln!(out, "{:#}", letter.body)?;
    Ok(())
}

/// One line of what was done.
fn say(json: bool, value: &serde_json::Value, text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(())
}
