//! Transcription tasks as they are read. Only the kernel writes them.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The GraphQL type of this service's tasks; others in the table aren't shown.
pub const TYPENAME: &str = "TranscriptTask";

/// A task's state.
#[derive(Debug, Clone)]
pub struct TaskRow {
    /// The task.
    pub id: Uuid,
    /// The meeting that it belongs to.
    pub meeting_id: Uuid,
    /// Kind of work, e.g. `TRANSCRIPTION`.
    pub kind: String,
    /// `PENDING`, `PROCESSING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    pub status: String,
    /// Percent done.
    pub progress: i32,
    /// How often work was started.
    pub attempts: i32,
    /// Why it failed.
    pub error_code: Option<String>,
    /// The same for people.
    pub error_message: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When work began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached its final state.
    pub completed_at: Option<DateTime<Utc>>,
}

/// The tasks with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<TaskRow>, sqlx::Error> {
    sqlx::query_as!(
        TaskRow,
        "SELECT id, ordering_key AS meeting_id, kind, status, progress, attempts, error_code,
                error_message, created_at, started_at, completed_at
         FROM tasks WHERE id = ANY($1) AND typename = $2",
        ids,
        TYPENAME,
    )
    .fetch_all(pool)
    .await
}

/// All tasks of these meetings, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn by_meetings(pool: &PgPool, meetings: &[Uuid]) -> Result<Vec<TaskRow>, sqlx::Error> {
    sqlx::query_as!(
        TaskRow,
        "SELECT id, ordering_key AS meeting_id, kind, status, progress, attempts, error_code,
                error_message, created_at, started_at, completed_at
         FROM tasks WHERE ordering_key = ANY($1) AND typename = $2
         ORDER BY created_at DESC, id DESC",
        meetings,
        TYPENAME,
    )
    .fetch_all(pool)
    .await
}

/// Locks the meeting's unfinished tasks, in the order of their ids, and gives these.
///
/// # Errors
/// When the database fails.
pub async fn lock_open(tx: &mut PgConnection, meeting: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM tasks
         WHERE ordering_key = $1 AND typename = $2 AND status IN ('PENDING', 'PROCESSING')
         ORDER BY id FOR UPDATE",
        meeting,
        TYPENAME,
    )
    .fetch_all(tx)
    .await
}

/// Locks the task's row against another attempt and tells whether `attempt` still holds it. Until
/// the transaction ends no later attempt can begin, so that nothing is written beside it.
///
/// # Errors
/// When the database fails.
pub async fn fence(tx: &mut PgConnection, id: Uuid, attempt: i32) -> Result<bool, sqlx::Error> {
    let held = sqlx::query_scalar!(
        r#"SELECT 1 AS "held!" FROM tasks
           WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING' FOR SHARE"#,
        id,
        attempt,
    )
    .fetch_optional(tx)
    .await?;
    Ok(held.is_some())
}
