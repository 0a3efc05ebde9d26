//! Repeated requests: the same key of the same viewer gives the same answer.

use std::fmt::{Display, Write as _};

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::UserError;

/// How long a key is remembered, in seconds.
pub const KEY_TTL_S: f64 = 24.0 * 60.0 * 60.0;
/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 200;
/// Longest names of what a request is about that are noted as they are, in bytes: longer ones by their digest.
const ABOUT_MAX_BYTES: usize = 160;

/// A key that can't be used: it is empty, too long, or can't be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key needs 1 to {KEY_MAX_BYTES} bytes")]
pub struct BadKey;

impl From<BadKey> for UserError {
    fn from(bad: BadKey) -> Self {
        UserError::new("INVALID_IDEMPOTENCY_KEY", bad.to_string()).on("idempotencyKey")
    }
}

/// A mutation that its viewer may send again under the same key. Without a key every request is a new one.
#[derive(Debug, Clone)]
pub struct Once<'a> {
    viewer: Uuid,
    mutation: &'static str,
    key: Option<&'a str>,
    about: String,
}

impl<'a> Once<'a> {
    /// The viewer's request to a mutation, under the key that was given.
    ///
    /// # Errors
    /// When the key can't be used.
    pub fn new(viewer: Uuid, mutation: &'static str, key: Option<&'a str>) -> Result<Self, BadKey> {
        let is_good = |key: &str| (1..=KEY_MAX_BYTES).contains(&key.len()) && !key.contains('\0');
        if key.is_some_and(|key| !is_good(key)) {
            return Err(BadKey);
        }
        Ok(Self { viewer, mutation, key, about: String::new() })
    }

    /// Has the viewer's request to a mutation done by `work`. A key that can't be used is its refusal.
    ///
    /// # Errors
    /// Those of `work`, and [`BadKey`].
    pub async fn ask<T, E: From<BadKey>, F: Future<Output = Result<T, E>>>(
        viewer: Uuid,
        mutation: &'static str,
        key: Option<&'a str>,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, E> {
        work(Self::new(viewer, mutation, key)?).await
    }

    /// The same about one thing, or of that about another one: under the same key another thing is another
    /// request, so that nobody is answered with what they haven't named.
    #[must_use]
    pub fn of(mut self, target: impl Display) -> Self {
        // Text takes all that is written to it.
        let _ = write!(self.about, "{target} ");
        self
    }

    /// Who asks.
    #[must_use]
    pub fn viewer(&self) -> Uuid {
        self.viewer
    }

    /// The key, if one was given.
    #[must_use]
    pub fn key(&self) -> Option<&'a str> {
        self.key
    }

    fn stored(&self) -> Option<String> {
        let (key, about) = (self.key?, &self.about);
        if about.len() <= ABOUT_MAX_BYTES {
            return Some(format!("{about}{key}"));
        }
        let digest = Sha256::digest(about.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{digest} {key}"))
    }

    /// What was answered to the key before; for a request whose answer isn't known at its beginning.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answered(&self, tx: &mut PgConnection) -> Result<Option<Uuid>, sqlx::Error> {
        let Some(key) = self.stored() else { return Ok(None) };
        sqlx::query_scalar!(
            "SELECT answer_id FROM idempotency
             WHERE viewer_id = $1 AND mutation = $2 AND key = $3
               AND created_at >= now() - make_interval(secs => $4)",
            self.viewer,
            self.mutation,
            key,
            KEY_TTL_S,
        )
        .fetch_optional(tx)
        .await
    }

    /// Writes `answer` down as the answer to the key, in the transaction of what it is about. Gives the
    /// earlier answer if there is one: then the caller rolls back what it did, if anything, and answers with
    /// that. A concurrent request with the same key waits here until the first one commits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer(
        &self,
        tx: &mut PgConnection,
        answer: Uuid,
    ) -> Result<Option<Uuid>, sqlx::Error> {
        let Some(key) = self.stored() else { return Ok(None) };
        sqlx::query!(
            "DELETE FROM idempotency
             WHERE viewer_id = $1 AND created_at < now() - make_interval(secs => $2)",
            self.viewer,
            KEY_TTL_S
        )
        .execute(&mut *tx)
        .await?;
        let written = sqlx::query!(
            "INSERT INTO idempotency (viewer_id, mutation, key, answer_id)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            self.viewer,
            self.mutation,
            key,
            answer
        )
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() == 1 {
            return Ok(None);
        }
        let earlier = sqlx::query_scalar!(
            "SELECT answer_id FROM idempotency
             WHERE viewer_id = $1 AND mutation = $2 AND key = $3",
            self.viewer,
            self.mutation,
            key
        );
        Ok(Some(earlier.fetch_one(tx).await?))
    }

    /// Whether this was done before; else it is noted as done, in the transaction of its effect. For a
    /// request that changes the thing that it is [about](Self::of): the answer is how that is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_repeated(&self, tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
        Ok(self.answer(tx, Uuid::nil()).await?.is_some())
    }
}

/// Forgets somebody's keys.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, viewer_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM idempotency WHERE viewer_id = $1", viewer_id).execute(tx).await?;
    Ok(())
}
