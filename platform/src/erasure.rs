//! Erasing people whose accounts are deleted: a batch in each transaction, however much is held of them. Who isn't
//! erased yet stands in the database, so whoever comes after a death goes on.
//!
//! [`note`] is the beginning, in the transaction that hears of it: nothing is written of them any more
//! ([`crate::departure`]), and their keys are forgotten. The rest is what the service [holds](Holder), and goes in
//! the background.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::chain;
use crate::kernel::Kernel;
use crate::shutdown::Shutdown;
use crate::{departure, idempotency};

/// Most things that are erased in one transaction.
pub const BATCH: usize = 50;
/// Time between two looks for people to erase, in milliseconds.
pub const LOOK_EVERY_MS: u64 = 1_000;

/// What went in one batch.
#[derive(Debug, Default)]
pub struct Erased {
    /// How many things.
    pub count: usize,
    /// What the cache holds of them.
    pub stale: Vec<String>,
}

impl Erased {
    /// So many things that the cache doesn't hold.
    #[must_use]
    pub fn count(count: usize) -> Self {
        Self { count, stale: Vec::new() }
    }

    /// How many more a batch of `limit` takes.
    #[must_use]
    pub fn left(&self, limit: usize) -> i64 {
        i64::try_from(limit.saturating_sub(self.count)).unwrap_or(i64::MAX)
    }

    /// These and those.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.stale.extend(other.stale);
    }
}

/// A service that holds something of people.
pub trait Holder: Send + Sync + 'static {
    /// Erases up to `limit` things that are held of somebody. Fewer: nothing is left.
    fn erase<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        person: Uuid,
        limit: usize,
    ) -> BoxFuture<'a, Result<Erased, sqlx::Error>>;
}

/// Notes that somebody's account is deleted, and that they are to be erased. Waits for those who are just writing
/// something of them.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut PgConnection, person: Uuid) -> Result<(), sqlx::Error> {
    departure::note(tx, person).await?;
    idempotency::forget(tx, person).await?;
    sqlx::query!("INSERT INTO erasing (person_id) VALUES ($1) ON CONFLICT DO NOTHING", person)
        .execute(tx)
        .await?;
    Ok(())
}

/// Erases people until the shutdown.
pub async fn run(kernel: Kernel, holder: impl Holder, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match once(&kernel, &holder).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = chain(&error), "nobody is erased now");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Erases a batch of what is held of somebody; `false` if there is nobody.
async fn once(kernel: &Kernel, holder: &impl Holder) -> Result<bool, sqlx::Error> {
    let mut tx = kernel.pool.begin().await?;
    // Whom nobody else is at.
    let next = sqlx::query_scalar!(
        "SELECT person_id FROM erasing ORDER BY noted_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    );
    let Some(person) = next.fetch_optional(&mut *tx).await? else { return Ok(false) };
    let erased = holder.erase(&mut tx, person, BATCH).await?;
    if erased.count < BATCH {
        sqlx::query!("DELETE FROM erasing WHERE person_id = $1", person).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    // The relay drops them too, before it publishes.
    kernel.cache.invalidate(&erased.stale).await;
    kernel.outbox.wake();
    Ok(true)
}
