//! Whose account is deleted. An access token outlives its account by minutes: what is asked for with it
//! must leave nothing behind.
//!
//! Whoever writes something in the name of a person opens the transaction with [`begin`]; whoever hears of
//! people asks [`has_gone`] or [`gone_among`] first; whoever erases them calls [`note`] first. The one waits for the other,
//! so that what is written is either erased or refused.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

/// How long a departure is remembered, in seconds: longer than any access token is good for, and longer
/// than events are kept.
pub const REMEMBERED_S: f64 = 30.0 * 24.0 * 60.0 * 60.0;

/// Why nothing can be written in somebody's name.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Their account is deleted.
    #[error("this account doesn't exist any more")]
    Gone,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Opens the transaction of something that somebody asks for. Whoever erases them waits until it ends.
///
/// # Errors
/// [`BeginError::Gone`] when their account is deleted, as far as this service has heard.
pub async fn begin(
    pool: &PgPool,
    person: Uuid,
) -> Result<Transaction<'static, Postgres>, BeginError> {
    let mut tx = pool.begin().await?;
    match has_gone(&mut tx, person).await? {
        true => Err(BeginError::Gone),
        false => Ok(tx),
    }
}

/// Notes that somebody's account is deleted, and waits for those who are just writing something of them.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut PgConnection, person: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('departure:' || $1::uuid, 0)) AS "lock: ()""#,
        person,
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM departed WHERE noted_at < now() - make_interval(secs => $1)",
        REMEMBERED_S,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("INSERT INTO departed (person_id) VALUES ($1) ON CONFLICT DO NOTHING", person)
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether somebody's account is deleted, as far as this service has heard. If not, whoever erases them
/// waits until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn has_gone(tx: &mut PgConnection, person: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock_shared(hashtextextended('departure:' || $1::uuid, 0))
               AS "lock: ()""#,
        person,
    )
    .fetch_one(&mut *tx)
    .await?;
    let gone = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM departed WHERE person_id = $1) AS "gone!""#,
        person,
    );
    gone.fetch_one(tx).await
}

/// Those of these people whose accounts are deleted, as far as this service has heard. Whoever erases one of the
/// others waits until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn gone_among(tx: &mut PgConnection, people: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock_shared(hashtextextended('departure:' || person, 0))
               AS "lock: ()"
           FROM (SELECT DISTINCT unnest($1::uuid[]) AS person ORDER BY 1) AS people"#,
        people,
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query_scalar!("SELECT person_id FROM departed WHERE person_id = ANY($1)", people)
        .fetch_all(tx)
        .await
}
