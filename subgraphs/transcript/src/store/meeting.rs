//! What this service knows of meetings.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A meeting as its end tells of it.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The meeting.
    pub id: Uuid,
    /// Its title.
    pub title: &'a str,
    /// The template's sections, a JSON array.
    pub sections: Value,
    /// Language of the recording, if it was chosen.
    pub language: Option<&'a str>,
    /// The recording, if there is one.
    pub recording_id: Option<Uuid>,
    /// Its key in object storage.
    pub recording_key: Option<&'a str>,
    /// When the meeting ended.
    pub ended_at: DateTime<Utc>,
}

/// Notes that a meeting was planned; nothing changes when it is known already.
///
/// # Errors
/// When the database fails.
pub async fn plan(tx: &mut PgConnection, id: Uuid, title: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
        id,
        title,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes how a meeting ended.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut PgConnection, ended: Ended<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title, sections, language, recording_id, recording_key, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             title = EXCLUDED.title, sections = EXCLUDED.sections, language = EXCLUDED.language,
             recording_id = EXCLUDED.recording_id, recording_key = EXCLUDED.recording_key,
             ended_at = EXCLUDED.ended_at",
        ended.id,
        ended.title,
        ended.sections,
        ended.language,
        ended.recording_id,
        ended.recording_key,
        ended.ended_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that a meeting was called off.
///
/// # Errors
/// When the database fails.
pub async fn cancel(tx: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, cancelled_at) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET cancelled_at = EXCLUDED.cancelled_at",
        id,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The sections of the meeting's template, a JSON array; `None` when the meeting isn't known.
///
/// # Errors
/// When the database fails.
pub async fn sections(pool: &PgPool, id: Uuid) -> Result<Option<Value>, sqlx::Error> {
    sqlx::query_scalar!("SELECT sections FROM meeting WHERE id = $1", id).fetch_optional(pool).await
}
