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
    url: &str,
    secret: &str,
) -> Result<WebhookRow, sqlx::Error> {
    sqlx::query_as!(
        WebhookRow,
        "INSERT INTO webhook (user_id, url, secret) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET
             url = EXCLUDED.url, secret = EXCLUDED.secret, created_at = now()
         RETURNING url, created_at",
        user,
        url,
        secret,
    )
    .fetch_one(tx)
    .await
}

/// Ends that somebody's notifications are sent to this address; false when they aren't.
///
/// # Errors
/// When the database fails.
pub async fn remove(pool: &PgPool, user: Uuid, url: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM webhook WHERE user_id = $1 AND url = $2", user, url)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() > 0)
}
