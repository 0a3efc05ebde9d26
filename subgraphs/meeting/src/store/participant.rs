//! Who takes part in which meeting.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use platform::search::escape_like;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{response::Response, role::Role, status::Status};

/// Somebody who takes part in a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantRecord {
    /// Who it is.
    pub user_id: Uuid,
    /// What they are there.
    pub role: Role,
    /// What they answered to the invitation, as it stands in the database.
    #[serde(default)]
    pub response: Response,
    /// When they answered it last.
    #[serde(default)]
    pub responded_at: Option<DateTime<Utc>>,
}

impl ParticipantRecord {
    /// Whether they come.
    #[must_use]
    pub fn comes(&self) -> Response {
        self.response.of(self.role)
    }
}

/// Writes the participants of a new meeting: the host, then the attendees in order.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    host_id: Uuid,
    attendees: &[Uuid],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = std::iter::once(host_id).chain(attendees.iter().copied()).collect();
    sqlx::query!(
        "INSERT INTO participants (meeting_id, user_id, role, ordinal)
         SELECT $1, user_id, CASE WHEN ordinal = 1 THEN 'HOST' ELSE 'ATTENDEE' END, ordinal - 1
         FROM unnest($2::uuid[]) WITH ORDINALITY AS given (user_id, ordinal)",
        meeting_id,
        &ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds attendees behind those who are there; gives those who weren't.
///
/// # Errors
/// Whatever the database answers.
pub async fn add(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    attendees: &[Uuid],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO participants (meeting_id, user_id, role, ordinal)
         SELECT $1, user_id, 'ATTENDEE',
                (SELECT coalesce(max(ordinal), 0) FROM participants WHERE meeting_id = $1) + place
         FROM unnest($2::uuid[]) WITH ORDINALITY AS given (user_id, place)
         ON CONFLICT DO NOTHING
         RETURNING user_id",
        meeting_id,
        attendees
    )
    .fetch_all(conn)
    .await
}

/// Takes somebody out; gives what they were, `None` when they didn't take part.
///
/// # Errors
/// Whatever the database answers.
pub async fn remove(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    user_id: Uuid,
) -> Result<Option<Role>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"DELETE FROM participants WHERE meeting_id = $1 AND user_id = $2
           RETURNING role AS "role: Role""#,
        meeting_id,
        user_id
    )
    .fetch_optional(conn)
    .await
}

/// Makes somebody who takes part the host.
///
/// # Errors
/// Whatever the database answers.
pub async fn lead(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    user_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE participants SET role = 'HOST' WHERE meeting_id = $1 AND user_id = $2",
        meeting_id,
        user_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what somebody answers to the invitation, unless that is what they had answered; gives whether
/// it is news.
///
/// # Errors
/// Whatever the database answers.
pub async fn respond(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    user_id: Uuid,
    response: Response,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE participants SET response = $3, responded_at = now()
         WHERE meeting_id = $1 AND user_id = $2 AND response <> $3",
        meeting_id,
        user_id,
        response.as_str()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The first meetings that somebody takes part in, in the order of their ids, at most `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn first_meetings_of(
    conn: &mut PgConnection,
    user_id: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT meeting_id FROM participants WHERE user_id = $1 ORDER BY meeting_id LIMIT $2",
        user_id,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The participants of these meetings, host first; a meeting that doesn't exist is left out.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_meetings(
    pool: &PgPool,
    meeting_ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<ParticipantRecord>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT meeting_id, user_id, role AS "role: Role", response AS "response: Response",
                  responded_at
           FROM participants WHERE meeting_id = ANY($1)
           ORDER BY meeting_id, ordinal"#,
        meeting_ids
    )
    .fetch_all(pool)
    .await?;
    let mut found: HashMap<Uuid, Vec<ParticipantRecord>> = HashMap::new();
    for row in rows {
        let participant = ParticipantRecord {
            user_id: row.user_id,
            role: row.role,
            response: row.response,
            responded_at: row.responded_at,
        };
        found.entry(row.meeting_id).or_default().push(participant);
    }
    Ok(found)
}

/// What this user is in a meeting; `None` for outsiders.
///
/// # Errors
/// Whatever the database answers.
pub async fn role_of(
    conn: &mut PgConnection,
    meeting_id: Uuid,
    user_id: Uuid,
) -> Result<Option<Role>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT role AS "role: Role" FROM participants WHERE meeting_id = $1 AND user_id = $2"#,
        meeting_id,
        user_id
    )
    .fetch_optional(conn)
    .await
}

/// Everybody who takes part in a meeting, host first.
///
/// # Errors
/// Whatever the database answers.
pub async fn ids_of(conn: &mut PgConnection, meeting_id: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT user_id FROM participants WHERE meeting_id = $1 ORDER BY ordinal",
        meeting_id
    )
    .fetch_all(conn)
    .await
}

/// Which of somebody's meetings are meant. Everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// In one of these states.
    pub statuses: Option<Vec<Status>>,
    /// In which the user has this role.
    pub role: Option<Role>,
    /// Planned for this moment or later.
    pub scheduled_from: Option<DateTime<Utc>>,
    /// Planned for before this moment.
    pub scheduled_before: Option<DateTime<Utc>>,
    /// With this in their title, however it is written.
    pub title: Option<&'a str>,
}

/// The wanted ones of the meetings that a user takes part in, newest first, older than `after`, at most
/// `limit`.
///
/// # Errors
/// Whatever the database answers.
pub async fn meetings_of(
    pool: &PgPool,
    user_id: Uuid,
    wanted: &Wanted<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    if *wanted == Wanted::default() {
        // By far the most frequent: the index has all of it.
        return sqlx::query_scalar!(
            "SELECT meeting_id FROM participants
             WHERE user_id = $1 AND ($2::uuid IS NULL OR meeting_id < $2)
             ORDER BY meeting_id DESC
             LIMIT $3",
            user_id,
            after,
            limit
        )
        .fetch_all(pool)
        .await;
    }
    let statuses = wanted.statuses.as_ref();
    let statuses: Option<Vec<&str>> =
        statuses.map(|statuses| statuses.iter().map(|status| status.as_str()).collect());
    sqlx::query_scalar!(
        "SELECT p.meeting_id FROM participants p JOIN meetings m ON m.id = p.meeting_id
         WHERE p.user_id = $1 AND ($2::uuid IS NULL OR p.meeting_id < $2)
           AND ($4::text[] IS NULL OR m.status = ANY($4))
           AND ($5::text IS NULL OR p.role = $5)
           AND ($6::timestamptz IS NULL OR m.scheduled_at >= $6)
           AND ($7::timestamptz IS NULL OR m.scheduled_at < $7)
           AND ($8::text IS NULL
                OR normalize(lower(m.title), NFD) LIKE '%' || normalize(lower($8), NFD) || '%')
         ORDER BY p.meeting_id DESC
         LIMIT $3",
        user_id,
        after,
        limit,
        statuses.as_deref() as Option<&[&str]>,
        wanted.role.map(Role::as_str),
        wanted.scheduled_from,
        wanted.scheduled_before,
        wanted.title.map(escape_like),
    )
    .fetch_all(pool)
    .await
}
