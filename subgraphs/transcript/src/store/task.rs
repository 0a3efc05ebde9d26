//! The kernel's tasks as this service looks for them. Only the kernel writes them.

use sqlx::PgConnection;
use uuid::Uuid;

/// A meeting's unfinished transcriptions of other recordings than the one with this `dedupe_key`.
///
/// # Errors
/// When the database fails.
pub async fn open_transcriptions_but(
    tx: &mut PgConnection,
    meeting: Uuid,
    kind: &str,
    dedupe_key: &str,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM tasks
         WHERE ordering_key = $1 AND kind = $2 AND status IN ('PENDING', 'PROCESSING')
           AND dedupe_key IS DISTINCT FROM $3
         ORDER BY id",
        meeting,
        kind,
        dedupe_key,
    )
    .fetch_all(tx)
    .await
}
