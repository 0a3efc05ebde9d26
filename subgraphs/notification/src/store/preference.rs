//! What people chose to hear of by which way.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::way::Way;

/// A choice that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Who chose.
    pub user_id: Uuid,
    /// Of what: the name of a [`Kind`](crate::domain::kind::Kind).
    pub kind: String,
    /// By which way: the name of a [`Way`].
    pub channel: String,
    /// Whether they want to hear of it.
    pub is_on: bool,
}

impl Choice {
    /// Who chose which way, and whether it is on; `None` for a way of a newer version.
    #[must_use]
    pub fn parts(&self) -> Option<(Uuid, Way, bool)> {
        Some((self.user_id, Way::named(&self.channel)?, self.is_on))
    }
}

/// What these people chose for a kind.
///
/// # Errors
/// When the database fails.
pub async fn of_kind(
    tx: &mut PgConnection,
    kind: &str,
    users: &[Uuid],
) -> Result<Vec<Choice>, sqlx::Error> {
    sqlx::query_as!(
        Choice,
        "SELECT * FROM preference WHERE kind = $1 AND user_id = ANY($2)",
        kind,
        users,
    )
    .fetch_all(tx)
    .await
}

/// All that somebody chose.
///
/// # Errors
/// When the database fails.
pub async fn of_user(pool: &PgPool, user: Uuid) -> Result<Vec<Choice>, sqlx::Error> {
    sqlx::query_as!(Choice, "SELECT * FROM preference WHERE user_id = $1", user)
        .fetch_all(pool)
        .await
}

/// Notes choices of one person, all or none; the slices belong together by place and name each kind and
/// channel once.
///
/// # Errors
/// When the database fails.
pub async fn put(
    tx: &mut PgConnection,
    user: Uuid,
    kinds: &[String],
    channels: &[String],
    is_on: &[bool],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO preference (user_id, kind, channel, is_on)
         SELECT $1, chosen.kind, chosen.channel, chosen.is_on
         FROM unnest($2::text[], $3::text[], $4::boolean[]) AS chosen (kind, channel, is_on)
         ORDER BY chosen.kind, chosen.channel
         ON CONFLICT (user_id, kind, channel) DO UPDATE SET is_on = EXCLUDED.is_on",
        user,
        kinds,
        channels,
        is_on,
    )
    .execute(tx)
    .await?;
    Ok(())
}
