//! What this service knows of meetings.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A planned meeting.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The meeting.
    pub id: Uuid,
    /// Its title.
    pub title: &'a str,
    /// What it is to be about.
    pub agenda: Option<&'a str>,
    /// When it is to be.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Spoken language, if it was chosen.
    pub language: Option<&'a str>,
}

/// Notes what was planned.
///
/// # Errors
/// When the database fails.
pub async fn plan(tx: &mut PgConnection, planned: Planned<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title, agenda, scheduled_at, language) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET
             title = EXCLUDED.title, agenda = EXCLUDED.agenda,
             scheduled_at = EXCLUDED.scheduled_at, language = EXCLUDED.language",
        planned.id,
        planned.title,
        planned.agenda,
        planned.scheduled_at,
        planned.language,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes a meeting's title since.
///
/// # Errors
/// When the database fails.
pub async fn rename(tx: &mut PgConnection, id: Uuid, title: &str) -> Result<(), sqlx::Error> {
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

/// Notes a meeting's newest text.
///
/// # Errors
/// When the database fails.
pub async fn transcribe(
    tx: &mut PgConnection,
    id: Uuid,
    transcript: Uuid,
    object_key: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, transcript_id, object_key) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET
             transcript_id = EXCLUDED.transcript_id, object_key = EXCLUDED.object_key",
        id,
        transcript,
        object_key,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Where a meeting's newest text is.
#[derive(Debug, Clone)]
pub struct Transcribed {
    /// The transcript.
    pub transcript_id: Uuid,
    /// Its key in object storage.
    pub object_key: String,
}

/// A meeting's newest text, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn transcribed(
    tx: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Transcribed>, sqlx::Error> {
    sqlx::query_as!(
        Transcribed,
        r#"SELECT transcript_id AS "transcript_id!", object_key AS "object_key!"
           FROM meeting WHERE id = $1 AND transcript_id IS NOT NULL"#,
        id
    )
    .fetch_optional(tx)
    .await
}

/// When a meeting ended, as far as it is known.
///
/// # Errors
/// When the database fails.
pub async fn ended_at(pool: &PgPool, id: Uuid) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let row = sqlx::query_scalar!("SELECT ended_at FROM meeting WHERE id = $1", id);
    Ok(row.fetch_optional(pool).await?.flatten())
}
