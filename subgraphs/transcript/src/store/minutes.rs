//! Minutes and their sections.

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Minutes of a meeting.
#[derive(Debug, Clone)]
pub struct MinutesRow {
    /// The minutes.
    pub id: Uuid,
    /// The meeting that they are of.
    pub meeting_id: Uuid,
    /// `DRAFT` or `FINAL`.
    pub status: String,
}

/// A section of minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionRow {
    /// The section.
    pub id: Uuid,
    /// The minutes that it belongs to.
    pub minutes_id: Uuid,
    /// The meeting that they are of.
    pub meeting_id: Uuid,
    /// Place in the minutes, from 0.
    pub ordinal: i32,
    /// Title as the template has it.
    pub title: String,
    /// Its lines.
    pub body: String,
}

/// A section that is to be written.
#[derive(Debug)]
pub struct NewSection<'a> {
    /// Stable name from the template.
    pub key: &'a str,
    /// Title from the template.
    pub title: &'a str,
    /// Its lines.
    pub body: &'a str,
}

/// Writes the meeting's minutes, in place of an earlier draft if there is one, and gives their id.
///
/// # Errors
/// When the database fails.
pub async fn replace(
    tx: &mut PgConnection,
    meeting: Uuid,
    transcript: Uuid,
    sections: &[NewSection<'_>],
) -> Result<Uuid, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "INSERT INTO minutes (id, meeting_id, transcript_id) VALUES ($1, $2, $3)
         ON CONFLICT (meeting_id) DO UPDATE
             SET transcript_id = EXCLUDED.transcript_id, status = 'DRAFT', created_at = now()
         RETURNING id",
        Uuid::now_v7(),
        meeting,
        transcript,
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM minutes_section WHERE minutes_id = $1", id).execute(&mut *tx).await?;
    for (ordinal, section) in (0..).zip(sections) {
        sqlx::query!(
            "INSERT INTO minutes_section (id, minutes_id, ordinal, key, title, body)
             VALUES ($1, $2, $3, $4, $5, $6)",
            Uuid::now_v7(),
            id,
            ordinal,
            section.key,
            section.title,
            section.body,
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(id)
}

/// The minutes with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<MinutesRow>, sqlx::Error> {
    sqlx::query_as!(
        MinutesRow,
        "SELECT id, meeting_id, status FROM minutes WHERE id = ANY($1)",
        ids,
    )
    .fetch_all(pool)
    .await
}

/// The minutes of these meetings.
///
/// # Errors
/// When the database fails.
pub async fn by_meetings(pool: &PgPool, meetings: &[Uuid]) -> Result<Vec<MinutesRow>, sqlx::Error> {
    sqlx::query_as!(
        MinutesRow,
        "SELECT id, meeting_id, status FROM minutes WHERE meeting_id = ANY($1)",
        meetings,
    )
    .fetch_all(pool)
    .await
}

/// The sections with these ids.
///
/// # Errors
/// When the database fails.
pub async fn sections_by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<SectionRow>, sqlx::Error> {
    sqlx::query_as!(
        SectionRow,
        "SELECT s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body
         FROM minutes_section s JOIN minutes m ON m.id = s.minutes_id
         WHERE s.id = ANY($1)",
        ids,
    )
    .fetch_all(pool)
    .await
}

/// The sections of these minutes, in their order.
///
/// # Errors
/// When the database fails.
pub async fn sections_of(pool: &PgPool, minutes: &[Uuid]) -> Result<Vec<SectionRow>, sqlx::Error> {
    sqlx::query_as!(
        SectionRow,
        "SELECT s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body
         FROM minutes_section s JOIN minutes m ON m.id = s.minutes_id
         WHERE s.minutes_id = ANY($1) ORDER BY s.minutes_id, s.ordinal",
        minutes,
    )
    .fetch_all(pool)
    .await
}
