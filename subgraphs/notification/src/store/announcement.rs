//! What people announced, and how far that is.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Something that was announced.
#[derive(Debug, Clone)]
pub struct AnnouncementRow {
    /// The announcement.
    pub id: Uuid,
    /// Who announced it.
    pub author_id: Uuid,
    /// To the people of this meeting; `None`: to everybody.
    pub meeting_id: Option<Uuid>,
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
    /// The last one who was told: people are told in the order of their ids.
    pub reached: Option<Uuid>,
    /// How many were told.
    pub told: i32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When everybody was told.
    pub completed_at: Option<DateTime<Utc>>,
}

/// Writes a new announcement.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    id: Uuid,
    author: Uuid,
    meeting: Option<Uuid>,
    title: &str,
    body: &str,
) -> Result<AnnouncementRow, sqlx::Error> {
    sqlx::query_as!(
        AnnouncementRow,
        "INSERT INTO announcement (id, author_id, meeting_id, title, body)
         VALUES ($1, $2, $3, $4, $5) RETURNING *",
        id,
        author,
        meeting,
        title,
        body,
    )
    .fetch_one(tx)
    .await
}

/// An announcement.
///
/// # Errors
/// When the database fails.
pub async fn by_id(pool: &PgPool, id: Uuid) -> Result<Option<AnnouncementRow>, sqlx::Error> {
    sqlx::query_as!(AnnouncementRow, "SELECT * FROM announcement WHERE id = $1", id)
        .fetch_optional(pool)
        .await
}

/// Notes that everybody up to `reached` was told, `told` people more, and whether that was the last one.
///
/// # Errors
/// When the database fails.
pub async fn advance(
    tx: &mut PgConnection,
    id: Uuid,
    reached: Option<Uuid>,
    told: i32,
    completed: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE announcement SET reached = COALESCE($2, reached), told = told + $3,
                completed_at = CASE WHEN $4 THEN now() END
         WHERE id = $1",
        id,
        reached,
        told,
        completed,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes up to `limit` announcements of somebody; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, author: Uuid, limit: i64) -> Result<usize, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        "DELETE FROM announcement
         WHERE id IN (SELECT id FROM announcement WHERE author_id = $1 LIMIT $2) RETURNING id",
        author,
        limit,
    );
    Ok(gone.fetch_all(tx).await?.len())
}
