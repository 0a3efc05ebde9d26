//! What verification tasks found.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// What a task found.
#[derive(Debug, Clone)]
pub struct VerificationRow {
    /// The task.
    pub task_id: Uuid,
    /// The findings, a JSON array.
    pub findings: Value,
    /// How many there were.
    pub finding_count: i32,
}

/// Writes what a task found. The caller's transaction holds the task.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    transcript: Uuid,
    row: &VerificationRow,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO verification (task_id, transcript_id, findings, finding_count)
         VALUES ($1, $2, $3, $4)",
        row.task_id,
        transcript,
        row.findings,
        row.finding_count,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What these tasks found.
///
/// # Errors
/// When the database fails.
pub async fn of_tasks(pool: &PgPool, tasks: &[Uuid]) -> Result<Vec<VerificationRow>, sqlx::Error> {
    sqlx::query_as!(
        VerificationRow,
        "SELECT task_id, findings, finding_count FROM verification WHERE task_id = ANY($1)",
        tasks,
    )
    .fetch_all(pool)
    .await
}
