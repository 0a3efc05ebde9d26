//! `moim nats apply` and `moim nats status`: streams and consumers.

use crate::{
    command::table::{self, Table, age},
    setting::Settings,
};
use anyhow::Result;
use platform::{bus::Bus, config, topology};
use std::io::Write;

/// What to do with the topology.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create or update the streams and consumers of nats/
    Apply,
    /// Show what they hold now
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Applies or shows.
pub(crate) async fn run(command: Command) -> Result<()> {
    let bus = Bus::connect(&config::Nats::from(&Settings::load()?)?).await?;
    let json = match command {
        Command::Apply => {
            topology::apply(&bus).await?;
            false
        }
        Command::Status { json } => json,
    };
    let status = topology::status(&bus).await?;
    if json {
        return table::json(&serde_json::to_value(&status)?);
    }
    let mut streams = Table::new(["stream", "messages", "of", "oldest", "bytes"]);
    let mut consumers =
        Table::new(["consumer", "lag", "unconfirmed", "redelivered", "confirmed", "stream"]);
    let ago = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), age);
    for stream in status {
        streams.row([
            stream.name.clone(),
            stream.messages.to_string(),
            if stream.messages_max < 0 { "-".to_owned() } else { stream.messages_max.to_string() },
            ago(stream.oldest_ms),
            stream.bytes.to_string(),
        ]);
        for consumer in stream.consumers {
            consumers.row([
                consumer.name,
                consumer.waiting.to_string(),
                consumer.unconfirmed.to_string(),
                consumer.redelivered.to_string(),
                consumer
                    .confirmed_ms
                    .map_or_else(|| "-".to_owned(), |ms| format!("{} ago", age(ms))),
                stream.name.clone(),
            ]);
        }
    }
    streams.print()?;
    writeln!(std::io::stdout())?;
    consumers.print()
}
