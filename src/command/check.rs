//! `moim check`: configuration and reachability; each failure says what to do.

use crate::{
    service::{Name, Service, Shared},
    setting::Settings,
};
use anyhow::{Result, bail};
use platform::config::{self, Source};
use std::io::Write;

/// Checks everything that a role of this installation needs.
///
/// # Errors
/// When anything failed, after all of it was checked.
pub(crate) async fn run() -> Result<()> {
    let settings = Settings::load()?;
    let source: &dyn Source = &settings;
    let mut failures = 0;
    let mut say = |what: &str, result: Result<(), String>| {
        let (mark, text) = match result {
            Ok(()) => ("ok  ", String::new()),
            Err(text) => {
                failures += 1;
                ("FAIL", format!(": {text}"))
            }
        };
        writeln!(std::io::stdout(), "{mark}  {what}{text}")
    };
    say("settings: Postgres", config::Postgres::from(source).map(drop).map_err(|e| e.to_string()))?;
    say("settings: Redis", config::Redis::from(source).map(drop).map_err(|e| e.to_string()))?;
    say("settings: NATS", config::Nats::from(source).map(drop).map_err(|e| e.to_string()))?;
    say("settings: keys", config::Keys::from(source).map(drop).map_err(|e| e.to_string()))?;
    match Shared::connect(source).await {
        Err(error) => say("servers", Err(format!("{error:#}")))?,
        Ok(shared) => {
            say("servers", Ok(()))?;
            for name in Name::ALL {
                let started = Service::start(name, &shared, source).await;
                say(name.as_str(), started.map(drop).map_err(|e| format!("{e:#}")))?;
            }
        }
    }
    if failures > 0 {
        bail!("{failures} of the checks failed");
    }
    Ok(())
}
