//! Meetings.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::domain::{status::Status, template::Outline};

/// A meeting as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingRecord {
    /// The meeting's id.
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// What it is to be about.
    pub agenda: Option<String>,
    /// Spoken language; `None`: to be detected.
    pub language: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Who leads it.
    pub host_id: Uuid,
    /// Which template its minutes follow.
    pub template_id: Uuid,
    /// When it is planned.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The recording it ended with.
    pub recording_id: Option<Uuid>,
    /// Rises with every change.
    pub version: i32,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When all sections of its minutes were verified.
    #[serde(default)]
    pub minutes_verified_at: Option<DateTime<Utc>>,
    /// When its minutes were last shared.
    #[serde(default)]
    pub minutes_shared_at: Option<DateTime<Utc>>,
    /// How many of its todos are done.
    #[serde(default)]
    pub todo_done: i32,
    /// How many todos it has: open, in progress or done.
    #[serde(default)]
    pub todo_total: i32,
    /// What it keeps of the template of somebody's own that it follows; `None`: a built-in one.
    #[serde(default)]
    pub template: Option<Json<Outline>>,
}

impl MeetingRecord {
    /// The version as the cache compares it.
    #[must_use]
    pub fn cached_version(&self) -> u64 {
        self.version.unsigned_abs().into()
    }
}

/// What is written when a meeting is created.
#[derive(Debug)]
pub struct NewMeeting<'a> {
    /// The meeting's id.
    pub id: Uuid,
    /// Its title.
    pub title: &'a str,
    /// What it is to be about.
    pub agenda: Option<&'a str>,
    /// Spoken language.
    pub language: Option<&'a str>,
    /// Who leads it.
    pub host_id: Uuid,
    /// Which template its minutes follow.
    pub template_id: Uuid,
    /// What it keeps of that template, if it isn't a built-in one.
    pub template: Option<&'a Outline>,
    /// When it is planned.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// Writes a new meeting.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(
    conn: &mut PgConnection,
    meeting: &NewMeeting<'_>,
) -> Result<MeetingRecord, sqlx::Error> {
    sqlx::query_as!(
        MeetingRecord,
        r#"INSERT INTO meetings (id, title, agenda, language, host_id, template_id, scheduled_at,
                                 template)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           RETURNING id, title, agenda, language, status AS "status: Status", host_id,
                     template_id, scheduled_at, started_at, ended_at, recording_id, version,
                     created_at, minutes_verified_at, minutes_shared_at, todo_done, todo_total,
                     template AS "template: Json<Outline>""#,
        meeting.id,
        meeting.title,
        meeting.agenda,
        meeting.language,
        meeting.host_id,
        meeting.template_id,
        meeting.scheduled_at,
        meeting.template.map(Json) as _,
    )
    .fetch_one(conn)
    .await
}

/// Reads a meeting and locks it until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<MeetingRecord>, sqlx::Error> {
    sqlx::query_as!(
        MeetingRecord,
        r#"SELECT id, title, agenda, language, status AS "status: Status", host_id, template_id,
                  scheduled_at, started_at, ended_at, recording_id, version, created_at,
                  minutes_verified_at, minutes_shared_at, todo_done, todo_total,
                  template AS "template: Json<Outline>"
           FROM meetings WHERE id = $1 FOR UPDATE"#,
        id
    )
    .fetch_optional(conn)
    .await
}

/// Writes what can change of a meeting, one version higher. Lock it first.
///
/// # Errors
/// Whatever the database answers.
pub async fn update(
    conn: &mut PgConnection,
    meeting: &MeetingRecord,
) -> Result<MeetingRecord, sqlx::Error> {
    sqlx::query_as!(
        MeetingRecord,
        r#"UPDATE meetings
           SET title = $2, agenda = $3, language = $4, status = $5, scheduled_at = $6,
               started_at = $7, ended_at = $8, recording_id = $9,
               version = version + 1, updated_at = now()
           WHERE id = $1
           RETURNING id, title, agenda, language, status AS "status: Status", host_id,
                     template_id, scheduled_at, started_at, ended_at, recording_id, version,
                     created_at, minutes_verified_at, minutes_shared_at, todo_done, todo_total,
                     template AS "template: Json<Outline>""#,
        meeting.id,
        meeting.title,
        meeting.agenda,
        meeting.language,
        meeting.status.as_str(),
        meeting.scheduled_at,
        meeting.started_at,
        meeting.ended_at,
        meeting.recording_id,
    )
    .fetch_one(conn)
    .await
}

/// Writes how far what comes after a meeting is. Its version is of what people edit, and stays.
///
/// # Errors
/// Whatever the database answers.
pub async fn follow_up(
    conn: &mut PgConnection,
    meeting: &MeetingRecord,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE meetings
         SET minutes_verified_at = $2, minutes_shared_at = $3, todo_done = $4, todo_total = $5,
             updated_at = now()
         WHERE id = $1",
        meeting.id,
        meeting.minutes_verified_at,
        meeting.minutes_shared_at,
        meeting.todo_done,
        meeting.todo_total,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Hands a meeting over to another host.
///
/// # Errors
/// Whatever the database answers.
pub async fn hand_over(conn: &mut PgConnection, id: Uuid, host: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE meetings SET host_id = $2 WHERE id = $1", id, host).execute(conn).await?;
    Ok(())
}

/// The meetings with these ids; unknown ids are left out.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_ids(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, MeetingRecord>, sqlx::Error> {
    let rows = sqlx::query_as!(
        MeetingRecord,
        r#"SELECT id, title, agenda, language, status AS "status: Status", host_id, template_id,
                  scheduled_at, started_at, ended_at, recording_id, version, created_at,
                  minutes_verified_at, minutes_shared_at, todo_done, todo_total,
                  template AS "template: Json<Outline>"
           FROM meetings WHERE id = ANY($1)"#,
        ids
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|meeting| (meeting.id, meeting)).collect())
}
