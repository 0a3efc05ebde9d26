//! `moim cache`: what is cached, and evicting it.

use crate::setting::Settings;
use anyhow::{Result, bail};
use platform::{
    cache::{self, Cache},
    config,
};
use std::io::Write;

/// What to do with the cache.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show which kinds of values are cached and for how long, and how full Redis is
    Show,
    /// Evict one value, or all of a kind: for what was changed in the database by hand
    Evict {
        /// Kind of value, as `moim cache show` names it; `all` for everything
        kind: String,
        /// Id of the value; without it, all values of the kind go
        key: Option<String>,
    },
}

/// Shows or evicts.
pub(crate) async fn run(command: Command) -> Result<()> {
    let cache = Cache::connect(&config::Redis::from(&Settings::load()?)?).await?;
    let mut out = std::io::stdout();
    match command {
        Command::Show => {
            for (kind, policy) in cache::kinds() {
                let near = if policy.near { ", hot ones in each process too" } else { "" };
                writeln!(out, "{kind}: {} s{near}", policy.ttl.as_secs())?;
            }
            let memory = cache.server_memory().await?;
            let most = match memory.max_bytes {
                0 => "without a bound: set maxmemory".to_owned(),
                most => format!("of {most}"),
            };
            writeln!(
                out,
                "Redis: {} bytes {most}; {} keys went because it was full",
                memory.used_bytes, memory.evicted_keys
            )?;
        }
        Command::Evict { kind, key: None } if kind == "all" => {
            cache.evict_all().await?;
            writeln!(out, "everything is evicted")?;
        }
        Command::Evict { kind, key } => {
            let kinds: Vec<&str> = cache::kinds().map(|(kind, _)| kind).collect();
            if !kinds.contains(&kind.as_str()) {
                bail!("nothing of kind {kind} is cached; there are {}", kinds.join(", "));
            }
            let evicted = cache.evict(&kind, key.as_deref()).await?;
            writeln!(out, "{evicted} evicted")?;
        }
    }
    Ok(())
}
