//! Minutes and their sections.

use chrono::{DateTime, Utc};
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
    /// Rises with every change of them or of a section of theirs.
    pub version: i32,
    /// When the last section was verified, while they are final.
    pub finalised_at: Option<DateTime<Utc>>,
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
    /// Rises with every change by a person; 1 is as drafted.
    pub version: i32,
    /// When it was verified and locked.
    pub verified_at: Option<DateTime<Utc>>,
    /// By whom; nobody when the account is gone.
    pub verified_by: Option<Uuid>,
    /// When somebody last changed its words.
    pub edited_at: Option<DateTime<Utc>>,
    /// Who did; nobody when the account is gone.
    pub edited_by: Option<Uuid>,
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
/// What people have changed or verified isn't drafted anew: then the sections stay as they are. The
/// caller's transaction holds the meeting's ordering key.
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
             SET transcript_id = EXCLUDED.transcript_id, version = minutes.version + 1
         RETURNING id",
        Uuid::now_v7(),
        meeting,
        transcript,
    )
    .fetch_one(&mut *tx)
    .await?;
    let touched = sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT 1 FROM minutes_section WHERE minutes_id = $1 AND version > 1
        ) AS "touched!""#,
        id,
    );
    if touched.fetch_one(&mut *tx).await? {
        return Ok(id);
    }
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
        "SELECT id, meeting_id, status, version, finalised_at FROM minutes WHERE id = ANY($1)",
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
        "SELECT id, meeting_id, status, version, finalised_at FROM minutes WHERE meeting_id = ANY($1)",
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
        "SELECT s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body, s.version,
                s.verified_at, s.verified_by, s.edited_at, s.edited_by
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
        "SELECT s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body, s.version,
                s.verified_at, s.verified_by, s.edited_at, s.edited_by
         FROM minutes_section s JOIN minutes m ON m.id = s.minutes_id
         WHERE s.minutes_id = ANY($1) ORDER BY s.minutes_id, s.ordinal",
        minutes,
    )
    .fetch_all(pool)
    .await
}

/// Reads a section and locks it, and its minutes, until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_section(
    tx: &mut PgConnection,
    id: Uuid,
) -> Result<Option<SectionRow>, sqlx::Error> {
    sqlx::query_as!(
        SectionRow,
        "SELECT s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body, s.version,
                s.verified_at, s.verified_by, s.edited_at, s.edited_by
         FROM minutes_section s JOIN minutes m ON m.id = s.minutes_id
         WHERE s.id = $1 FOR UPDATE",
        id,
    )
    .fetch_optional(tx)
    .await
}

/// Writes a section as it is to be; its version rises.
///
/// # Errors
/// When the database fails.
pub async fn write_section(
    tx: &mut PgConnection,
    section: &SectionRow,
) -> Result<SectionRow, sqlx::Error> {
    sqlx::query_as!(
        SectionRow,
        r#"UPDATE minutes_section s
           SET title = $2, body = $3, verified_at = $4, verified_by = $5, edited_at = $6,
               edited_by = $7, version = s.version + 1
           FROM minutes m WHERE s.id = $1 AND m.id = s.minutes_id
           RETURNING s.id, s.minutes_id, m.meeting_id, s.ordinal, s.title, s.body, s.version,
                     s.verified_at, s.verified_by, s.edited_at, s.edited_by"#,
        section.id,
        section.title,
        section.body,
        section.verified_at,
        section.verified_by,
        section.edited_at,
        section.edited_by,
    )
    .fetch_one(tx)
    .await
}

/// Minutes after a section of theirs has changed.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The transcript that they are of.
    pub transcript_id: Uuid,
    /// Their version since.
    pub version: i32,
    /// `DRAFT` or `FINAL`.
    pub status: String,
    /// Whether they weren't in that status before.
    pub is_new: bool,
}

/// Makes minutes final whose sections are all verified, and a draft again those that have one that
/// isn't; their version rises.
///
/// # Errors
/// When the database fails.
pub async fn settle(tx: &mut PgConnection, id: Uuid) -> Result<Settled, sqlx::Error> {
    sqlx::query_as!(
        Settled,
        r#"WITH before AS (
               SELECT id, status, NOT EXISTS (
                   SELECT 1 FROM minutes_section WHERE minutes_id = $1 AND verified_at IS NULL
               ) AS verified
               FROM minutes WHERE id = $1
           )
           UPDATE minutes m
           SET version = m.version + 1,
               status = CASE WHEN before.verified THEN 'FINAL' ELSE 'DRAFT' END,
               finalised_at = CASE WHEN before.verified THEN coalesce(m.finalised_at, now()) END
           FROM before WHERE m.id = before.id
           RETURNING m.transcript_id, m.version, m.status, m.status <> before.status AS "is_new!""#,
        id,
    )
    .fetch_one(tx)
    .await
}

/// Who verified sections of these minutes, as far as their accounts are still there.
///
/// # Errors
/// When the database fails.
pub async fn verifiers(tx: &mut PgConnection, id: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT DISTINCT verified_by AS "by!" FROM minutes_section
           WHERE minutes_id = $1 AND verified_by IS NOT NULL ORDER BY 1"#,
        id,
    )
    .fetch_all(tx)
    .await
}

/// Takes somebody's name off up to `limit` sections that they changed or verified; gives the minutes of each.
///
/// # Errors
/// When the database fails.
pub async fn forget(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE minutes_section
         SET verified_by = NULLIF(verified_by, $1), edited_by = NULLIF(edited_by, $1)
         WHERE id IN (SELECT id FROM minutes_section WHERE verified_by = $1 OR edited_by = $1 LIMIT $2)
         RETURNING minutes_id",
        user,
        limit,
    )
    .fetch_all(tx)
    .await
}
