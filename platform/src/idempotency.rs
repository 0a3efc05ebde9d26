//! Repeated requests: the same key of the same viewer gives the same answer.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::UserError;

/// How long a key is remembered, in seconds.
pub const KEY_TTL_S: f64 = 24.0 * 60.0 * 60.0;
/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 200;

/// Whether a key was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was; the proposed answer is written down.
    New,
    /// It wasn't: this was the answer.
    Answered(Uuid),
}

/// A mutation that its viewer may send again under the same key. Without a key every request is a new one.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    viewer: Uuid,
    mutation: &'static str,
    key: Option<&'a str>,
    of: Option<Uuid>,
}

impl<'a> Once<'a> {
    /// The viewer's request to a mutation, under the key that was given.
    ///
    /// # Errors
    /// As [`check`].
    pub fn new(
        viewer: Uuid,
        mutation: &'static str,
        key: Option<&'a str>,
    ) -> Result<Self, UserError> {
        key.map_or(Ok(()), check)?;
        Ok(Self { viewer, mutation, key, of: None })
    }

    /// The same about one thing: under the same key another thing is another request, so that nobody is
    /// answered with what they haven't named.
    #[must_use]
    pub fn of(self, target: Uuid) -> Self {
        Self { of: Some(target), ..self }
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
        let key = self.key?;
        Some(self.of.map_or_else(|| key.to_owned(), |of| format!("{of} {key}")))
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
        Ok(match claim(tx, self.viewer, self.mutation, &key, answer).await? {
            Claim::New => None,
            Claim::Answered(earlier) => Some(earlier),
        })
    }

    /// Whether this was done before; else it is noted as done, in the transaction of its effect. For a
    /// request that changes the thing that it is [about](Self::of): the answer is how that is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_repeated(&self, tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
        Ok(self.answer(tx, self.of.unwrap_or_default()).await?.is_some())
    }
}

/// Checks a key before it is used.
///
/// # Errors
/// `INVALID_IDEMPOTENCY_KEY` when it is empty, too long, or can't be stored.
pub fn check(key: &str) -> Result<(), UserError> {
    if (1..=KEY_MAX_BYTES).contains(&key.len()) && !key.contains('\0') {
        return Ok(());
    }
    let message = format!("an idempotency key needs 1 to {KEY_MAX_BYTES} bytes");
    Err(UserError::new("INVALID_IDEMPOTENCY_KEY", message).on("idempotencyKey"))
}

/// Forgets somebody's keys.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, viewer_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM idempotency WHERE viewer_id = $1", viewer_id).execute(tx).await?;
    Ok(())
}

/// Writes down `answer_id` as the answer to `key`, unless there is one already. A concurrent request
/// with the same key waits here until the first one commits.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    tx: &mut PgConnection,
    viewer_id: Uuid,
    mutation: &str,
    key: &str,
    answer_id: Uuid,
) -> Result<Claim, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM idempotency
         WHERE viewer_id = $1 AND created_at < now() - make_interval(secs => $2)",
        viewer_id,
        KEY_TTL_S
    )
    .execute(&mut *tx)
    .await?;
    let written = sqlx::query!(
        "INSERT INTO idempotency (viewer_id, mutation, key, answer_id)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        viewer_id,
        mutation,
        key,
        answer_id
    )
    .execute(&mut *tx)
    .await?;
    if written.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    let answer = sqlx::query_scalar!(
        "SELECT answer_id FROM idempotency WHERE viewer_id = $1 AND mutation = $2 AND key = $3",
        viewer_id,
        mutation,
        key
    )
    .fetch_one(tx)
    .await?;
    Ok(Claim::Answered(answer))
}
