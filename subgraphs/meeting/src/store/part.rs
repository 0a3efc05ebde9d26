//! Recordings in parts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::recording::{NewRecording, RecordingRecord, RecordingStatus, changed, found};
use crate::domain::part::Sent;

/// Opens a meeting's recording in parts, of which the first is to have this type.
///
/// # Errors
/// Whatever the database answers.
pub async fn open(
    conn: &mut PgConnection,
    recording: &NewRecording<'_>,
) -> Result<RecordingRecord, sqlx::Error> {
    changed!(
        "INSERT INTO recordings (id, meeting_id, requested_by, content_type, size_bytes,
                                 object_key, upload_expires_at, parted)
         VALUES ($1, $2, $3, $4, 0, $5, $6, true)",
        recording.id,
        recording.meeting_id,
        recording.requested_by,
        recording.content_type,
        recording.object_key,
        recording.upload_expires_at,
    )
    .fetch_one(conn)
    .await
}

/// The recording in parts of a meeting, if it has one.
///
/// # Errors
/// Whatever the database answers.
pub async fn of_meeting(
    conn: &mut PgConnection,
    meeting_id: Uuid,
) -> Result<Option<RecordingRecord>, sqlx::Error> {
    found!("WHERE meeting_id = $1 AND parted", meeting_id).fetch_optional(conn).await
}

/// Where a part belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The recording.
    pub recording_id: Uuid,
    /// Its place there, from 0.
    pub sequence: i32,
    /// Where it begins, in milliseconds, if its sender said so.
    pub start_ms: Option<i64>,
}

/// Writes a part whose file is still to come.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(
    conn: &mut PgConnection,
    part: &NewRecording<'_>,
    place: Place,
) -> Result<RecordingRecord, sqlx::Error> {
    changed!(
        "INSERT INTO recordings (id, meeting_id, requested_by, content_type, size_bytes,
                                 object_key, upload_expires_at, part_of, sequence, start_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        part.id,
        part.meeting_id,
        part.requested_by,
        part.content_type,
        part.size_bytes,
        part.object_key,
        part.upload_expires_at,
        place.recording_id,
        place.sequence,
        place.start_ms,
    )
    .fetch_one(conn)
    .await
}

/// What is announced anew of a part whose file hasn't come.
#[derive(Debug)]
pub struct Renewal<'a> {
    /// Media type.
    pub content_type: &'a str,
    /// Size, in bytes.
    pub size_bytes: i64,
    /// Where it begins, in milliseconds, if its sender says so.
    pub start_ms: Option<i64>,
    /// When the upload address ends.
    pub upload_expires_at: DateTime<Utc>,
}

/// Announces a part anew; `None` when its file is there or on its way.
///
/// # Errors
/// Whatever the database answers.
pub async fn renew(
    conn: &mut PgConnection,
    id: Uuid,
    renewal: &Renewal<'_>,
) -> Result<Option<RecordingRecord>, sqlx::Error> {
    changed!(
        "UPDATE recordings
         SET content_type = $2, size_bytes = $3, start_ms = $4, upload_expires_at = $5
         WHERE id = $1 AND status = 'PENDING' AND deleted_at IS NULL
           AND (upload_lease_until IS NULL OR upload_lease_until < now())",
        id,
        renewal.content_type,
        renewal.size_bytes,
        renewal.start_ms,
        renewal.upload_expires_at,
    )
    .fetch_optional(conn)
    .await
}

/// The part in this place, if it was asked for.
///
/// # Errors
/// Whatever the database answers.
pub async fn at(
    conn: &mut PgConnection,
    recording_id: Uuid,
    sequence: i32,
) -> Result<Option<RecordingRecord>, sqlx::Error> {
    found!("WHERE part_of = $1 AND sequence = $2", recording_id, sequence)
        .fetch_optional(conn)
        .await
}

/// What the other parts of a recording leave room for.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// How large they are together, in bytes.
    pub size_bytes: i64,
    /// Where the last of those before begins, in milliseconds, as far as somebody said so.
    pub before_ms: Option<i64>,
    /// Where the first of those behind begins.
    pub behind_ms: Option<i64>,
}

/// What the other parts leave room for in this place.
///
/// # Errors
/// Whatever the database answers.
pub async fn room(
    conn: &mut PgConnection,
    recording_id: Uuid,
    sequence: i32,
) -> Result<Room, sqlx::Error> {
    sqlx::query_as!(
        Room,
        r#"SELECT coalesce(sum(size_bytes), 0)::bigint AS "size_bytes!",
                  max(start_ms) FILTER (WHERE sequence < $2) AS before_ms,
                  min(start_ms) FILTER (WHERE sequence > $2) AS behind_ms
           FROM recordings WHERE part_of = $1 AND sequence <> $2"#,
        recording_id,
        sequence,
    )
    .fetch_one(conn)
    .await
}

/// Adds the size of a part that arrived to its recording's.
///
/// # Errors
/// Whatever the database answers.
pub async fn grow(
    conn: &mut PgConnection,
    recording_id: Uuid,
    size_bytes: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recordings SET size_bytes = size_bytes + $2 WHERE id = $1",
        recording_id,
        size_bytes
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How far the parts of a recording are, in their order.
///
/// # Errors
/// Whatever the database answers.
pub async fn sent(conn: &mut PgConnection, recording_id: Uuid) -> Result<Vec<Sent>, sqlx::Error> {
    sqlx::query_as!(
        Sent,
        r#"SELECT sequence AS "sequence!",
                  (status = 'UPLOADED' AND deleted_at IS NULL) AS "is_there!",
                  coalesce(upload_lease_until > now(), false) AS "is_coming!"
           FROM recordings WHERE part_of = $1 ORDER BY sequence"#,
        recording_id,
    )
    .fetch_all(conn)
    .await
}

/// Notes how many parts a recording has, as its sender says.
///
/// # Errors
/// Whatever the database answers.
pub async fn announce(
    conn: &mut PgConnection,
    recording_id: Uuid,
    part_count: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE recordings SET part_count = $2 WHERE id = $1", recording_id, part_count)
        .execute(conn)
        .await?;
    Ok(())
}

/// From now on no part comes any more.
///
/// # Errors
/// Whatever the database answers.
pub async fn close(
    conn: &mut PgConnection,
    recording_id: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE recordings
         SET closed_at = $2::timestamptz,
             uploaded_at = CASE WHEN size_bytes > 0 THEN $2::timestamptz END,
             status = CASE WHEN size_bytes > 0 THEN 'UPLOADED' ELSE status END
         WHERE id = $1 AND closed_at IS NULL",
        recording_id,
        at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Meetings that ended with a recording of which parts may still come, at most `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn awaited(pool: &PgPool, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT m.id FROM recordings r JOIN meetings m ON m.recording_id = r.id
         WHERE r.parted AND r.closed_at IS NULL AND r.deleted_at IS NULL AND m.status = 'ENDED'
         ORDER BY m.ended_at LIMIT $1",
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Pages of the parts of several recordings at once, in their order: the three slices belong together
/// by place; `after` of the nil id begins at the first one.
///
/// # Errors
/// Whatever the database answers.
pub async fn pages(
    pool: &PgPool,
    recordings: &[Uuid],
    after: &[Uuid],
    limits: &[i64],
) -> Result<Vec<(i64, RecordingRecord)>, sqlx::Error> {
    let places = sqlx::query!(
        r#"SELECT page.place AS "place!", r.id AS "id!"
           FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
                WITH ORDINALITY AS page (recording_id, after_id, size, place)
           CROSS JOIN LATERAL (
               SELECT id, sequence FROM recordings
               WHERE part_of = page.recording_id
                 AND sequence > CASE
                     WHEN page.after_id = '00000000-0000-0000-0000-000000000000' THEN -1
                     ELSE (SELECT sequence FROM recordings
                           WHERE id = page.after_id AND part_of = page.recording_id) END
               ORDER BY sequence LIMIT page.size
           ) r
           ORDER BY page.place, r.sequence"#,
        recordings,
        after,
        limits,
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<Uuid> = places.iter().map(|row| row.id).collect();
    let rows = found!("WHERE id = ANY($1)", &ids).fetch_all(pool).await?;
    let mut rows: HashMap<Uuid, RecordingRecord> =
        rows.into_iter().map(|row| (row.id, row)).collect();
    // Places count from 1.
    Ok(places.iter().filter_map(|at| Some((at.place - 1, rows.remove(&at.id)?))).collect())
}

/// How far the parts of these recordings are, in their order. One that was there and is deleted counts
/// as there: it isn't missing.
///
/// # Errors
/// Whatever the database answers.
pub async fn sent_of(pool: &PgPool, recordings: &[Uuid]) -> Result<Vec<(Uuid, Sent)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT part_of AS "part_of!", sequence AS "sequence!", uploaded_at,
                  coalesce(upload_lease_until > now(), false) AS "is_coming!"
           FROM recordings WHERE part_of = ANY($1) ORDER BY part_of, sequence"#,
        recordings,
    )
    .fetch_all(pool)
    .await?;
    let sent = rows.into_iter().map(|row| {
        let is_there = row.uploaded_at.is_some();
        (row.part_of, Sent { sequence: row.sequence, is_there, is_coming: row.is_coming })
    });
    Ok(sent.collect())
}
