//! `moim check`: configuration and reachability; each failure says what to do. It only looks: nothing is created,
//! migrated or changed.

use crate::{service::Name, setting::Settings};
use anyhow::{Context, Result, bail};
use platform::{
    bus::Bus,
    cache::Cache,
    config::{self, Source},
    database::{self, DatabaseError},
    object::Objects,
    topology,
};
use std::{fmt::Display, io::Write};

/// Most things that one line names.
const NAMED_MAX: usize = 3;

/// Checks everything that a role of this installation needs.
///
/// # Errors
/// When anything failed, after all of it was checked.
pub(crate) async fn run() -> Result<()> {
    let settings = Settings::load()?;
    let source: &dyn Source = &settings;
    let mut checks = Checks::default();
    checks.settings(source)?;
    checks.say("Redis", redis(source).await)?;
    checks.say("NATS", nats(source).await)?;
    checks.say("object storage", objects(source).await)?;
    checks.say("speech to text", speech(source).await)?;
    checks.say("language model", language_model(source).await)?;
    for name in Name::ALL {
        checks.say(&format!("settings: {}", name.as_str()), text(name.configure(source)))?;
        checks.say(&format!("database: {}", name.as_str()), database(source, name).await)?;
    }
    if checks.failures > 0 {
        bail!("{} of the checks failed", checks.failures);
    }
    Ok(())
}

/// What was checked so far.
#[derive(Default)]
struct Checks {
    failures: usize,
}

impl Checks {
    /// Says how a check went; an error is what is wrong and what to do.
    fn say(&mut self, what: &str, found: Result<()>) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        match found {
            Ok(()) => writeln!(out, "ok    {what}"),
            Err(error) => {
                self.failures += 1;
                writeln!(out, "FAIL  {what}: {error:#}")
            }
        }
    }

    fn settings(&mut self, source: &dyn Source) -> std::io::Result<()> {
        self.say("settings: Postgres", text(config::Postgres::from(source)))?;
        self.say("settings: Redis", text(config::Redis::from(source)))?;
        self.say("settings: NATS", text(config::Nats::from(source)))?;
        self.say("settings: objects", text(config::Objects::from(source)))?;
        self.say("settings: keys", text(config::Keys::from(source)))
    }
}

/// A setting that was read; its error says what to do.
fn text<T, E: Display>(read: Result<T, E>) -> Result<()> {
    match read {
        Ok(_) => Ok(()),
        Err(error) => bail!("{error}"),
    }
}

async fn redis(source: &dyn Source) -> Result<()> {
    let advice = "it can't be reached: start it, or set MOIM_REDIS_URL to where it is";
    let cache = Cache::connect(&config::Redis::from(source)?).await.context(advice)?;
    cache.ping().await.context(advice)
}

/// The bucket, if objects are in one. A folder is made when it is needed.
async fn objects(source: &dyn Source) -> Result<()> {
    let config = config::Objects::from(source)?;
    if !config.url.starts_with("s3://") {
        return Ok(());
    }
    let advice = "it can't be reached, or doesn't let us in: set MOIM_OBJECTS_URL, AWS_ENDPOINT_URL and the AWS login to what it needs";
    Objects::open(&config).context(advice)?.probe().await.context(advice)
}

/// The speech-to-text server, if one is asked. What the built-in engine lacks it fetches when it is needed.
async fn speech(source: &dyn Source) -> Result<()> {
    let config = transcript::Config::from(source)?;
    if !matches!(config.engine, transcript::EngineChoice::Server(_)) {
        return Ok(());
    }
    let advice = "start it, or set MOIM_TRANSCRIPT_ENGINE_URL and MOIM_TRANSCRIPT_ENGINE_KEY to what it needs";
    transcript::engine(&config)?.check().await.context(advice)
}

/// The language model's server, if one is asked.
async fn language_model(source: &dyn Source) -> Result<()> {
    let advice = "start it, or set MOIM_AI_ENGINE_URL and MOIM_AI_ENGINE_KEY to what it needs";
    ai::Config::from(source)?.engine.check().await.context(advice)
}

/// The server, and whether it has all streams and consumers.
async fn nats(source: &dyn Source) -> Result<()> {
    let advice = "it can't be reached: start it, or set MOIM_NATS_URL to where it is";
    let bus = Bus::connect(&config::Nats::from(source)?).await.context(advice)?;
    let missing = topology::missing(&bus).await.context(advice)?;
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{} missing: run `moim nats apply`", some(&missing));
}

/// A service's database, and whether it is as the program needs it.
async fn database(source: &dyn Source, name: Name) -> Result<()> {
    let postgres = config::Postgres::from(source)?;
    let pool = match database::connect(&postgres, name.as_str()).await {
        Ok(pool) => pool,
        Err(DatabaseError::Missing(database)) => {
            bail!("{database} doesn't exist: run `moim migrate`")
        }
        Err(error) => {
            let advice =
                "it can't be reached: start Postgres, or set MOIM_POSTGRES_URL to where it is";
            return Err(error).context(advice);
        }
    };
    let due = database::due(&pool, name.migrator()).await;
    pool.close().await;
    let due =
        due.context("it was migrated by another program: use one database prefix for each")?;
    if due.is_empty() {
        return Ok(());
    }
    bail!("{} due: run `moim migrate`", some(&due));
}

/// How many there are, and the names of the first ones.
fn some(names: &[String]) -> String {
    let first = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED_MAX);
    let verb = if names.len() == 1 { "is" } else { "are" };
    match more {
        0 => format!("{first} {verb}"),
        _ => format!("{first} and {more} more {verb}"),
    }
}
