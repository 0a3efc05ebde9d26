//! Segments: recognised pieces of speech.

use chrono::{DateTime, Utc};
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
    /// Place in the transcript: they rise, with gaps between the parts of a recording.
    pub ordinal: i32,
    /// Who speaks, if somebody said so.
    pub speaker_id: Option<Uuid>,
    /// What the speaker is called.
    pub speaker_label: Option<String>,
    /// Whose voice it is.
    pub speaker_user: Option<Uuid>,
    /// The version of who speaks.
    pub speaker_version: Option<i32>,
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
    /// When it got its present words from a person.
    pub edited_at: Option<DateTime<Utc>>,
    /// Who did; nobody when the account is gone.
    pub edited_by: Option<Uuid>,
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
    pub confidence: Option<f32>,
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

/// The last ordinal of a transcript's segments from `from` on, below `to`; `None` if there is none.
///
/// # Errors
/// When the database fails.
pub async fn last_ordinal(
    tx: &mut PgConnection,
    transcript: Uuid,
    from: i32,
    to: i32,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT max(ordinal) FROM segment
         WHERE transcript_id = $1 AND ordinal >= $2 AND ordinal < $3",
        transcript,
        from,
        to,
    )
    .fetch_one(tx)
    .await
}

/// The segments with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<SegmentRow>, sqlx::Error> {
    sqlx::query_as!(
        SegmentRow,
        r#"SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker_id,
                  v.label AS "speaker_label?", v.user_id AS "speaker_user?",
                  v.version AS "speaker_version?", s.start_ms, s.end_ms,
                  s.text, s.confidence, s.revision, s.edited_at, s.edited_by
           FROM segment s JOIN transcript t ON t.id = s.transcript_id
           LEFT JOIN speaker v ON v.id = s.speaker_id
           WHERE s.id = ANY($1)"#,
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
        r#"SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker_id,
                  v.label AS "speaker_label?", v.user_id AS "speaker_user?",
                  v.version AS "speaker_version?", s.start_ms, s.end_ms,
                  s.text, s.confidence, s.revision, s.edited_at, s.edited_by
           FROM segment s JOIN transcript t ON t.id = s.transcript_id
           LEFT JOIN speaker v ON v.id = s.speaker_id
           WHERE s.transcript_id = $1 ORDER BY s.ordinal"#,
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
                  s.speaker_id, v.label AS "speaker_label?", v.user_id AS "speaker_user?",
                  v.version AS "speaker_version?",
                  s.start_ms, s.end_ms, s.text, s.confidence, s.revision, s.edited_at, s.edited_by
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
           LEFT JOIN speaker v ON v.id = s.speaker_id
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
                speaker_id: row.speaker_id,
                speaker_label: row.speaker_label,
                speaker_user: row.speaker_user,
                speaker_version: row.speaker_version,
                start_ms: row.start_ms,
                end_ms: row.end_ms,
                text: row.text,
                confidence: row.confidence,
                revision: row.revision,
                edited_at: row.edited_at,
                edited_by: row.edited_by,
            };
            // Places count from 1.
            (row.place - 1, segment)
        })
        .collect())
}

/// The segment with this id, which is there, as the transaction sees it.
///
/// # Errors
/// When the database fails.
pub async fn in_transaction(tx: &mut PgConnection, id: Uuid) -> Result<SegmentRow, sqlx::Error> {
    sqlx::query_as!(
        SegmentRow,
        r#"SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker_id,
                  v.label AS "speaker_label?", v.user_id AS "speaker_user?",
                  v.version AS "speaker_version?", s.start_ms, s.end_ms,
                  s.text, s.confidence, s.revision, s.edited_at, s.edited_by
           FROM segment s JOIN transcript t ON t.id = s.transcript_id
           LEFT JOIN speaker v ON v.id = s.speaker_id
           WHERE s.id = $1"#,
        id,
    )
    .fetch_one(tx)
    .await
}

/// Locks a segment until the transaction ends, and gives its revision; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!("SELECT revision FROM segment WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(tx)
        .await
}

/// What somebody makes of a segment.
#[derive(Debug)]
pub struct Edit<'a> {
    /// The segment.
    pub id: Uuid,
    /// Its words from now on.
    pub text: &'a str,
    /// Who speaks.
    pub speaker_id: Option<Uuid>,
    /// Who edits.
    pub by: Uuid,
}

/// Keeps a segment as it is as an earlier revision, and writes the edit. The caller has locked it.
///
/// # Errors
/// When the database fails.
pub async fn edit(tx: &mut PgConnection, edit: Edit<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO segment_revision (id, segment_id, revision, text, speaker, edited_at, edited_by)
         SELECT $2, s.id, s.revision, s.text, v.label, s.edited_at, s.edited_by
         FROM segment s LEFT JOIN speaker v ON v.id = s.speaker_id WHERE s.id = $1",
        edit.id,
        Uuid::now_v7(),
    )
    .execute(&mut *tx)
    .await?;
    // Composed, as it is searched for, whatever the editor's keyboard gives.
    sqlx::query!(
        "UPDATE segment SET text = normalize($2, NFC), speaker_id = $3, edited_by = $4,
                edited_at = now(), revision = revision + 1
         WHERE id = $1",
        edit.id,
        edit.text,
        edit.speaker_id,
        edit.by,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The words of all segments of a transcript in their order, as the transaction sees them.
///
/// # Errors
/// When the database fails.
pub async fn texts(tx: &mut PgConnection, transcript: Uuid) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT text FROM segment WHERE transcript_id = $1 ORDER BY ordinal",
        transcript,
    )
    .fetch_all(tx)
    .await
}

/// What a segment was before an edit.
#[derive(Debug, Clone)]
pub struct RevisionRow {
    /// The row; later ones have greater ids.
    pub id: Uuid,
    /// How often it had been edited then.
    pub revision: i32,
    /// Its words then.
    pub text: String,
    /// What the speaker was called then.
    pub speaker: Option<String>,
    /// When it had got these words from a person.
    pub edited_at: Option<DateTime<Utc>>,
    /// From whom; nobody when the account is gone.
    pub edited_by: Option<Uuid>,
}

/// Pages of the earlier revisions of several segments at once, the latest first: the three slices
/// belong together by place; `after` of the nil id begins at the latest one.
///
/// # Errors
/// When the database fails.
pub async fn revisions(
    pool: &PgPool,
    segments: &[Uuid],
    after: &[Uuid],
    limits: &[i64],
) -> Result<Vec<(i64, RevisionRow)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT page.place AS "place!", r.id, r.revision, r.text, r.speaker, r.edited_at,
                  r.edited_by
           FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
                WITH ORDINALITY AS page (segment_id, after_id, size, place)
           CROSS JOIN LATERAL (
               SELECT * FROM segment_revision
               WHERE segment_id = page.segment_id
                 AND revision < CASE
                     WHEN page.after_id = '00000000-0000-0000-0000-000000000000' THEN 2147483647
                     ELSE (SELECT revision FROM segment_revision
                           WHERE id = page.after_id AND segment_id = page.segment_id) END
               ORDER BY revision DESC LIMIT page.size
           ) r
           ORDER BY page.place, r.revision DESC"#,
        segments,
        after,
        limits,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let revision = RevisionRow {
                id: row.id,
                revision: row.revision,
                text: row.text,
                speaker: row.speaker,
                edited_at: row.edited_at,
                edited_by: row.edited_by,
            };
            // Places count from 1.
            (row.place - 1, revision)
        })
        .collect())
}

/// Takes somebody's name off up to `limit` segments that they edited; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, user: Uuid, limit: i64) -> Result<usize, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "UPDATE segment SET edited_by = NULL
         WHERE id IN (SELECT id FROM segment WHERE edited_by = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(named.fetch_all(tx).await?.len())
}

/// The same of earlier revisions.
///
/// # Errors
/// When the database fails.
pub async fn forget_revisions(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "UPDATE segment_revision SET edited_by = NULL
         WHERE id IN (SELECT id FROM segment_revision WHERE edited_by = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(named.fetch_all(tx).await?.len())
}
