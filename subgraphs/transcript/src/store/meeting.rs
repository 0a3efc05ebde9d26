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
    /// Who leads it.
    pub host_id: Option<Uuid>,
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

/// Notes a meeting's title and who leads it.
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

/// Notes how a meeting ended.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut PgConnection, ended: Ended<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO meeting (id, title, sections, language, recording_id, recording_key, ended_at,
                              host_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             host_id = coalesce(EXCLUDED.host_id, meeting.host_id), title = EXCLUDED.title, sections = EXCLUDED.sections, language = EXCLUDED.language,
             recording_id = EXCLUDED.recording_id, recording_key = EXCLUDED.recording_key,
             ended_at = EXCLUDED.ended_at",
        ended.id,
        ended.title,
        ended.sections,
        ended.language,
        ended.recording_id,
        ended.recording_key,
        ended.ended_at,
        ended.host_id,
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

/// Whether a meeting's text may come from this recording: it isn't called off, and didn't end with
/// another one.
///
/// # Errors
/// When the database fails.
pub async fn takes(tx: &mut PgConnection, id: Uuid, recording: Uuid) -> Result<bool, sqlx::Error> {
    let takes = sqlx::query_scalar!(
        r#"SELECT cancelled_at IS NULL AND (ended_at IS NULL OR recording_id = $2) AS takes
           FROM meeting WHERE id = $1"#,
        id,
        recording,
    );
    // NULL: it ended without one, as far as this service has heard.
    Ok(takes.fetch_optional(tx).await?.is_none_or(|takes| takes.unwrap_or(false)))
}

/// The sections of the meeting's template, a JSON array; `None` when the meeting isn't known.
///
/// # Errors
/// When the database fails.
pub async fn sections(pool: &PgPool, id: Uuid) -> Result<Option<Value>, sqlx::Error> {
    sqlx::query_scalar!("SELECT sections FROM meeting WHERE id = $1", id).fetch_optional(pool).await
}

/// Who leads a meeting, as far as this service has heard.
///
/// # Errors
/// When the database fails.
pub async fn host(pool: &PgPool, id: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
    let host = sqlx::query_scalar!("SELECT host_id FROM meeting WHERE id = $1", id);
    Ok(host.fetch_optional(pool).await?.flatten())
}

/// The titles of these meetings.
///
/// # Errors
/// When the database fails.
pub async fn titles(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    let rows = sqlx::query!("SELECT id, title FROM meeting WHERE id = ANY($1)", ids);
    Ok(rows.fetch_all(pool).await?.into_iter().map(|row| (row.id, row.title)).collect())
}
