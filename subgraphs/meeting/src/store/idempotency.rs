//! Repeated requests: the same key of the same viewer gives the same answer.

use sqlx::PgConnection;
use uuid::Uuid;

/// How long a key is remembered, in seconds.
pub const KEY_TTL_S: f64 = 24.0 * 60.0 * 60.0;

/// Whether a key was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was; the proposed answer is written down.
    New,
    /// It wasn't: this was the answer.
    Answered(Uuid),
}

/// Forgets somebody's keys.
///
/// # Errors
/// Whatever the database answers.
pub async fn forget(conn: &mut PgConnection, viewer_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM idempotency_keys WHERE viewer_id = $1", viewer_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down `answer_id` as the answer to `key`, unless there is one already. A
/// concurrent request with the same key waits here until the first one commits.
///
/// # Errors
/// Whatever the database answers.
pub async fn claim(
    conn: &mut PgConnection,
    viewer_id: Uuid,
    mutation: &str,
    key: &str,
    answer_id: Uuid,
) -> Result<Claim, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM idempotency_keys
         WHERE viewer_id = $1 AND created_at < now() - make_interval(secs => $2)",
        viewer_id,
        KEY_TTL_S
    )
    .execute(&mut *conn)
    .await?;
    let written = sqlx::query!(
        "INSERT INTO idempotency_keys (viewer_id, mutation, key, answer_id)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        viewer_id,
        mutation,
        key,
        answer_id
    )
    .execute(&mut *conn)
    .await?;
    if written.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    let answer = sqlx::query_scalar!(
        "SELECT answer_id FROM idempotency_keys WHERE viewer_id = $1 AND mutation = $2 AND key = $3",
        viewer_id,
        mutation,
        key
    )
    .fetch_one(conn)
    .await?;
    Ok(Claim::Answered(answer))
}
