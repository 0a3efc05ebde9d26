//! Speakers: voices in a recording, as people name them.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A voice in a recording.
#[derive(Debug, Clone)]
pub struct SpeakerRow {
    /// The speaker.
    pub id: Uuid,
    /// The transcript that it belongs to.
    pub transcript_id: Uuid,
    /// The meeting that it belongs to.
    pub meeting_id: Uuid,
    /// What people call it.
    pub label: String,
    /// Whose voice it is.
    pub user_id: Option<Uuid>,
    /// Rises with every change by a person.
    pub version: i32,
}

/// A speaker that is to be added.
#[derive(Debug)]
pub struct NewSpeaker<'a> {
    /// Its new id.
    pub id: Uuid,
    /// The transcript that it belongs to.
    pub transcript_id: Uuid,
    /// What people call it.
    pub label: &'a str,
    /// Whose voice it is.
    pub user_id: Option<Uuid>,
}

/// Adds a speaker.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut PgConnection, new: NewSpeaker<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO speaker (id, transcript_id, label, user_id) VALUES ($1, $2, $3, $4)",
        new.id,
        new.transcript_id,
        new.label,
        new.user_id,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes what a speaker is called, whose voice it is, and the version. Hold the meeting's ordering key.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut PgConnection, row: &SpeakerRow) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE speaker SET label = $2, user_id = $3, version = $4 WHERE id = $1",
        row.id,
        row.label,
        row.user_id,
        row.version,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The speaker with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id(pool: &PgPool, id: Uuid) -> Result<Option<SpeakerRow>, sqlx::Error> {
    sqlx::query_as!(
        SpeakerRow,
        "SELECT v.id, v.transcript_id, t.meeting_id, v.label, v.user_id, v.version
         FROM speaker v JOIN transcript t ON t.id = v.transcript_id WHERE v.id = $1",
        id,
    )
    .fetch_optional(pool)
    .await
}

/// The speakers of these transcripts, in the order in which they were added.
///
/// # Errors
/// When the database fails.
pub async fn of_transcripts(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<SpeakerRow>, sqlx::Error> {
    sqlx::query_as!(
        SpeakerRow,
        "SELECT v.id, v.transcript_id, t.meeting_id, v.label, v.user_id, v.version
         FROM speaker v JOIN transcript t ON t.id = v.transcript_id
         WHERE v.transcript_id = ANY($1) ORDER BY v.id",
        ids,
    )
    .fetch_all(pool)
    .await
}

/// The speakers of a transcript as the transaction sees them.
///
/// # Errors
/// When the database fails.
pub async fn of(tx: &mut PgConnection, id: Uuid) -> Result<Vec<SpeakerRow>, sqlx::Error> {
    sqlx::query_as!(
        SpeakerRow,
        "SELECT v.id, v.transcript_id, t.meeting_id, v.label, v.user_id, v.version
         FROM speaker v JOIN transcript t ON t.id = v.transcript_id
         WHERE v.transcript_id = $1 ORDER BY v.id",
        id,
    )
    .fetch_all(tx)
    .await
}

/// Takes somebody off up to `limit` voices that were said to be theirs; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut PgConnection, user: Uuid, limit: i64) -> Result<usize, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "UPDATE speaker SET user_id = NULL
         WHERE id IN (SELECT id FROM speaker WHERE user_id = $1 LIMIT $2) RETURNING id",
        user,
        limit,
    );
    Ok(named.fetch_all(tx).await?.len())
}
