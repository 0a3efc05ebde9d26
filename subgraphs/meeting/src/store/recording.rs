//! Recordings and the uploads that fill them.

use std::collections::HashMap;

use async_graphql::Enum;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::status::Status;

/// Whether a recording's file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum RecordingStatus {
    /// Asked for; the file hasn't arrived whole.
    Pending,
    /// The file is there, and never changes any more; of a recording in parts: all parts that are
    /// going to be there are.
    Uploaded,
    /// There is no file any more: it was kept as long as it was to be (then `uploadedAt` tells that it
    /// had been there), or it never came.
    Deleted,
}

impl RecordingStatus {
    /// The name in the API and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Uploaded => "UPLOADED",
            Self::Deleted => "DELETED",
        }
    }

    /// Reads the name back; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Uploaded, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// Recordings by a statement that changes them.
macro_rules! changed {
    ($sql:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            RecordingRecord,
            $sql + r#" RETURNING id, meeting_id, requested_by, content_type, size_bytes,
                     CASE WHEN deleted_at IS NULL THEN status ELSE 'DELETED' END
                         AS "status!: RecordingStatus",
                     object_key, upload_expires_at, created_at, uploaded_at, parted, part_of,
                     sequence, start_ms, part_count, closed_at, deleted_at"#,
            $($argument),*
        )
    };
}

/// Recordings by what comes after `FROM recordings`.
macro_rules! found {
    ($sql:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            RecordingRecord,
            r#"SELECT id, meeting_id, requested_by, content_type, size_bytes,
                      CASE WHEN deleted_at IS NULL THEN status ELSE 'DELETED' END
                          AS "status!: RecordingStatus",
                      object_key, upload_expires_at, created_at, uploaded_at, parted, part_of,
                      sequence, start_ms, part_count, closed_at, deleted_at
               FROM recordings "# + $sql,
            $($argument),*
        )
    };
}

pub(super) use {changed, found};

/// A recording, or a part of one.
#[derive(Debug, Clone)]
pub struct RecordingRecord {
    /// The recording's id.
    pub id: Uuid,
    /// Whose recording it is.
    pub meeting_id: Uuid,
    /// Who asked for the upload.
    pub requested_by: Uuid,
    /// Media type as announced; of a recording in parts, that of the first one asked for.
    pub content_type: String,
    /// Size as announced, in bytes; the file has exactly this size. Of a recording in parts: of those
    /// that are there.
    pub size_bytes: i64,
    /// Whether the file is there.
    pub status: RecordingStatus,
    /// Where the file is in object storage.
    pub object_key: String,
    /// When its upload address ends.
    pub upload_expires_at: DateTime<Utc>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the file was there.
    pub uploaded_at: Option<DateTime<Utc>>,
    /// Whether it comes in parts.
    pub parted: bool,
    /// Of a part: what it is a part of.
    pub part_of: Option<Uuid>,
    /// Of a part: its place, from 0.
    pub sequence: Option<i32>,
    /// Of a part: where it begins, in milliseconds, if its sender said so.
    pub start_ms: Option<i64>,
    /// Of a recording in parts: how many there are, if somebody said so.
    pub part_count: Option<i32>,
    /// Of a recording in parts: since when no more come.
    pub closed_at: Option<DateTime<Utc>>,
    /// Since when its file isn't to be had any more.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What is written when an upload is asked for.
#[derive(Debug)]
pub struct NewRecording<'a> {
    /// The recording's id.
    pub id: Uuid,
    /// Whose recording it is.
    pub meeting_id: Uuid,
    /// Who asked.
    pub requested_by: Uuid,
    /// Media type.
    pub content_type: &'a str,
    /// Size, in bytes.
    pub size_bytes: i64,
    /// Where the file will be.
    pub object_key: &'a str,
    /// When the upload address ends.
    pub upload_expires_at: DateTime<Utc>,
}

/// Writes a recording whose file is still to come.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(
    conn: &mut PgConnection,
    recording: &NewRecording<'_>,
) -> Result<RecordingRecord, sqlx::Error> {
    changed!(
        "INSERT INTO recordings (id, meeting_id, requested_by, content_type, size_bytes,
                                 object_key, upload_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        recording.id,
        recording.meeting_id,
        recording.requested_by,
        recording.content_type,
        recording.size_bytes,
        recording.object_key,
        recording.upload_expires_at,
    )
    .fetch_one(conn)
    .await
}

/// The recordings of these meetings, oldest first, without their parts.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_meetings(
    pool: &PgPool,
    meeting_ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<RecordingRecord>>, sqlx::Error> {
    let rows = found!(
        "WHERE meeting_id = ANY($1) AND part_of IS NULL ORDER BY meeting_id, id",
        meeting_ids
    )
    .fetch_all(pool)
    .await?;
    let mut found: HashMap<Uuid, Vec<RecordingRecord>> = HashMap::new();
    for recording in rows {
        found.entry(recording.meeting_id).or_default().push(recording);
    }
    Ok(found)
}

/// One recording, or one part.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_id(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<RecordingRecord>, sqlx::Error> {
    found!("WHERE id = $1", id).fetch_optional(conn).await
}

/// How many recordings a meeting has, without those that are deleted.
///
/// # Errors
/// Whatever the database answers.
pub async fn count(conn: &mut PgConnection, meeting_id: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM recordings
           WHERE meeting_id = $1 AND part_of IS NULL AND deleted_at IS NULL"#,
        meeting_id
    )
    .fetch_one(conn)
    .await
}

/// A recording and the status of its meeting, as an upload needs to know them.
///
/// # Errors
/// Whatever the database answers.
pub async fn with_meeting_status(
    pool: &PgPool,
    id: Uuid,
) -> Result<Option<(RecordingRecord, Status)>, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let Some(recording) = by_id(&mut conn, id).await? else { return Ok(None) };
    let status = sqlx::query_scalar!(
        r#"SELECT status AS "status: Status" FROM meetings WHERE id = $1"#,
        recording.meeting_id
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(Some((recording, status)))
}

/// Takes the right to write the file, for `lease_s` seconds without news. `false` when
/// the file is there already or somebody else is writing it.
///
/// # Errors
/// Whatever the database answers.
pub async fn claim_upload(
    pool: &PgPool,
    id: Uuid,
    attempt: Uuid,
    lease_s: f64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE recordings
         SET upload_attempt = $2, upload_lease_until = now() + make_interval(secs => $3)
         WHERE id = $1 AND status = 'PENDING' AND deleted_at IS NULL AND NOT parted
           AND (upload_lease_until IS NULL OR upload_lease_until < now())",
        id,
        attempt,
        lease_s
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the right to write for another `lease_s` seconds. `false` when it was lost.
///
/// # Errors
/// Whatever the database answers.
pub async fn renew_upload(
    pool: &PgPool,
    id: Uuid,
    attempt: Uuid,
    lease_s: f64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE recordings SET upload_lease_until = now() + make_interval(secs => $3)
         WHERE id = $1 AND status = 'PENDING' AND upload_attempt = $2 AND deleted_at IS NULL",
        id,
        attempt,
        lease_s
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the right to write back, so that the upload can be tried again at once.
///
/// # Errors
/// Whatever the database answers.
pub async fn release_upload(pool: &PgPool, id: Uuid, attempt: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recordings SET upload_attempt = NULL, upload_lease_until = NULL
         WHERE id = $1 AND status = 'PENDING' AND upload_attempt = $2",
        id,
        attempt
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The file is there: final. `None` when the right to write was lost.
///
/// # Errors
/// Whatever the database answers.
pub async fn finish_upload(
    conn: &mut PgConnection,
    id: Uuid,
    attempt: Uuid,
) -> Result<Option<RecordingRecord>, sqlx::Error> {
    changed!(
        "UPDATE recordings
         SET status = 'UPLOADED', uploaded_at = now(),
             upload_attempt = NULL, upload_lease_until = NULL
         WHERE id = $1 AND status = 'PENDING' AND upload_attempt = $2 AND deleted_at IS NULL",
        id,
        attempt
    )
    .fetch_optional(conn)
    .await
}
