//! Segments: recognised pieces of speech.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A recognised piece of speech.
#[derive(Debug, Clone)]
pub struct SegmentRow {
    /// The segment.
    pub id: Uuid,
    /// The transcript that it belongs to.
    pub transcript_id: Uuid,
    /// The meeting that it belongs to.
    pub meeting_id: Uuid,
    /// Place in the transcript, from 0.
    pub ordinal: i32,
    /// Label of who speaks, if somebody gave one.
    pub speaker: Option<String>,
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds.
    pub end_ms: i64,
    /// Its words.
    pub text: String,
    /// How sure the recogniser is, 0 to 1.
    pub confidence: Option<f32>,
    /// Rises with every edit.
    pub revision: i32,
}

/// A piece that was just recognised.
#[derive(Debug, Clone)]
pub struct NewSegment<'a> {
    /// Its new id.
    pub id: Uuid,
    /// The transcript that it belongs to.
    pub transcript_id: Uuid,
    /// Place in the transcript.
    pub ordinal: i32,
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds, not before the start.
    pub end_ms: i64,
    /// Its words.
    pub text: &'a str,
    /// How sure the recogniser is, 0 to 1.
    pub confidence: f32,
}

/// Adds a segment if `attempt` is still the one that works on the transcript's task. `false` when
/// it isn't: then nothing was added. Until the transaction ends no later attempt can begin, because
/// the task's row is locked against changes.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    attempt: i32,
    new: NewSegment<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "WITH fence AS (
             SELECT t.id FROM transcript t JOIN tasks k ON k.id = t.task_id
             WHERE t.id = $2 AND k.attempts = $8 AND k.status = 'PROCESSING'
             FOR SHARE OF k
         )
         INSERT INTO segment (id, transcript_id, ordinal, start_ms, end_ms, text, confidence)
         SELECT $1, fence.id, $3, $4, $5, $6, $7 FROM fence",
        new.id,
        new.transcript_id,
        new.ordinal,
        new.start_ms,
        new.end_ms,
        new.text,
        new.confidence,
        attempt,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The segments with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<SegmentRow>, sqlx::Error> {
    sqlx::query_as!(
        SegmentRow,
        "SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker, s.start_ms, s.end_ms,
                s.text, s.confidence, s.revision
         FROM segment s JOIN transcript t ON t.id = s.transcript_id
         WHERE s.id = ANY($1)",
        ids,
    )
    .fetch_all(pool)
    .await
}

/// All segments of a transcript in their order.
///
/// # Errors
/// When the database fails.
pub async fn of_transcript(pool: &PgPool, id: Uuid) -> Result<Vec<SegmentRow>, sqlx::Error> {
    sqlx::query_as!(
        SegmentRow,
        "SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker, s.start_ms, s.end_ms,
                s.text, s.confidence, s.revision
         FROM segment s JOIN transcript t ON t.id = s.transcript_id
         WHERE s.transcript_id = $1 ORDER BY s.ordinal",
        id,
    )
    .fetch_all(pool)
    .await
}

/// Pages of several transcripts at once: the three slices belong together by place.
///
/// For each transcript up to `limits[i]` segments after the segment `after[i]` (the nil id: from
/// the first one on), in their order. A cursor of another transcript gives an empty page.
///
/// # Errors
/// When the database fails.
pub async fn pages(
    pool: &PgPool,
    transcripts: &[Uuid],
    after: &[Uuid],
    limits: &[i64],
) -> Result<Vec<(i64, SegmentRow)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT page.place AS "place!", s.id, s.transcript_id, t.meeting_id, s.ordinal,
                  s.speaker, s.start_ms, s.end_ms, s.text, s.confidence, s.revision
           FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
                WITH ORDINALITY AS page (transcript_id, after_id, size, place)
           JOIN transcript t ON t.id = page.transcript_id
           CROSS JOIN LATERAL (
               SELECT * FROM segment
               WHERE transcript_id = page.transcript_id
                 AND ordinal > CASE
                     WHEN page.after_id = '00000000-0000-0000-0000-000000000000' THEN -1
                     ELSE (SELECT ordinal FROM segment
                           WHERE id = page.after_id AND transcript_id = page.transcript_id) END
               ORDER BY ordinal LIMIT page.size
           ) s
           ORDER BY page.place, s.ordinal"#,
        transcripts,
        after,
        limits,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let segment = SegmentRow {
                id: row.id,
                transcript_id: row.transcript_id,
                meeting_id: row.meeting_id,
                ordinal: row.ordinal,
                speaker: row.speaker,
                start_ms: row.start_ms,
                end_ms: row.end_ms,
                text: row.text,
                confidence: row.confidence,
                revision: row.revision,
            };
            // Places count from 1.
            (row.place - 1, segment)
        })
        .collect())
}
