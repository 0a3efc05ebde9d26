//! How the todos of tasks were found.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// How a task's todos were found.
#[derive(Debug, Clone)]
pub struct ExtractionRow {
    /// The task.
    pub task_id: Uuid,
    /// The engine that found them.
    pub engine: String,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<String>,
}

/// Notes how a task's todos were found; a task completes once.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    task: Uuid,
    engine: &str,
    instead_of: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO extraction (task_id, engine, instead_of) VALUES ($1, $2, $3)",
        task,
        engine,
        instead_of,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How the todos of these tasks were found.
///
/// # Errors
/// When the database fails.
pub async fn of_tasks(pool: &PgPool, tasks: &[Uuid]) -> Result<Vec<ExtractionRow>, sqlx::Error> {
    sqlx::query_as!(ExtractionRow, "SELECT * FROM extraction WHERE task_id = ANY($1)", tasks)
        .fetch_all(pool)
        .await
}
