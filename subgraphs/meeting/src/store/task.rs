//! The kernel's tasks as this service looks for them. Only the kernel writes them.

use sqlx::PgConnection;
use uuid::Uuid;

/// The unfinished tasks that somebody asked for, in the order of their ids.
///
/// # Errors
/// Whatever the database answers.
pub async fn open_of(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM tasks
         WHERE requested_by = $1 AND status IN ('PENDING', 'PROCESSING')
         ORDER BY id",
        user_id
    )
    .fetch_all(conn)
    .await
}
