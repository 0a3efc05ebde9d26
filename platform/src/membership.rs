//! A service's own view of who belongs to a group, fed by events.
//!
//! A local yes is trusted. A local no may only mean that the event hasn't come yet, so it is confirmed
//! with the service that knows; when that can't be reached, the answer is no.
//!
//! A confirmed yes is remembered in the process for [`CONFIRMED_MS`] only, and not written to the
//! table: were it written after the event that ends the membership has been handled, nothing would
//! ever take it out again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join_all};
use quick_cache::sync::Cache;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::event::{Class, NewEvent};
use crate::kernel::Kernel;
use crate::outbox::Outbox;
use crate::subgraph::Cause;

/// CloudEvents type of the live event that tells that this service's view doesn't hold somebody any
/// more. It is told in the transaction that makes it so: who hears it and asks is answered no.
pub const REVOKED: &str = "moim.access.revoked.v1";

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

    /// The view in a service's database, confirmed by `question` to the service `peer`: a query with
    /// the variables `group` and `member` whose field `belongs` is the answer.
    #[must_use]
    pub fn confirmed_by(kernel: Kernel, peer: &'static str, question: &'static str) -> Self {
        Self::new(kernel.pool.clone(), move |group: Uuid, member: Uuid| {
            let kernel = kernel.clone();
            async move {
                let asked = json!({ "group": group, "member": member });
                let answer = kernel.ask(peer, question, asked).await?;
                Ok(answer["belongs"].as_bool().unwrap_or(false))
            }
        })
    }

    /// A loader that lives as long as one request: what [`crate::access`] asks.
    #[must_use]
    pub fn for_request(&self) -> Members {
        DataLoader::with_cache(self.clone(), tokio::spawn, HashMapCache::default())
    }

    /// Which of these belong: known ones with one statement, the others asked about.
    ///
    /// # Errors
    /// When this service's own database fails.
    pub async fn which(&self, asked: &[Belongs]) -> Result<HashMap<Belongs, bool>, sqlx::Error> {
        let (groups, members): (Vec<Uuid>, Vec<Uuid>) =
            asked.iter().map(|one| (one.group, one.member)).unzip();
        let known = sqlx::query!(
            r#"SELECT m.group_id, m.member_id
               FROM unnest($1::uuid[], $2::uuid[]) AS asked (group_id, member_id)
               JOIN membership m USING (group_id, member_id)"#,
            &groups,
            &members,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut answers: HashMap<Belongs, bool> = known
            .into_iter()
            .map(|row| (Belongs { group: row.group_id, member: row.member_id }, true))
            .collect();
        let unknown = asked.iter().filter(|one| !answers.contains_key(one)).copied();
        let confirmed = try_join_all(unknown.map(async |one| {
            Ok::<_, sqlx::Error>((one, self.is_confirmed(one.group, one.member).await))
        }));
        let confirmed = confirmed.await?;
        answers.extend(confirmed);
        Ok(answers)
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
}

/// The question whether somebody belongs to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Belongs {
    /// The group.
    pub group: Uuid,
    /// Who.
    pub member: Uuid,
}

/// The loader of one request.
pub type Members = DataLoader<Membership, HashMapCache>;

impl Loader<Belongs> for Membership {
    type Value = bool;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[Belongs]) -> Result<HashMap<Belongs, bool>, Self::Error> {
        Ok(self.which(keys).await?)
    }
}

/// Takes members out of a service's view, and tells it live, so that streams that were opened under
/// the old view are looked at again. Call [`Outbox::wake`] after the commit.
#[derive(Debug, Clone)]
pub struct Revoking {
    outbox: Outbox,
    source: &'static str,
}

impl Revoking {
    /// In the view of the service `source`.
    #[must_use]
    pub fn new(outbox: Outbox, source: &'static str) -> Self {
        Self { outbox, source }
    }

    /// Notes that `member` doesn't belong to `group` any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove(
        &self,
        tx: &mut PgConnection,
        group: Uuid,
        member: Uuid,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM membership WHERE group_id = $1 AND member_id = $2",
            group,
            member,
        )
        .execute(&mut *tx)
        .await?;
        self.tell(tx, group, member).await
    }

    /// Notes that `member` belongs to no group any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, tx: &mut PgConnection, member: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!("DELETE FROM membership WHERE member_id = $1", member)
            .execute(&mut *tx)
            .await?;
        self.tell(tx, member, member).await
    }

    /// Tells live that this service answers no for `member` since this transaction, when it keeps
    /// its members elsewhere. `group` only orders the event among others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(
        &self,
        tx: &mut PgConnection,
        group: Uuid,
        member: Uuid,
    ) -> Result<(), sqlx::Error> {
        let event = NewEvent {
            kind: REVOKED,
            source: self.source,
            ordering_key: group,
            entity: "access",
            entity_id: member,
            verb: "revoked",
            class: Class::Live,
            data: json!({ "groupId": group, "memberId": member }),
            changed: json!({}),
            invalidates: Vec::new(),
        };
        self.outbox.append(tx, event).await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "membership_test.rs"]
mod tests;
