//! What this service knows of meetings.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Notes a meeting's title.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut PgConnection, id: Uuid, title: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title",
        id,
        title,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes when a meeting ended.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE meeting SET ended_at = $2 WHERE id = $1", id, at).execute(tx).await?;
    Ok(())
}

/// Notes that a meeting was called off.
///
/// # Errors
/// When the database fails.
pub async fn cancel(tx: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE meeting SET cancelled_at = $2 WHERE id = $1", id, at).execute(tx).await?;
    Ok(())
}

/// When a meeting ended, as far as it is known.
///
/// # Errors
/// When the database fails.
pub async fn ended_at(pool: &PgPool, id: Uuid) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let row = sqlx::query_scalar!("SELECT ended_at FROM meeting WHERE id = $1", id);
    Ok(row.fetch_optional(pool).await?.flatten())
}
