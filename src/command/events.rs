//! `moim events`: stored events.

use crate::{
    service::{self, Name},
    setting::Settings,
};
use anyhow::{Context, Result};
use platform::{
    bus::Bus,
    config,
    outbox::{Outbox, Pause},
    task::Tasks,
    topology,
};
use std::io::Write;

/// What to do with stored events.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Fill an emptied NATS again: the streams, the events of the last 7 days, the jobs of unfinished tasks
    Republish {
        /// Only these services' events; all services unless given
        services: Vec<Name>,
    },
}

/// Publishes stored events again. The services' relays do the publishing, now or as soon as they run; consumers that
/// handled an event already know it by its id, and live clients aren't told again.
pub(crate) async fn run(command: Command) -> Result<()> {
    let Command::Republish { services } = command;
    let services = if services.is_empty() { Name::ALL.to_vec() } else { services };
    let settings = Settings::load()?;
    let bus = Bus::connect(&config::Nats::from(&settings)?)
        .await
        .context("NATS can't be reached (MOIM_NATS_URL)")?;
    // Nothing newer may come before what is published again.
    let mut paused = Vec::new();
    for name in services {
        let pool = service::database(&settings, name).await?;
        let pause = Pause::begin(&pool).await;
        let pause =
            pause.with_context(|| format!("the relay of {} can't be held", name.as_str()))?;
        paused.push((name, pool, pause));
    }
    topology::apply(&bus).await?;
    for (name, pool, pause) in paused {
        let events = pause.republish().await?;
        let tasks = Tasks::new(pool, Outbox::new(), name.as_str());
        let mut jobs = 0;
        for queue in topology::queues().filter(|queue| queue.name == name.as_str()) {
            jobs += tasks.requeue(&queue.name).await?;
        }
        let mut out = std::io::stdout();
        writeln!(out, "{}: {events} events and {jobs} jobs are published again", name.as_str())?;
    }
    Ok(())
}
