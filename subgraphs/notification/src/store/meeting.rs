//! What this service knows of meetings.

use sqlx::PgConnection;
use uuid::Uuid;

/// Notes a meeting's title, and who leads it.
///
/// # Errors
/// When the database fails.
pub async fn note(
    tx: &mut PgConnection,
    id: Uuid,
    title: &str,
    host: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title, host_id) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, host_id = EXCLUDED.host_id",
        id,
        title,
        host,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A meeting as it is known here.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its title.
    pub title: String,
    /// Who leads it.
    pub host_id: Option<Uuid>,
}

/// A meeting, if it is known.
///
/// # Errors
/// When the database fails.
pub async fn by_id(tx: &mut PgConnection, id: Uuid) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as!(Known, "SELECT title, host_id FROM meeting WHERE id = $1", id)
        .fetch_optional(tx)
        .await
}

/// Everybody who takes part in a meeting, as this service's own view has it.
///
/// # Errors
/// When the database fails.
pub async fn members(tx: &mut PgConnection, id: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT member_id FROM membership WHERE group_id = $1", id)
        .fetch_all(tx)
        .await
}
