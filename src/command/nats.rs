//! `moim nats apply` and `moim nats status`: streams and consumers.

use crate::setting::Settings;
use anyhow::Result;
use platform::{bus::Bus, config, topology};
use std::io::Write;

/// What to do with the topology.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create or update the streams and consumers of nats/
    Apply,
    /// Show what they hold now
    Status,
}

/// Applies or shows.
pub(crate) async fn run(command: Command) -> Result<()> {
    let bus = Bus::connect(&config::Nats::from(&Settings::load()?)?).await?;
    match command {
        Command::Apply => topology::apply(&bus).await?,
        Command::Status => {}
    }
    for stream in topology::status(&bus).await? {
        let limit = match stream.messages_max {
            -1 => String::new(),
            most => format!(" of {most}"),
        };
        let mut out = std::io::stdout();
        writeln!(
            out,
            "{}: {}{limit} messages, {} bytes",
            stream.name, stream.messages, stream.bytes
        )?;
        for consumer in stream.consumers {
            writeln!(
                out,
                "  {}: {} waiting, {} unconfirmed, {} redelivered",
                consumer.name, consumer.waiting, consumer.unconfirmed, consumer.redelivered
            )?;
        }
    }
    Ok(())
}
