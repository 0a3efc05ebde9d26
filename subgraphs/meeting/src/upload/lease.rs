//! The right to write a recording's file: one at a time, and never for longer than bytes arrive.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use crate::store::recording;

/// How long the right to write lasts without renewal, in ms.
pub const LEASE_MS: u64 = 60_000;
/// How often it is renewed while bytes arrive, in ms.
pub const LEASE_RENEWAL_MS: u64 = 15_000;

/// The right to write, given back when it is dropped.
pub(super) struct Lease {
    pool: PgPool,
    recording_id: Uuid,
    attempt: Uuid,
    renewed: Instant,
    held: bool,
}

impl Lease {
    /// Takes the right to write; `None` when somebody else has it, or the file is there.
    pub(super) async fn take(
        pool: &PgPool,
        recording_id: Uuid,
    ) -> Result<Option<Self>, sqlx::Error> {
        let attempt = Uuid::now_v7();
        let renewed = Instant::now();
        let taken = recording::claim_upload(pool, recording_id, attempt, lease_s()).await?;
        let lease = Self { pool: pool.clone(), recording_id, attempt, renewed, held: taken };
        Ok(taken.then_some(lease))
    }

    /// Tells this upload from others of the same recording.
    pub(super) fn attempt(&self) -> Uuid {
        self.attempt
    }

    /// Called while bytes arrive; `false` when the right was lost.
    pub(super) async fn keep(&mut self) -> Result<bool, sqlx::Error> {
        if self.renewed.elapsed() < Duration::from_millis(LEASE_RENEWAL_MS) {
            return Ok(true);
        }
        let now = Instant::now();
        let kept =
            recording::renew_upload(&self.pool, self.recording_id, self.attempt, lease_s()).await?;
        self.renewed = now;
        self.held = kept;
        Ok(kept)
    }

    /// Gives the right back; nothing happens when the file is there.
    pub(super) async fn release(mut self) {
        self.held = false;
        give_back(self.pool.clone(), self.recording_id, self.attempt).await;
    }
}

impl Drop for Lease {
    /// The client went away, and the request was dropped in the middle.
    fn drop(&mut self) {
        if self.held
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(give_back(self.pool.clone(), self.recording_id, self.attempt));
        }
    }
}

async fn give_back(pool: PgPool, recording_id: Uuid, attempt: Uuid) {
    if let Err(error) = recording::release_upload(&pool, recording_id, attempt).await {
        // It ends by itself after LEASE_MS.
        tracing::warn!(%error, "the right to write a recording was not given back");
    }
}

fn lease_s() -> f64 {
    Duration::from_millis(LEASE_MS).as_secs_f64()
}
