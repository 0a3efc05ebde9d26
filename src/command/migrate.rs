//! `moim migrate`: the databases of every service.

use crate::{
    service::{self, Name},
    setting::Settings,
};
use anyhow::Result;
use platform::config;
use std::io::Write;

/// Migrates all; safe to repeat and while older versions run.
pub(crate) async fn run() -> Result<()> {
    let postgres = config::Postgres::from(&Settings::load()?)?;
    for name in Name::ALL {
        service::migrate(&postgres, name).await?;
        writeln!(std::io::stdout(), "{} is migrated", name.as_str())?;
    }
    Ok(())
}
