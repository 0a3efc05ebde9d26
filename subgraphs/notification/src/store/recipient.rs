//! The address book.

use std::fmt;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// How somebody is reached.
#[derive(Clone)]
pub struct Recipient {
    /// Who it is.
    pub user_id: Uuid,
    /// Email address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Language tag.
    pub locale: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Telephone number in international form.
    pub phone: Option<String>,
    /// Where they have notifications sent to.
    pub webhook_url: Option<String>,
    /// What signs what is sent there.
    pub webhook_secret: Option<String>,
}

impl fmt::Debug for Recipient {
    /// Only who it is: the rest is personal, or secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// What a person's own service tells of them.
#[derive(Debug, Clone)]
pub struct Profile<'a> {
    /// Who it is.
    pub user_id: Uuid,
    /// Email address.
    pub email: &'a str,
    /// Display name.
    pub name: &'a str,
    /// Language tag.
    pub locale: &'a str,
    /// IANA time zone.
    pub time_zone: &'a str,
    /// Telephone number in international form.
    pub phone: Option<&'a str>,
}

/// Notes how somebody is reached since.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut PgConnection, known: &Profile<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO recipient (user_id, email, name, locale, time_zone, phone)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id) DO UPDATE SET
             email = EXCLUDED.email, name = EXCLUDED.name, locale = EXCLUDED.locale,
             time_zone = EXCLUDED.time_zone, phone = EXCLUDED.phone",
        known.user_id,
        known.email,
        known.name,
        known.locale,
        known.time_zone,
        known.phone,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How somebody is reached; `None` when nobody has told, or the account is deleted.
///
/// # Errors
/// When the database fails.
pub async fn by_id(pool: &PgPool, user: Uuid) -> Result<Option<Recipient>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    Ok(by_ids(&mut connection, &[user]).await?.pop())
}

/// Those of these people who can be reached.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(tx: &mut PgConnection, users: &[Uuid]) -> Result<Vec<Recipient>, sqlx::Error> {
    sqlx::query_as!(
        Recipient,
        r#"SELECT r.*, w.url AS "webhook_url?", w.secret AS "webhook_secret?"
           FROM recipient r LEFT JOIN webhook w USING (user_id) WHERE r.user_id = ANY($1)"#,
        users,
    )
    .fetch_all(tx)
    .await
}

/// Everybody in the address book, in the order of their ids, behind `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn after(
    pool: &PgPool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT user_id FROM recipient WHERE $1::uuid IS NULL OR user_id > $1
         ORDER BY user_id LIMIT $2",
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Forgets how somebody is reached: address, webhook and choices.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM preference WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM webhook WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM recipient WHERE user_id = $1", user).execute(tx).await?;
    Ok(())
}
