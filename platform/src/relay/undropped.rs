//! Cache keys that could not be dropped before their events were published, kept in Postgres: the
//! process that could not drop them may be gone when the cache is back.

use sqlx::{PgConnection, PgPool};

use crate::cache::{Cache, Dropped};

/// Most keys that are dropped in one transaction.
const KEYS_AT_ONCE: i64 = 1_000;

/// Notes keys in the transaction that marks their events as published.
pub(super) async fn note(tx: &mut PgConnection, keys: &[String]) -> Result<(), sqlx::Error> {
    // In one order, so that two relays don't wait for each other.
    sqlx::query!(
        "INSERT INTO cache_undropped (key) SELECT DISTINCT key FROM unnest($1::text[]) AS key
         ORDER BY key ON CONFLICT DO NOTHING",
        keys,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Drops what is noted, if the cache can be reached.
pub(super) async fn drop_again(pool: &PgPool, cache: &Cache) -> Result<(), sqlx::Error> {
    loop {
        let mut tx = pool.begin().await?;
        let keys = sqlx::query_scalar!(
            "DELETE FROM cache_undropped WHERE key IN (
                 SELECT key FROM cache_undropped LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING key",
            KEYS_AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        if keys.is_empty() || cache.invalidate(&keys).await == Dropped::Later {
            return tx.rollback().await;
        }
        tx.commit().await?;
        tracing::info!(keys = keys.len(), "cache keys of an outage are dropped");
    }
}
