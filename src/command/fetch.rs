//! `moim fetch`: what `moim up` and the tests need, ahead of time.

use anyhow::{Context, Result};
use std::path::PathBuf;

/// Fetches servers and speech weights into the cache; with `sample`, also writes the sample recording there.
pub(crate) async fn run(sample: Option<PathBuf>) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        if let Some(target) = sample {
            let recording = speech::sample::recording()?;
            std::fs::copy(recording, &target)
                .with_context(|| format!("can't write {}", target.display()))?;
            return Ok(());
        }
        stack::fetch()?;
        speech::weights::model()?;
        Ok(())
    })
    .await?
}
