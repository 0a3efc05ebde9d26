//! Sessions and their rotating refresh tokens.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A refresh token and its session, locked for the running transaction.
#[derive(Debug)]
pub struct TokenRow {
    /// The session (family) it belongs to.
    pub session_id: Uuid,
    /// Whose session it is.
    pub user_id: Uuid,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was exchanged.
    pub used_at: Option<DateTime<Utc>>,
    /// When its session was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Opens a session, and forgets the user's sessions that can't be used any more.
///
/// # Errors
/// Whatever the database answers.
pub async fn open(conn: &mut PgConnection, id: Uuid, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM sessions s
         WHERE s.user_id = $1
           AND NOT EXISTS (SELECT 1 FROM refresh_tokens t
                           WHERE t.session_id = s.id AND t.expires_at > now())",
        user_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("INSERT INTO sessions (id, user_id) VALUES ($1, $2)", id, user_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds a refresh token to a session.
///
/// # Errors
/// Whatever the database answers.
pub async fn add_token(
    conn: &mut PgConnection,
    session_id: Uuid,
    hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)",
        hash,
        session_id,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds a token by its hash and locks its session until the transaction ends,
/// so that the same token can't be exchanged twice at once.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock_token(
    conn: &mut PgConnection,
    hash: &[u8],
) -> Result<Option<TokenRow>, sqlx::Error> {
    // The session first: a row read before the lock was granted could be old.
    let session = sqlx::query_scalar!(
        "SELECT s.id FROM sessions s
         WHERE s.id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1)
         FOR UPDATE",
        hash
    )
    .fetch_optional(&mut *conn)
    .await?;
    if session.is_none() {
        return Ok(None);
    }
    sqlx::query_as!(
        TokenRow,
        "SELECT t.session_id, s.user_id, t.expires_at, t.used_at, s.revoked_at
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
         WHERE t.token_hash = $1",
        hash
    )
    .fetch_optional(conn)
    .await
}

/// Whether a session goes on; it does then until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock(conn: &mut PgConnection, session_id: Uuid) -> Result<bool, sqlx::Error> {
    let open = sqlx::query_scalar!(
        "SELECT id FROM sessions WHERE id = $1 AND revoked_at IS NULL FOR UPDATE",
        session_id
    );
    Ok(open.fetch_optional(conn).await?.is_some())
}

/// Marks a token as exchanged.
///
/// # Errors
/// Whatever the database answers.
pub async fn mark_used(conn: &mut PgConnection, hash: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE refresh_tokens SET used_at = now() WHERE token_hash = $1", hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a session: none of its tokens is accepted any more.
///
/// # Errors
/// Whatever the database answers.
pub async fn revoke(conn: &mut PgConnection, session_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1",
        session_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends all sessions of somebody.
///
/// # Errors
/// Whatever the database answers.
pub async fn revoke_all(conn: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL",
        user_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the session that a token belongs to; nothing happens when it is unknown.
///
/// # Errors
/// Whatever the database answers.
pub async fn revoke_by_token(pool: &PgPool, hash: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions SET revoked_at = coalesce(revoked_at, now())
         WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1)",
        hash
    )
    .execute(pool)
    .await?;
    Ok(())
}
