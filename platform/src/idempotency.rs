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
