//! With whom transcripts are shared: people, and links.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Somebody who may read a meeting's transcript and minutes without taking part.
#[derive(Debug, Clone)]
pub struct ReaderRow {
    /// The row; later ones have greater ids.
    pub id: Uuid,
    /// The meeting.
    pub meeting_id: Uuid,
    /// Who it is.
    pub user_id: Uuid,
    /// Who shared it; nobody when the account is gone.
    pub shared_by: Option<Uuid>,
    /// When.
    pub shared_at: DateTime<Utc>,
}

/// A link to a meeting's transcript and minutes.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// The link.
    pub id: Uuid,
    /// The meeting.
    pub meeting_id: Uuid,
    /// Who made it; nobody when the account is gone.
    pub created_by: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it leads somewhere.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Lets people read; gives those who couldn't before.
///
/// # Errors
/// When the database fails.
pub async fn add_readers(
    tx: &mut PgConnection,
    meeting: Uuid,
    by: Uuid,
    users: &[Uuid],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let ids: Vec<Uuid> = users.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query_scalar!(
        "INSERT INTO share_reader (id, meeting_id, user_id, shared_by)
         SELECT id, $1, user_id, $2 FROM unnest($3::uuid[], $4::uuid[]) AS new (id, user_id)
         ON CONFLICT (meeting_id, user_id) DO NOTHING
         RETURNING user_id",
        meeting,
        by,
        &ids,
        users,
    )
    .fetch_all(tx)
    .await
}

/// Lets somebody read no more; whether they could.
///
/// # Errors
/// When the database fails.
pub async fn remove_reader(
    tx: &mut PgConnection,
    meeting: Uuid,
    user: Uuid,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM share_reader WHERE meeting_id = $1 AND user_id = $2",
        meeting,
        user,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many people a meeting's transcript is shared with.
///
/// # Errors
/// When the database fails.
pub async fn count_readers(tx: &mut PgConnection, meeting: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM share_reader WHERE meeting_id = $1"#,
        meeting,
    )
    .fetch_one(tx)
    .await
}

/// Which of these pairs of meeting and person are shared: the slices belong together by place.
///
/// # Errors
/// When the database fails.
pub async fn which(
    pool: &PgPool,
    meetings: &[Uuid],
    users: &[Uuid],
) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT r.meeting_id, r.user_id
         FROM unnest($1::uuid[], $2::uuid[]) AS asked (meeting_id, user_id)
         JOIN share_reader r USING (meeting_id, user_id)",
        meetings,
        users,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.meeting_id, row.user_id)).collect())
}

/// A page of the people whom a meeting's transcript is shared with, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn readers(
    pool: &PgPool,
    meeting: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ReaderRow>, sqlx::Error> {
    sqlx::query_as!(
        ReaderRow,
        "SELECT id, meeting_id, user_id, shared_by, shared_at FROM share_reader
         WHERE meeting_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        meeting,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// A page of what is shared with somebody, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn with(
    pool: &PgPool,
    user: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ReaderRow>, sqlx::Error> {
    sqlx::query_as!(
        ReaderRow,
        "SELECT id, meeting_id, user_id, shared_by, shared_at FROM share_reader
         WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        user,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Makes a link.
///
/// # Errors
/// When the database fails.
pub async fn add_link(
    tx: &mut PgConnection,
    id: Uuid,
    meeting: Uuid,
    by: Uuid,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<LinkRow, sqlx::Error> {
    sqlx::query_as!(
        LinkRow,
        "INSERT INTO share_link (id, meeting_id, created_by, token_hash, expires_at)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id, meeting_id, created_by, created_at, expires_at, revoked_at",
        id,
        meeting,
        by,
        token_hash,
        expires_at,
    )
    .fetch_one(tx)
    .await
}

/// How many links of a meeting lead somewhere now.
///
/// # Errors
/// When the database fails.
pub async fn count_links(tx: &mut PgConnection, meeting: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM share_link
           WHERE meeting_id = $1 AND revoked_at IS NULL AND expires_at > now()"#,
        meeting,
    )
    .fetch_one(tx)
    .await
}

/// The link with this id.
///
/// # Errors
/// When the database fails.
pub async fn link(pool: &PgPool, id: Uuid) -> Result<Option<LinkRow>, sqlx::Error> {
    sqlx::query_as!(
        LinkRow,
        "SELECT id, meeting_id, created_by, created_at, expires_at, revoked_at FROM share_link
         WHERE id = $1",
        id,
    )
    .fetch_optional(pool)
    .await
}

/// Revokes a link, if it isn't revoked yet, and gives it.
///
/// # Errors
/// When the database fails.
pub async fn revoke_link(pool: &PgPool, id: Uuid) -> Result<LinkRow, sqlx::Error> {
    sqlx::query_as!(
        LinkRow,
        "UPDATE share_link SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1
         RETURNING id, meeting_id, created_by, created_at, expires_at, revoked_at",
        id,
    )
    .fetch_one(pool)
    .await
}

/// The link with this hash, as long as it leads somewhere.
///
/// # Errors
/// When the database fails.
pub async fn open_link(pool: &PgPool, token_hash: &[u8]) -> Result<Option<LinkRow>, sqlx::Error> {
    sqlx::query_as!(
        LinkRow,
        "SELECT id, meeting_id, created_by, created_at, expires_at, revoked_at FROM share_link
         WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > now()",
        token_hash,
    )
    .fetch_optional(pool)
    .await
}

/// A page of a meeting's links, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn links(
    pool: &PgPool,
    meeting: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<LinkRow>, sqlx::Error> {
    sqlx::query_as!(
        LinkRow,
        "SELECT id, meeting_id, created_by, created_at, expires_at, revoked_at FROM share_link
         WHERE meeting_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        meeting,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Ends up to `limit` times that something is shared with somebody; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget_reader(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        "DELETE FROM share_reader
         WHERE id IN (SELECT id FROM share_reader WHERE user_id = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(gone.fetch_all(tx).await?.len())
}

/// Takes somebody's name off up to `limit` times that they shared with people; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget_sharer(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "UPDATE share_reader SET shared_by = NULL
         WHERE id IN (SELECT id FROM share_reader WHERE shared_by = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(named.fetch_all(tx).await?.len())
}

/// Takes somebody's name off up to `limit` links that they made; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget_creator(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "UPDATE share_link SET created_by = NULL
         WHERE id IN (SELECT id FROM share_link WHERE created_by = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(named.fetch_all(tx).await?.len())
}
