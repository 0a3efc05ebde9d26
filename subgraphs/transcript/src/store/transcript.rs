//! Transcripts: one row per run of speech to text.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A transcript, complete or as far as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptRow {
    /// The transcript.
    pub id: Uuid,
    /// The meeting that it belongs to.
    pub meeting_id: Uuid,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// Language tag, once it is known.
    pub language: Option<String>,
    /// The text so far.
    pub text: String,
    /// Length of the recording in milliseconds, once it is known.
    pub duration_ms: Option<i64>,
    /// When the run began.
    pub created_at: DateTime<Utc>,
}

/// A run that is to begin or to go on.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Id of the transcript if the run is new.
    pub new_id: Uuid,
    /// The meeting.
    pub meeting_id: Uuid,
    /// The task that runs.
    pub task_id: Uuid,
    /// The recording.
    pub recording_id: Uuid,
}

/// Where a run stands.
#[derive(Debug, Clone)]
pub struct Position {
    /// The transcript.
    pub id: Uuid,
    /// Language that was found so far.
    pub language: Option<String>,
    /// Number that the next segment gets.
    pub next_ordinal: i32,
    /// End of the last segment, milliseconds; 0 at the beginning.
    pub end_ms: i64,
}

/// Begins the task's run, or finds where it stopped. The caller's transaction holds the task.
///
/// # Errors
/// When the database fails.
pub async fn open(tx: &mut PgConnection, run: Run) -> Result<Position, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO transcript (id, meeting_id, task_id, recording_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (task_id) DO NOTHING",
        run.new_id,
        run.meeting_id,
        run.task_id,
        run.recording_id,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_as!(
        Position,
        r#"SELECT t.id, t.language,
                  coalesce(s.ordinal + 1, 0) AS "next_ordinal!", coalesce(s.end_ms, 0) AS "end_ms!"
           FROM transcript t
           LEFT JOIN LATERAL (
               SELECT ordinal, end_ms FROM segment WHERE transcript_id = t.id
               ORDER BY ordinal DESC LIMIT 1
           ) s ON true
           WHERE t.task_id = $1"#,
        run.task_id,
    )
    .fetch_one(tx)
    .await
}

/// Notes the language, unless the attempt is outdated.
///
/// # Errors
/// When the database fails.
pub async fn set_language(
    pool: &PgPool,
    id: Uuid,
    attempt: i32,
    language: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE transcript t SET language = $3 FROM tasks k
         WHERE t.id = $1 AND k.id = t.task_id AND k.attempts = $2 AND k.status = 'PROCESSING'",
        id,
        attempt,
        language,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What a finished run adds to its row.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Language tag.
    pub language: &'a str,
    /// Length of the recording, milliseconds.
    pub duration_ms: i64,
    /// Key of the immutable transcript in object storage.
    pub object_key: &'a str,
}

/// Completes a transcript. The caller's transaction holds the task.
///
/// # Errors
/// When the database fails.
pub async fn complete(
    tx: &mut PgConnection,
    id: Uuid,
    finished: Finished<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE transcript SET text = $2, language = $3, duration_ms = $4, object_key = $5,
                completed_at = now()
         WHERE id = $1",
        id,
        finished.text,
        finished.language,
        finished.duration_ms,
        finished.object_key,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The complete ones among these transcripts: they don't change under their readers.
///
/// # Errors
/// When the database fails.
pub async fn completed(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<TranscriptRow>, sqlx::Error> {
    sqlx::query_as!(
        TranscriptRow,
        r#"SELECT id, meeting_id, 'COMPLETED' AS "status!", language, text AS "text!", duration_ms,
                  created_at
           FROM transcript WHERE id = ANY($1) AND completed_at IS NOT NULL"#,
        ids,
    )
    .fetch_all(pool)
    .await
}

/// These transcripts as they are now, with the text so far put together from segments.
///
/// # Errors
/// When the database fails.
pub async fn current(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<TranscriptRow>, sqlx::Error> {
    sqlx::query_as!(
        TranscriptRow,
        r#"SELECT t.id, t.meeting_id,
                  CASE WHEN t.completed_at IS NOT NULL THEN 'COMPLETED'
                       WHEN k.status IN ('FAILED', 'CANCELLED') THEN 'FAILED'
                       ELSE 'IN_PROGRESS' END AS "status!",
                  t.language,
                  coalesce(t.text, (SELECT string_agg(s.text, ' ' ORDER BY s.ordinal)
                                    FROM segment s WHERE s.transcript_id = t.id), '') AS "text!",
                  t.duration_ms, t.created_at
           FROM transcript t JOIN tasks k ON k.id = t.task_id
           WHERE t.id = ANY($1)"#,
        ids,
    )
    .fetch_all(pool)
    .await
}

/// Which transcript belongs to what.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// The meeting or the task that was asked about.
    pub of: Uuid,
    /// Its transcript.
    pub id: Uuid,
}

/// The newest transcript of each of these meetings.
///
/// # Errors
/// When the database fails.
pub async fn newest_of_meetings(
    pool: &PgPool,
    meetings: &[Uuid],
) -> Result<Vec<Link>, sqlx::Error> {
    sqlx::query_as!(
        Link,
        r#"SELECT DISTINCT ON (meeting_id) meeting_id AS "of!", id FROM transcript
           WHERE meeting_id = ANY($1) ORDER BY meeting_id, id DESC"#,
        meetings,
    )
    .fetch_all(pool)
    .await
}

/// The transcript of each of these tasks.
///
/// # Errors
/// When the database fails.
pub async fn of_tasks(pool: &PgPool, tasks: &[Uuid]) -> Result<Vec<Link>, sqlx::Error> {
    sqlx::query_as!(
        Link,
        r#"SELECT task_id AS "of!", id FROM transcript WHERE task_id = ANY($1)"#,
        tasks,
    )
    .fetch_all(pool)
    .await
}

/// Puts the whole text of a complete transcript together anew; one that isn't complete has none yet.
///
/// # Errors
/// When the database fails.
pub async fn set_text(tx: &mut PgConnection, id: Uuid, text: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE transcript SET text = $2 WHERE id = $1 AND completed_at IS NOT NULL",
        id,
        text,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The meeting of a transcript; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn meeting_of(pool: &PgPool, id: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT meeting_id FROM transcript WHERE id = $1", id)
        .fetch_optional(pool)
        .await
}

/// The newest complete transcript of a meeting.
///
/// # Errors
/// When the database fails.
pub async fn newest_complete(
    connection: &mut PgConnection,
    meeting: Uuid,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM transcript WHERE meeting_id = $1 AND completed_at IS NOT NULL
         ORDER BY id DESC LIMIT 1",
        meeting,
    )
    .fetch_optional(connection)
    .await
}

/// The length of a complete transcript's recording, milliseconds; `None` when there is no such transcript.
///
/// # Errors
/// When the database fails.
pub async fn duration(pool: &PgPool, id: Uuid) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT coalesce(duration_ms, 0) AS "duration_ms!" FROM transcript
           WHERE id = $1 AND completed_at IS NOT NULL"#,
        id,
    );
    found.fetch_optional(pool).await
}
