//! Takes people whose accounts are deleted out of their meetings: a batch in each transaction, however many
//! meetings there are. Who isn't out yet stands in the database, so whoever comes after a death goes on.

use std::time::Duration;

use platform::{error::chain, shutdown::Shutdown};

use crate::{
    meeting::Meetings,
    store::{erasure, participant},
};

/// Most meetings in one transaction.
pub const BATCH: usize = 50;
/// Time between two looks for people to take out, in milliseconds.
pub const LOOK_EVERY_MS: u64 = 1_000;

/// Takes people out until the shutdown.
pub async fn run(meetings: Meetings, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match once(&meetings).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = chain(&error), "nobody is taken out of meetings now");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Takes somebody out of a batch of meetings; `false` if there is nobody.
async fn once(meetings: &Meetings) -> Result<bool, sqlx::Error> {
    let mut tx = meetings.pool().begin().await?;
    let Some(user) = erasure::next(&mut tx).await? else { return Ok(false) };
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let batch = participant::first_meetings_of(&mut tx, user, limit).await?;
    // In the order of their ids, as all do who tell of several meetings.
    for id in &batch {
        meetings.leave(&mut tx, *id, user).await?;
    }
    if batch.len() < BATCH {
        erasure::done(&mut tx, user).await?;
    }
    tx.commit().await?;
    // The relay drops them too, before it publishes.
    let keys: Vec<String> = batch.iter().flat_map(|id| meetings.cache_keys(*id)).collect();
    meetings.kernel.cache.invalidate(&keys).await;
    meetings.kernel.outbox.wake();
    Ok(true)
}
