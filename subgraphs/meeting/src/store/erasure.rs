//! Whose account is deleted and who isn't out of all meetings yet.

use sqlx::PgConnection;
use uuid::Uuid;

/// Notes that somebody is to be taken out of all meetings.
///
/// # Errors
/// Whatever the database answers.
pub async fn note(conn: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("INSERT INTO erasure (user_id) VALUES ($1) ON CONFLICT DO NOTHING", user_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Somebody who is to be taken out, whom nobody else is at until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn next(conn: &mut PgConnection) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT user_id FROM erasure ORDER BY noted_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    .fetch_optional(conn)
    .await
}

/// Notes that somebody is out of all meetings.
///
/// # Errors
/// Whatever the database answers.
pub async fn done(conn: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM erasure WHERE user_id = $1", user_id).execute(conn).await?;
    Ok(())
}
