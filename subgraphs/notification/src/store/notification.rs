//! Everybody's inbox.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::kind::Kind;

/// A notification as it stands in an inbox.
#[derive(Debug, Clone)]
pub struct NotificationRow {
    /// The notification.
    pub id: Uuid,
    /// Whose inbox.
    pub user_id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// What stands in its text.
    pub words: Value,
    /// The meeting that it is about.
    pub meeting_id: Option<Uuid>,
    /// The todo that it is about.
    pub todo_id: Option<Uuid>,
    /// The task that it is about.
    pub task_id: Option<Uuid>,
    /// Whom it is about, besides whom it is told.
    pub person_id: Option<Uuid>,
    /// Whether it stands in the inbox; else it was only sent.
    pub in_inbox: bool,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
}

/// What several people are told.
#[derive(Debug, Clone)]
pub struct News {
    /// What it is about.
    pub kind: Kind,
    /// The event that it comes from.
    pub event_id: Uuid,
    /// What stands in its text.
    pub words: Value,
    /// The meeting that it is about.
    pub meeting_id: Option<Uuid>,
    /// The todo that it is about.
    pub todo_id: Option<Uuid>,
    /// The task that it is about.
    pub task_id: Option<Uuid>,
    /// Whom it is about, besides whom it is told.
    pub person_id: Option<Uuid>,
}

/// Tells several people at once: those of `users` whose place in `in_inbox` says so find it in their
/// inbox. Whoever heard of that event before is left out. Gives what is new, in the order of the people.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut PgConnection,
    news: &News,
    users: &[Uuid],
    in_inbox: &[bool],
) -> Result<Vec<NotificationRow>, sqlx::Error> {
    let ids: Vec<Uuid> = users.iter().map(|_| Uuid::now_v7()).collect();
    let mut rows = sqlx::query_as!(
        NotificationRow,
        "INSERT INTO notification
             (id, user_id, in_inbox, kind, event_id, words, meeting_id, todo_id, task_id,
              person_id)
         SELECT new.id, new.user_id, new.in_inbox, $4, $5, $6, $7, $8, $9, $10
         FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS new (id, user_id, in_inbox)
         ON CONFLICT (event_id, user_id) DO NOTHING
         RETURNING id, user_id, kind, words, meeting_id, todo_id, task_id, person_id, in_inbox,
                   created_at, read_at",
        &ids,
        users,
        in_inbox,
        news.kind.as_str(),
        news.event_id,
        news.words,
        news.meeting_id,
        news.todo_id,
        news.task_id,
        news.person_id,
    )
    .fetch_all(tx)
    .await?;
    rows.sort_unstable_by_key(|row| row.user_id);
    Ok(rows)
}

/// The notifications with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<NotificationRow>, sqlx::Error> {
    sqlx::query_as!(
        NotificationRow,
        "SELECT id, user_id, kind, words, meeting_id, todo_id, task_id, person_id, in_inbox, created_at,
                read_at
         FROM notification WHERE id = ANY($1)",
        ids,
    )
    .fetch_all(pool)
    .await
}

/// A page of somebody's inbox, newest first: all of it, or what is (not) read, or of these kinds.
///
/// # Errors
/// When the database fails.
pub async fn inbox(
    pool: &PgPool,
    user: Uuid,
    is_read: Option<bool>,
    kinds: Option<&[Kind]>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<NotificationRow>, sqlx::Error> {
    let kinds: Option<Vec<&str>> =
        kinds.map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect());
    sqlx::query_as!(
        NotificationRow,
        "SELECT id, user_id, kind, words, meeting_id, todo_id, task_id, person_id, in_inbox, created_at,
                read_at
         FROM notification WHERE user_id = $1 AND in_inbox AND ($2::uuid IS NULL OR id < $2)
           AND ($4::boolean IS NULL OR (read_at IS NOT NULL) = $4)
           AND ($5::text[] IS NULL OR kind = ANY($5))
         ORDER BY id DESC LIMIT $3",
        user,
        after,
        limit,
        is_read,
        kinds.as_deref() as Option<&[&str]>,
    )
    .fetch_all(pool)
    .await
}

/// How many notifications somebody hasn't read.
///
/// # Errors
/// When the database fails.
pub async fn unread(pool: &PgPool, user: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM notification
           WHERE user_id = $1 AND in_inbox AND read_at IS NULL"#,
        user,
    )
    .fetch_one(pool)
    .await
}

/// Notes that somebody has read these of their notifications, or all of them; those that were read
/// before stay as they are. Returns how many were unread.
///
/// # Errors
/// When the database fails.
pub async fn mark_read(
    tx: &mut PgConnection,
    user: Uuid,
    ids: Option<&[Uuid]>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE notification SET read_at = now()
         WHERE user_id = $1 AND read_at IS NULL AND ($2::uuid[] IS NULL OR id = ANY($2))",
        user,
        ids,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes up to `limit` notifications of somebody; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, user: Uuid, limit: i64) -> Result<usize, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        "DELETE FROM notification
         WHERE id IN (SELECT id FROM notification WHERE user_id = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(gone.fetch_all(tx).await?.len())
}
