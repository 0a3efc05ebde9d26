//! Where people have notifications sent to.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Where somebody has notifications sent to, without its secret.
#[derive(Debug, Clone)]
pub struct WebhookRow {
    /// The address.
    pub url: String,
    /// When it was set up.
    pub created_at: DateTime<Utc>,
}

/// Where somebody has notifications sent to.
///
/// # Errors
/// When the database fails.
pub async fn of_user(pool: &PgPool, user: Uuid) -> Result<Option<WebhookRow>, sqlx::Error> {
    sqlx::query_as!(WebhookRow, "SELECT url, created_at FROM webhook WHERE user_id = $1", user)
        .fetch_optional(pool)
        .await
}

/// Sends somebody's notifications to this address from now on.
///
/// # Errors
/// When the database fails.
pub async fn put(
    tx: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    url: &str,
    secret: &str,
) -> Result<WebhookRow, sqlx::Error> {
    sqlx::query_as!(
        WebhookRow,
        "INSERT INTO webhook (user_id, id, url, secret) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE SET
             id = EXCLUDED.id, url = EXCLUDED.url, secret = EXCLUDED.secret, created_at = now()
         RETURNING url, created_at",
        user,
        id,
        url,
        secret,
    )
    .fetch_one(tx)
    .await
}

/// The secret of somebody's webhook, if it is still this one.
///
/// # Errors
/// When the database fails.
pub async fn secret(
    tx: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT secret FROM webhook WHERE user_id = $1 AND id = $2", user, id)
        .fetch_optional(tx)
        .await
}

/// Ends that somebody's notifications are sent to this address; false when they aren't.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut PgConnection, user: Uuid, url: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM webhook WHERE user_id = $1 AND url = $2", user, url)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}
