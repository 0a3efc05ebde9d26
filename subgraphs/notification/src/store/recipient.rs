//! The address book.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// How somebody is reached.
#[derive(Debug, Clone)]
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
}

/// Notes how somebody is reached since.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut PgConnection, known: &Recipient) -> Result<(), sqlx::Error> {
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
    sqlx::query_as!(Recipient, "SELECT * FROM recipient WHERE user_id = $1", user)
        .fetch_optional(pool)
        .await
}

/// Those of these people who can be reached.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(tx: &mut PgConnection, users: &[Uuid]) -> Result<Vec<Recipient>, sqlx::Error> {
    sqlx::query_as!(Recipient, "SELECT * FROM recipient WHERE user_id = ANY($1)", users)
        .fetch_all(tx)
        .await
}

/// Erases somebody: address and inbox.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM notification WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM recipient WHERE user_id = $1", user).execute(tx).await?;
    Ok(())
}
