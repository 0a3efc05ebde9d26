//! A service's own view of who belongs to a group, fed by events.
//!
//! A local yes is trusted. A local no may only mean that the event hasn't come yet, so it is confirmed
//! with the service that knows; when that can't be reached, the answer is no.
//!
//! A confirmed yes is remembered in the process for [`CONFIRMED_MS`] only, and not written to the
//! table: were it written after the event that ends the membership has been handled, nothing would
//! ever take it out again.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use quick_cache::sync::Cache;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::subgraph::Cause;

/// How long a confirmed yes is believed. Short, since a removal must be felt within a second.
pub const CONFIRMED_MS: u64 = 500;
/// Most confirmed answers that are remembered.
pub const CONFIRMED_MAX: usize = 4_096;

type Confirm = dyn Fn(Uuid, Uuid) -> BoxFuture<'static, Result<bool, Cause>> + Send + Sync;

/// Tells who belongs to a group. All clones are one.
#[derive(Clone)]
pub struct Membership {
    pool: PgPool,
    confirm: Arc<Confirm>,
    confirmed: Arc<Cache<(Uuid, Uuid), Instant>>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").finish_non_exhaustive()
    }
}

impl Membership {
    /// The view in this service's database; `confirm(group, member)` asks the service that knows.
    pub fn new<F>(pool: PgPool, confirm: impl Fn(Uuid, Uuid) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<bool, Cause>> + Send + 'static,
    {
        Self {
            pool,
            confirm: Arc::new(move |group, member| confirm(group, member).boxed()),
            confirmed: Arc::new(Cache::new(CONFIRMED_MAX)),
        }
    }

    /// Whether `member` belongs to `group`.
    ///
    /// # Errors
    /// When this service's own database fails. That the other service can't be asked is no error
    /// but a no, and logged.
    pub async fn contains(&self, group: Uuid, member: Uuid) -> Result<bool, sqlx::Error> {
        let local = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT 1 FROM membership WHERE group_id = $1 AND member_id = $2
            ) AS "local!""#,
            group,
            member,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(local || self.is_confirmed(group, member).await)
    }

    async fn is_confirmed(&self, group: Uuid, member: Uuid) -> bool {
        let pair = (group, member);
        if let Some(at) = self.confirmed.get(&pair) {
            if at.elapsed() < Duration::from_millis(CONFIRMED_MS) {
                return true;
            }
            self.confirmed.remove(&pair);
        }
        // Counted from before the question: the answer is at least that old.
        let asked = Instant::now();
        match (self.confirm)(group, member).await {
            Ok(true) => {
                self.confirmed.insert(pair, asked);
                true
            }
            Ok(false) => false,
            Err(error) => {
                let error = crate::error::chain(&*error);
                tracing::warn!(%group, %member, error, "membership can't be confirmed: refused");
                false
            }
        }
    }

    /// Notes that `member` belongs to `group`; nothing changes when that is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add(tx: &mut PgConnection, group: Uuid, member: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO membership (group_id, member_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            group,
            member,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Notes that `member` doesn't belong to `group` any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove(
        tx: &mut PgConnection,
        group: Uuid,
        member: Uuid,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM membership WHERE group_id = $1 AND member_id = $2",
            group,
            member,
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "membership_test.rs"]
mod tests;
