//! What was found in meetings' texts.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::kind::Kind;

/// What was found in a text.
#[derive(Debug, Clone)]
pub struct InsightRow {
    /// Its id.
    pub id: Uuid,
    /// The meeting.
    pub meeting_id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// The text.
    pub transcript_id: Uuid,
    /// The task that found it.
    pub task_id: Uuid,
    /// The engine that found it.
    pub engine: String,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<String>,
    /// What was found.
    pub content: Value,
    /// Rises when it is found anew.
    pub version: i32,
    /// When it was found.
    pub created_at: DateTime<Utc>,
}

/// What is to be written down.
#[derive(Debug)]
pub struct NewInsight<'a> {
    /// The meeting.
    pub meeting_id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// The text.
    pub transcript_id: Uuid,
    /// The task that found it.
    pub task_id: Uuid,
    /// The engine that found it.
    pub engine: &'a str,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<&'a str>,
    /// What was found.
    pub content: Value,
}

/// Writes down what was found, in place of what was found before.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut PgConnection, new: NewInsight<'_>) -> Result<InsightRow, sqlx::Error> {
    sqlx::query_as!(
        InsightRow,
        "INSERT INTO insight (id, meeting_id, kind, transcript_id, task_id, engine, instead_of, content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (meeting_id, kind) DO UPDATE SET
             transcript_id = EXCLUDED.transcript_id, task_id = EXCLUDED.task_id,
             engine = EXCLUDED.engine, instead_of = EXCLUDED.instead_of, content = EXCLUDED.content,
             version = insight.version + 1, created_at = now()
         RETURNING *",
        Uuid::now_v7(),
        new.meeting_id,
        new.kind.as_str(),
        new.transcript_id,
        new.task_id,
        new.engine,
        new.instead_of,
        new.content,
    )
    .fetch_one(tx)
    .await
}

/// Those with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<InsightRow>, sqlx::Error> {
    sqlx::query_as!(InsightRow, "SELECT * FROM insight WHERE id = ANY($1)", ids)
        .fetch_all(pool)
        .await
}

/// Those of these meetings.
///
/// # Errors
/// When the database fails.
pub async fn of_meetings(pool: &PgPool, meetings: &[Uuid]) -> Result<Vec<InsightRow>, sqlx::Error> {
    sqlx::query_as!(InsightRow, "SELECT * FROM insight WHERE meeting_id = ANY($1)", meetings)
        .fetch_all(pool)
        .await
}
