//! Accounts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use platform::search::escape_like;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::role::{Role, Standing};

/// An account as others may see it, plus the address that only its owner sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The user's id.
    pub id: Uuid,
    /// Normalised email address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Language tag, `ko…` or `en…`.
    pub locale: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Telephone number in international form.
    #[serde(default)]
    pub phone: Option<String>,
    /// Roles for the access token.
    pub roles: Vec<String>,
    /// Rises with every change.
    pub version: i32,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
    /// When an administrator shut it; `None`: it is open.
    #[serde(default)]
    pub disabled_at: Option<DateTime<Utc>>,
}

impl UserRecord {
    /// The version as the cache compares it.
    #[must_use]
    pub fn cached_version(&self) -> u64 {
        self.version.unsigned_abs().into()
    }

    /// What it may do.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing { roles: self.roles.clone(), is_disabled: self.disabled_at.is_some() }
    }

    /// Whether it has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.standing().roles().any(|had| had == role)
    }
}

/// What is written when somebody registers.
pub struct NewUser<'a> {
    /// The user's id.
    pub id: Uuid,
    /// Normalised email address.
    pub email: &'a str,
    /// Display name.
    pub name: &'a str,
    /// Language tag.
    pub locale: &'a str,
    /// IANA time zone.
    pub time_zone: &'a str,
    /// PHC string.
    pub password_hash: &'a str,
}

/// Opens an account. `None` when the address is taken.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(
    conn: &mut PgConnection,
    user: &NewUser<'_>,
) -> Result<Option<UserRecord>, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        "INSERT INTO users (id, email, name, locale, time_zone, password_hash)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (email) DO NOTHING
         RETURNING id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at",
        user.id,
        user.email,
        user.name,
        user.locale,
        user.time_zone,
        user.password_hash,
    )
    .fetch_optional(conn)
    .await
}

/// Is there an account with this normalised address?
///
/// # Errors
/// Whatever the database answers.
pub async fn email_taken(pool: &PgPool, email: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM users WHERE email = $1) AS "taken!""#,
        email
    )
    .fetch_one(pool)
    .await
}

/// The account's id and password hash by its normalised address.
///
/// # Errors
/// Whatever the database answers.
pub async fn credentials(
    pool: &PgPool,
    email: &str,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    let row = sqlx::query!("SELECT id, password_hash FROM users WHERE email = $1", email)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| (row.id, row.password_hash)))
}

/// Whether this is still the account's password hash; it stays so until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn still_has_hash(
    conn: &mut PgConnection,
    id: Uuid,
    hash: &str,
) -> Result<bool, sqlx::Error> {
    let now = sqlx::query_scalar!("SELECT password_hash FROM users WHERE id = $1 FOR SHARE", id)
        .fetch_optional(conn)
        .await?;
    Ok(now.as_deref() == Some(hash))
}

/// Gives an account another password, if it still has the one of `before`; `false` otherwise.
///
/// # Errors
/// Whatever the database answers.
pub async fn change_hash(
    conn: &mut PgConnection,
    id: Uuid,
    before: &str,
    hash: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE users SET password_hash = $3, updated_at = now()
         WHERE id = $1 AND password_hash = $2",
        id,
        before,
        hash
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The accounts with these ids; unknown ids are left out.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<HashMap<Uuid, UserRecord>, sqlx::Error> {
    let rows = sqlx::query_as!(
        UserRecord,
        "SELECT id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at
         FROM users WHERE id = ANY($1)",
        ids
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|user| (user.id, user)).collect())
}

/// One account.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserRecord>, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        "SELECT id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at
         FROM users WHERE id = $1",
        id
    )
    .fetch_optional(conn)
    .await
}

/// Reads an account and locks it until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserRecord>, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        "SELECT id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at
         FROM users WHERE id = $1 FOR UPDATE",
        id
    )
    .fetch_optional(conn)
    .await
}

/// Writes what can change of a profile, one version higher. Lock it first.
///
/// # Errors
/// Whatever the database answers.
pub async fn update(conn: &mut PgConnection, user: &UserRecord) -> Result<UserRecord, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        "UPDATE users SET name = $2, locale = $3, time_zone = $4, phone = $5,
                version = version + 1, updated_at = now()
         WHERE id = $1
         RETURNING id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at",
        user.id,
        user.name,
        user.locale,
        user.time_zone,
        user.phone,
    )
    .fetch_one(conn)
    .await
}

/// The ids of open accounts that administer, in order, locked until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock_admins(conn: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE roles <> '{}' AND roles @> '{ADMIN}' AND disabled_at IS NULL
         ORDER BY id FOR UPDATE"
    )
    .fetch_all(conn)
    .await
}

/// The account with this normalised address.
///
/// # Errors
/// Whatever the database answers.
pub async fn id_by_email(
    conn: &mut PgConnection,
    email: &str,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM users WHERE email = $1", email).fetch_optional(conn).await
}

/// What these accounts may do; those that don't exist are left out.
///
/// # Errors
/// Whatever the database answers.
pub async fn standings(
    pool: &PgPool,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Standing>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, roles, disabled_at IS NOT NULL AS "is_disabled!"
           FROM users WHERE id = ANY($1)"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    let standing = |roles, is_disabled| Standing { roles, is_disabled };
    Ok(rows.into_iter().map(|row| (row.id, standing(row.roles, row.is_disabled))).collect())
}

/// Writes the roles of an account and whether it is shut, one version higher. Lock it first.
///
/// # Errors
/// Whatever the database answers.
pub async fn write_standing(
    conn: &mut PgConnection,
    user: &UserRecord,
) -> Result<UserRecord, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        "UPDATE users SET roles = $2, disabled_at = $3, version = version + 1, updated_at = now()
         WHERE id = $1
         RETURNING id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at",
        user.id,
        &user.roles,
        user.disabled_at,
    )
    .fetch_one(conn)
    .await
}

/// All accounts, or those that match: whose name contains `text` or whose address begins with it, with
/// this role, shut or open; newest first, older than `after`, at most `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn list(
    pool: &PgPool,
    text: Option<&str>,
    role: Option<&str>,
    is_disabled: Option<bool>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<UserRecord>, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        r"SELECT id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at
          FROM users
          WHERE ($1::text IS NULL
                 OR normalize(lower(name), NFD) LIKE '%' || normalize(lower($1), NFD) || '%'
                 OR email LIKE lower($1) || '%')
            AND ($2::text IS NULL OR (roles <> '{}' AND roles @> ARRAY[$2]))
            AND ($3::boolean IS NULL OR (disabled_at IS NOT NULL) = $3)
            AND ($4::uuid IS NULL OR id < $4)
          ORDER BY id DESC
          LIMIT $5",
        text.map(escape_like),
        role,
        is_disabled,
        after,
        limit
    )
    .fetch_all(pool)
    .await
}

/// Deletes an account with its sessions; `false` when there was none.
///
/// # Errors
/// Whatever the database answers.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM users WHERE id = $1", id).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Whether the database's time zone data has a zone of this name.
///
/// # Errors
/// Whatever the database answers.
pub async fn knows_time_zone(pool: &PgPool, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pg_timezone_names WHERE name = $1) AS "known!""#,
        name
    )
    .fetch_one(pool)
    .await
}

/// Which of these ids belong to accounts.
///
/// # Errors
/// Whatever the database answers.
pub async fn existing(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM users WHERE id = ANY($1)", ids).fetch_all(pool).await
}

/// Accounts whose name contains `text` (any case, composed or decomposed
/// Hangul) or whose address is exactly `text`; by name, then id, after the
/// account `after`, at most `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn search(
    pool: &PgPool,
    text: &str,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<UserRecord>, sqlx::Error> {
    sqlx::query_as!(
        UserRecord,
        r"SELECT id, email, name, locale, time_zone, phone, roles, version, created_at,
                disabled_at
          FROM users
          WHERE (normalize(lower(name), NFD) LIKE '%' || normalize(lower($1), NFD) || '%'
                 OR email = lower($2))
            AND ($3::uuid IS NULL
                 OR (name, id) > (SELECT name, id FROM users WHERE id = $3))
          ORDER BY name, id
          LIMIT $4",
        escape_like(text),
        text,
        after,
        limit
    )
    .fetch_all(pool)
    .await
}
