//! Recordings whose files are not kept any longer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// For how long a meeting's recordings are kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    /// How many days its host wants, if they chose.
    pub days: Option<i32>,
    /// When the meeting was over.
    pub over_at: Option<DateTime<Utc>>,
}

/// For how long the recordings of these meetings are kept.
///
/// # Errors
/// Whatever the database answers.
pub async fn of_meetings(pool: &PgPool, ids: &[Uuid]) -> Result<HashMap<Uuid, Kept>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, recording_retention_days AS days,
                CASE WHEN status = 'CANCELLED' THEN updated_at ELSE ended_at END AS over_at
         FROM meetings WHERE id = ANY($1)",
        ids
    )
    .fetch_all(pool)
    .await?;
    let kept = |days, over_at| Kept { days, over_at };
    Ok(rows.into_iter().map(|row| (row.id, kept(row.days, row.over_at))).collect())
}

/// Writes the host's choice.
///
/// # Errors
/// Whatever the database answers.
pub async fn set(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    days: Option<i32>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE meetings SET recording_retention_days = $2 WHERE id = $1",
        meeting_id,
        days
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A recording whose time is over.
#[derive(Debug, Clone, Copy)]
pub struct Expired {
    /// The recording.
    pub id: Uuid,
    /// Its meeting.
    pub meeting_id: Uuid,
}

/// Recordings that are kept no longer at `now`, at most `limit`; the installation keeps them for
/// `installation_s`, if not for ever.
///
/// # Errors
/// Whatever the database answers.
pub async fn expired(
    pool: &PgPool,
    installation_s: Option<i64>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Expired>, sqlx::Error> {
    sqlx::query_as!(
        Expired,
        r#"WITH kept AS (
               -- Each by an index of its own.
               SELECT id FROM recordings
               WHERE status = 'UPLOADED' AND part_of IS NULL AND deleted_at IS NULL
                 AND uploaded_at <= $2::timestamptz - make_interval(secs => $1::bigint::double precision)
               UNION
               SELECT r.id FROM meetings m JOIN recordings r ON r.meeting_id = m.id
               WHERE m.recording_retention_days IS NOT NULL
                 AND r.status = 'UPLOADED' AND r.part_of IS NULL AND r.deleted_at IS NULL
           )
           SELECT r.id, r.meeting_id
           FROM kept JOIN recordings r USING (id) JOIN meetings m ON m.id = r.meeting_id
           WHERE m.status IN ('ENDED', 'MINUTES_READY', 'CANCELLED')
             AND greatest(CASE WHEN m.status = 'CANCELLED' THEN m.updated_at ELSE m.ended_at END,
                          r.uploaded_at)
                 + least(make_interval(days => m.recording_retention_days),
                         make_interval(secs => $1::bigint::double precision)) <= $2
           ORDER BY r.uploaded_at LIMIT $3"#,
        installation_s,
        now,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// A recording and its parts are not to be had any more. `false` when they weren't before.
///
/// # Errors
/// Whatever the database answers.
pub async fn delete(
    conn: &mut PgConnection,
    recording_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE recordings
         SET deleted_at = $2::timestamptz,
             object_deleted_at = CASE WHEN parted THEN $2::timestamptz END
         WHERE (id = $1 OR part_of = $1) AND deleted_at IS NULL",
        recording_id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Uploads that were asked for, whose address ended before `before` and whose file never came, are given
/// up; gives how many, at most `limit`. One that is arriving at `now`, or whose recording still takes
/// parts, stays.
///
/// # Errors
/// Whatever the database answers.
pub async fn give_up_unsent(
    pool: &PgPool,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE recordings SET deleted_at = $2, upload_attempt = NULL, upload_lease_until = NULL
         WHERE id IN (
             SELECT r.id FROM recordings r
             WHERE r.status = 'PENDING' AND NOT r.parted AND r.deleted_at IS NULL
               AND r.upload_expires_at < $1
               AND (r.upload_lease_until IS NULL OR r.upload_lease_until < $2)
               AND NOT EXISTS (
                   SELECT FROM recordings whole
                   WHERE whole.id = r.part_of AND whole.closed_at IS NULL
                     AND whole.deleted_at IS NULL)
             ORDER BY r.upload_expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)",
        before,
        now,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// An object that nobody is to have any more.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// The recording or part.
    pub id: Uuid,
    /// The object's key.
    pub object_key: String,
}

/// Objects of recordings that were deleted before `before`, at most `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn leftovers(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Leftover>, sqlx::Error> {
    sqlx::query_as!(
        Leftover,
        "SELECT id, object_key FROM recordings
         WHERE deleted_at <= $1 AND object_deleted_at IS NULL
         ORDER BY deleted_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// The object of a recording isn't there any more.
///
/// # Errors
/// Whatever the database answers.
pub async fn removed(pool: &PgPool, id: Uuid, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE recordings SET object_deleted_at = $2 WHERE id = $1", id, now)
        .execute(pool)
        .await?;
    Ok(())
}
