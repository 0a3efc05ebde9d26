//! What nobody asks for: recordings of ended meetings whose missing parts are not waited for any
//! longer, and files that aren't kept any longer. Any number of processes may look at once; what one
//! does, the others find done.

use std::time::{Duration, Instant};

use chrono::Utc;
use platform::{error::chain, shutdown::Shutdown};

use crate::meeting::Meetings;

/// Time between two looks at missing parts, in ms.
pub const PARTS_EVERY_MS: u64 = 5_000;
/// Time between two looks at files, in ms.
pub const FILES_EVERY_MS: u64 = 60_000;

/// Looks until the shutdown.
pub(crate) async fn run(meetings: Meetings, shutdown: Shutdown) {
    let mut looked: Option<Instant> = None;
    while !shutdown.is_triggered() {
        if let Err(error) = meetings.close_due(Utc::now()).await {
            tracing::warn!(error = chain(&error), "missing parts were not looked at");
        }
        let every = Duration::from_millis(FILES_EVERY_MS);
        if looked.is_none_or(|at| at.elapsed() >= every) {
            looked = Some(Instant::now());
            if let Err(error) = meetings.delete_due(Utc::now()).await {
                tracing::warn!(error = chain(&error), "old recordings were not looked at");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(PARTS_EVERY_MS)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}
