//! Recordings in parts, as their events tell of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::part::Part;

/// A part that can be recognised.
#[derive(Debug)]
pub struct NewPart<'a> {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The recording.
    pub recording_id: Uuid,
    /// The part's place there.
    pub sequence: i32,
    /// Its key in object storage.
    pub object_key: &'a str,
    /// Where it begins, if its sender said so, milliseconds.
    pub start_ms: Option<i64>,
}

/// Notes a part; one that is known stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut PgConnection, part: NewPart<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO recording (id, meeting_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        part.recording_id,
        part.meeting_id,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO recording_part (recording_id, sequence, object_key, start_ms)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        part.recording_id,
        part.sequence,
        part.object_key,
        part.start_ms,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that no more parts come, and which never did.
///
/// # Errors
/// When the database fails.
pub async fn close(
    tx: &mut PgConnection,
    recording_id: Uuid,
    meeting_id: Uuid,
    missing: &[i32],
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO recording (id, meeting_id, closed_at, missing) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET closed_at = EXCLUDED.closed_at, missing = EXCLUDED.missing",
        recording_id,
        meeting_id,
        at,
        missing,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that a recording's file isn't kept any more.
///
/// # Errors
/// When the database fails.
pub async fn delete(
    tx: &mut PgConnection,
    recording_id: Uuid,
    meeting_id: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO recording (id, meeting_id, deleted_at) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET deleted_at = EXCLUDED.deleted_at",
        recording_id,
        meeting_id,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets the parts of a transcription's recording be tried again that couldn't be read, unless their files
/// aren't kept any more.
///
/// # Errors
/// When the database fails.
pub async fn try_again(tx: &mut PgConnection, task: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recording_part p SET done_at = NULL, duration_ms = NULL, problem = NULL
         FROM tasks k JOIN recording r ON r.id = (k.input ->> 'recordingId')::uuid
         WHERE k.id = $1 AND k.kind = 'TRANSCRIPTION' AND r.deleted_at IS NULL
           AND p.recording_id = r.id AND p.problem IS NOT NULL",
        task,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether a transcription needs a file that isn't kept any more: of a part that waits, or of all of them
/// where none could be read.
///
/// # Errors
/// When the database fails.
pub async fn needs_deleted(pool: &PgPool, task: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM tasks k JOIN recording r ON r.id = (k.input ->> 'recordingId')::uuid
               WHERE k.id = $1 AND k.kind = 'TRANSCRIPTION' AND r.deleted_at IS NOT NULL
                 AND (r.closed_at IS NULL OR EXISTS (
                     SELECT FROM recording_part p WHERE p.recording_id = r.id AND p.done_at IS NULL)
                     OR NOT EXISTS (
                     SELECT FROM recording_part p WHERE p.recording_id = r.id AND p.problem IS NULL))
           ) AS "needs!""#,
        task,
    )
    .fetch_one(pool)
    .await
}

/// The parts of a recording that came, in their order.
///
/// # Errors
/// When the database fails.
pub async fn of(tx: &mut PgConnection, recording_id: Uuid) -> Result<Vec<Part>, sqlx::Error> {
    sqlx::query_as!(
        Part,
        r#"SELECT sequence, start_ms, offset_ms, duration_ms, problem,
                  done_at IS NOT NULL AS "is_done!"
           FROM recording_part WHERE recording_id = $1 ORDER BY sequence"#,
        recording_id,
    )
    .fetch_all(tx)
    .await
}

/// Whether no more parts of a recording come.
///
/// # Errors
/// When the database fails.
pub async fn is_closed(tx: &mut PgConnection, recording_id: Uuid) -> Result<bool, sqlx::Error> {
    let closed = sqlx::query_scalar!(
        r#"SELECT closed_at IS NOT NULL AS "closed!" FROM recording WHERE id = $1"#,
        recording_id,
    );
    Ok(closed.fetch_optional(tx).await?.unwrap_or(false))
}

/// Where the work on a part stands.
#[derive(Debug)]
pub struct Standing {
    /// The part's key in object storage.
    pub object_key: String,
    /// How much of it is stored as segments, milliseconds.
    pub heard_ms: i64,
}

/// Puts a part into its place in the recording; one that is there stays.
///
/// # Errors
/// When the database fails.
pub async fn place(
    tx: &mut PgConnection,
    recording_id: Uuid,
    sequence: i32,
    offset_ms: i64,
) -> Result<Standing, sqlx::Error> {
    sqlx::query_as!(
        Standing,
        "UPDATE recording_part SET offset_ms = coalesce(offset_ms, $3)
         WHERE recording_id = $1 AND sequence = $2 RETURNING object_key, heard_ms",
        recording_id,
        sequence,
        offset_ms,
    )
    .fetch_one(tx)
    .await
}

/// Notes how much of a part is stored as segments, in the transaction that stores them.
///
/// # Errors
/// When the database fails.
pub async fn heard(
    tx: &mut PgConnection,
    recording_id: Uuid,
    sequence: i32,
    heard_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recording_part SET heard_ms = $3 WHERE recording_id = $1 AND sequence = $2",
        recording_id,
        sequence,
        heard_ms,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A part is done: so long it was, and this was wrong with it.
///
/// # Errors
/// When the database fails.
pub async fn done(
    tx: &mut PgConnection,
    recording_id: Uuid,
    sequence: i32,
    duration_ms: i64,
    problem: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recording_part SET duration_ms = $3, problem = $4, done_at = now()
         WHERE recording_id = $1 AND sequence = $2",
        recording_id,
        sequence,
        duration_ms,
        problem,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What came of these transcripts' recordings in parts, and what never did.
///
/// # Errors
/// When the database fails.
pub async fn of_transcripts(
    pool: &PgPool,
    transcripts: &[Uuid],
) -> Result<HashMap<Uuid, (Vec<Part>, Vec<i32>)>, sqlx::Error> {
    let recordings = sqlx::query!(
        "SELECT t.id, r.missing FROM transcript t JOIN recording r ON r.id = t.recording_id
         WHERE t.id = ANY($1)",
        transcripts,
    );
    let mut found: HashMap<Uuid, (Vec<Part>, Vec<i32>)> = recordings
        .fetch_all(pool)
        .await?
        .into_iter()
        .map(|row| (row.id, (Vec::new(), row.missing)))
        .collect();
    let parts = sqlx::query!(
        r#"SELECT t.id, p.sequence, p.start_ms, p.offset_ms, p.duration_ms, p.problem,
                  p.done_at IS NOT NULL AS "is_done!"
           FROM transcript t JOIN recording_part p ON p.recording_id = t.recording_id
           WHERE t.id = ANY($1) ORDER BY t.id, p.sequence"#,
        transcripts,
    );
    for row in parts.fetch_all(pool).await? {
        if let Some((parts, _)) = found.get_mut(&row.id) {
            parts.push(Part {
                sequence: row.sequence,
                start_ms: row.start_ms,
                offset_ms: row.offset_ms,
                duration_ms: row.duration_ms,
                problem: row.problem,
                is_done: row.is_done,
            });
        }
    }
    Ok(found)
}
