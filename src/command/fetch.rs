//! `moim fetch`: what `moim up` and the tests need, ahead of time.

use anyhow::{Context, Result};
use speech::weights::{self, Progress};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

/// Fetches servers and speech weights into the cache; with `sample`, writes only the sample recording there.
pub(crate) async fn run(sample: Option<PathBuf>) -> Result<()> {
    let Some(target) = sample else {
        tokio::task::spawn_blocking(stack::fetch).await??;
        return self::weights().await;
    };
    tokio::task::spawn_blocking(move || {
        let recording = weights::sample(&mut Line::default().show())?;
        std::fs::copy(recording, &target)
            .map(drop)
            .with_context(|| format!("can't write {}", target.display()))
    })
    .await?
}

/// Fetches and converts the speech weights, unless they are there.
pub(crate) async fn weights() -> Result<()> {
    tokio::task::spawn_blocking(|| weights::ensure(&mut Line::default().show())).await??;
    Ok(())
}

/// Progress for a person: one line that is written over on a terminal, else a line per ten per cent.
#[derive(Default)]
struct Line {
    last: Option<(&'static str, u64)>,
}

impl Line {
    fn show(mut self) -> impl FnMut(Progress) {
        move |progress| {
            let tenth = progress.done_bytes * 10 / progress.total_bytes.max(1);
            let terminal = std::io::stderr().is_terminal();
            if !terminal && self.last == Some((progress.what, tenth)) {
                return;
            }
            self.last = Some((progress.what, tenth));
            let end =
                if !terminal || progress.done_bytes >= progress.total_bytes { "\n" } else { "\r" };
            // Progress is a courtesy: a closed terminal must not stop the work.
            let _ = write!(std::io::stderr(), "  {progress}{end}");
        }
    }
}
