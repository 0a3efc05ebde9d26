//! Analyses over several meetings, and their parts.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// An analysis over several meetings.
#[derive(Debug, Clone)]
pub struct AnalysisRow {
    /// Its id, and the ordering key of its task and its event.
    pub id: Uuid,
    /// The task that makes it.
    pub task_id: Uuid,
    /// Who asked for it.
    pub requested_by: Uuid,
    /// Rises when it is made anew.
    pub version: i32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When all of its parts were there.
    pub completed_at: Option<DateTime<Utc>>,
}

/// What is analysed of one meeting.
#[derive(Debug, Clone)]
pub struct PartRow {
    /// The analysis.
    pub analysis_id: Uuid,
    /// The place in which it was asked for, from 0.
    pub ordinal: i32,
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its text.
    pub transcript_id: Uuid,
    /// The text's key in object storage.
    pub object_key: String,
    /// The engine that found what is in it.
    pub engine: Option<String>,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<String>,
    /// What was found, once it is.
    pub content: Option<Value>,
    /// The todos that weren't finished then.
    pub open_todos: Option<Value>,
}

/// What was found in one meeting.
#[derive(Debug)]
pub struct FoundPart<'a> {
    /// The analysis.
    pub analysis_id: Uuid,
    /// Which of its parts.
    pub ordinal: i32,
    /// The engine that found it.
    pub engine: &'a str,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<&'a str>,
    /// What was found.
    pub content: Value,
    /// The todos that weren't finished.
    pub open_todos: Value,
}

/// A text that is to be analysed.
#[derive(Debug, Clone)]
pub struct Text {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its newest text.
    pub transcript_id: Uuid,
    /// The text's key in object storage.
    pub object_key: String,
}

/// Writes down that an analysis was asked for, of these texts in their order.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    id: Uuid,
    task: Uuid,
    requested_by: Uuid,
    texts: &[Text],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO analysis (id, task_id, requested_by) VALUES ($1, $2, $3)",
        id,
        task,
        requested_by,
    )
    .execute(&mut *tx)
    .await?;
    let meetings: Vec<Uuid> = texts.iter().map(|text| text.meeting_id).collect();
    let transcripts: Vec<Uuid> = texts.iter().map(|text| text.transcript_id).collect();
    let keys: Vec<String> = texts.iter().map(|text| text.object_key.clone()).collect();
    sqlx::query!(
        "INSERT INTO analysis_part (analysis_id, ordinal, meeting_id, transcript_id, object_key)
         SELECT $1, (place - 1)::integer, meeting_id, transcript_id, object_key
         FROM unnest($2::uuid[], $3::uuid[], $4::text[])
              WITH ORDINALITY AS part (meeting_id, transcript_id, object_key, place)",
        id,
        &meetings,
        &transcripts,
        &keys,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The newest texts of these meetings, as far as there are any, in no order.
///
/// # Errors
/// When the database fails.
pub async fn texts(tx: &mut PgConnection, meetings: &[Uuid]) -> Result<Vec<Text>, sqlx::Error> {
    sqlx::query_as!(
        Text,
        r#"SELECT id AS meeting_id, transcript_id AS "transcript_id!", object_key AS "object_key!"
           FROM meeting WHERE id = ANY($1) AND transcript_id IS NOT NULL"#,
        meetings,
    )
    .fetch_all(tx)
    .await
}

/// Those with these ids, finished or not.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<AnalysisRow>, sqlx::Error> {
    sqlx::query_as!(AnalysisRow, "SELECT * FROM analysis WHERE id = ANY($1)", ids)
        .fetch_all(pool)
        .await
}

/// The parts of these analyses, each one's in the order in which they were asked for.
///
/// # Errors
/// When the database fails.
pub async fn parts(pool: &PgPool, analyses: &[Uuid]) -> Result<Vec<PartRow>, sqlx::Error> {
    sqlx::query_as!(
        PartRow,
        "SELECT * FROM analysis_part WHERE analysis_id = ANY($1) ORDER BY analysis_id, ordinal",
        analyses,
    )
    .fetch_all(pool)
    .await
}

/// A page of the finished analyses that somebody asked for, the newest first: those of which they still
/// take part in one meeting at least, as this service knows it.
///
/// # Errors
/// When the database fails.
pub async fn of_requester(
    pool: &PgPool,
    requester: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AnalysisRow>, sqlx::Error> {
    sqlx::query_as!(
        AnalysisRow,
        "SELECT a.* FROM analysis a
         WHERE a.requested_by = $1 AND a.completed_at IS NOT NULL
           AND ($2::uuid IS NULL OR a.id < $2)
           AND EXISTS (
               SELECT 1 FROM analysis_part p
               JOIN membership m ON m.group_id = p.meeting_id AND m.member_id = $1
               WHERE p.analysis_id = a.id
           )
         ORDER BY a.id DESC LIMIT $3",
        requester,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Writes down what was found in one meeting.
///
/// # Errors
/// When the database fails.
pub async fn find(tx: &mut PgConnection, found: FoundPart<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE analysis_part SET engine = $3, instead_of = $4, content = $5, open_todos = $6
         WHERE analysis_id = $1 AND ordinal = $2",
        found.analysis_id,
        found.ordinal,
        found.engine,
        found.instead_of,
        found.content,
        found.open_todos,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that all parts are there.
///
/// # Errors
/// When the database fails.
pub async fn complete(tx: &mut PgConnection, id: Uuid) -> Result<AnalysisRow, sqlx::Error> {
    sqlx::query_as!(
        AnalysisRow,
        "UPDATE analysis SET completed_at = now() WHERE id = $1 RETURNING *",
        id,
    )
    .fetch_one(tx)
    .await
}

/// Up to `limit` analyses that somebody asked for, each with its task.
///
/// # Errors
/// When the database fails.
pub async fn some_of(
    tx: &mut PgConnection,
    requester: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, task_id FROM analysis WHERE requested_by = $1 ORDER BY id LIMIT $2",
        requester,
        limit,
    );
    Ok(rows.fetch_all(tx).await?.into_iter().map(|row| (row.id, row.task_id)).collect())
}

/// Deletes an analysis.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM analysis WHERE id = $1", id).execute(tx).await?;
    Ok(())
}
