//! Announcements: something that one person tells to everybody, or to the people of a meeting.
//!
//! Asking for one writes it down with its task; the worker tells people in the order of their ids, a batch in
//! each transaction, and notes how far it is in the same one. Whoever goes on after a death begins behind
//! the last batch, and nobody is told twice: a notification's event is the announcement.

use std::time::Duration;

use platform::departure;
use platform::error::{ApiError, Internal as _, Refused, UserError, internal};
use platform::idempotency::Once;
use platform::identity::Viewer;
use platform::kernel::Kernel;
use platform::queue::{Job, Progress, WorkError};
use platform::task::{NewTask, Priority, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::events::Teller;
use crate::store::announcement::{self, AnnouncementRow};
use crate::store::notification::News;
use crate::store::recipient;
use crate::worker::{QUEUE, TASK_TYPENAME};

/// Longest title, in characters.
pub const TITLE_MAX_CHARS: usize = 120;
/// Longest text, in characters.
pub const BODY_MAX_CHARS: usize = 2_000;
/// Most people who are told in one transaction.
pub const BATCH: usize = 100;
/// Deliveries that wait in the queue, above which no more people are told for now.
pub const WAITING_MAX: i64 = 1_000;
/// How long the rest waits then.
pub const PACE: Duration = Duration::from_secs(5);
/// How long an announcement may take in all.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Kind of its jobs, as nats/ names it.
pub const JOB: &str = "announcement";
/// Kind of its tasks.
pub const TASK_KIND: &str = "ANNOUNCEMENT";
/// What lets one announce to everybody: a scope of the access token, and a permission in the user service.
pub const PERMISSION: &str = "announcements:send";

const PERMITS: &str = "query Permits($user: ID!, $permission: String!) {
    permits: permits(userId: $user, permission: $permission) }";
const PEOPLE: &str = "query AnnouncedTo($of: [_Any!]!) { found: _entities(representations: $of) {
    ... on Meeting { host { id } participants { user { id } } } } }";

/// What is to be announced, as typed.
#[derive(Debug)]
pub struct Draft {
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    announcement_id: Uuid,
}

/// Who takes part in a meeting, as the meeting service says.
#[derive(Debug, Clone)]
struct People {
    host: Option<Uuid>,
    all: Vec<Uuid>,
}

/// Takes announcements, and tells them.
#[derive(Clone)]
pub struct Announcer {
    /// What the service works with.
    pub kernel: Kernel,
    /// Its tasks.
    pub tasks: Tasks,
    /// Tells people.
    pub teller: Teller,
}

impl Announcer {
    /// Announces something to everybody with an account, for who may.
    ///
    /// # Errors
    /// What the user can mend; `FORBIDDEN`, `QUEUE_FULL`; inner ones, masked.
    pub async fn to_all(
        &self,
        viewer: &Viewer,
        once: Once<'_>,
        draft: Draft,
    ) -> Result<AnnouncementRow, Refused> {
        if !self.may_tell_all(viewer).await? {
            return Err(ApiError::forbidden().into_graphql().into());
        }
        self.take(once, None, draft).await
    }

    /// Announces something to the people of a meeting, for its host, and for who may announce to all.
    ///
    /// # Errors
    /// What the user can mend; `QUEUE_FULL`; inner ones, masked.
    pub async fn to_meeting(
        &self,
        viewer: &Viewer,
        once: Once<'_>,
        meeting: Option<Uuid>,
        draft: Draft,
    ) -> Result<AnnouncementRow, Refused> {
        let refused = |code: &'static str, message: &str| {
            Err(UserError::new(code, message).on("meetingId").into())
        };
        let people = match meeting {
            Some(meeting) => self.people(meeting).await.map_err(internal)?,
            None => None,
        };
        let takes_part = people.as_ref().is_some_and(|people| people.all.contains(&viewer.id));
        let leads = people.as_ref().is_some_and(|people| people.host == Some(viewer.id));
        if !leads && (people.is_none() || !self.may_tell_all(viewer).await?) {
            return match takes_part {
                true => refused("NOT_HOST", "only the host of the meeting may do this"),
                false => refused("MEETING_NOT_FOUND", "there is no such meeting"),
            };
        }
        self.take(meeting.iter().fold(once, Once::of), meeting, draft).await
    }

    /// The token says so, and the user service now.
    async fn may_tell_all(&self, viewer: &Viewer) -> async_graphql::Result<bool> {
        if !viewer.scopes.iter().any(|scope| scope == PERMISSION) {
            return Ok(false);
        }
        let asked = json!({ "user": viewer.id, "permission": PERMISSION });
        let answer = self.kernel.ask("user", PERMITS, asked).await.map_err(internal)?;
        Ok(answer["permits"] == true)
    }

    /// Who takes part in a meeting, by their ids; `None` when there is no such meeting.
    async fn people(&self, meeting: Uuid) -> Result<Option<People>, platform::subgraph::PeerError> {
        let of = json!([{ "__typename": "Meeting", "id": meeting }]);
        let answer = self.kernel.ask("meeting", PEOPLE, json!({ "of": of })).await?;
        let id = |value: &serde_json::Value| value["id"].as_str()?.parse::<Uuid>().ok();
        let found = &answer["found"][0];
        let Some(participants) = found["participants"].as_array() else { return Ok(None) };
        let mut all: Vec<Uuid> =
            participants.iter().filter_map(|participant| id(&participant["user"])).collect();
        all.sort_unstable();
        Ok(Some(People { host: id(&found["host"]), all }))
    }

    async fn take(
        &self,
        once: Once<'_>,
        meeting: Option<Uuid>,
        draft: Draft,
    ) -> Result<AnnouncementRow, Refused> {
        let (title, body) = check(&draft)?;
        let (id, author) = (Uuid::now_v7(), once.viewer());
        let mut tx = departure::begin(&self.kernel.pool, author).await?;
        if let Some(earlier) = once.answer(&mut tx, id).await? {
            let known = announcement::by_id(&self.kernel.pool, earlier).await?;
            return Ok(known.ok_or(sqlx::Error::RowNotFound)?);
        }
        let row = announcement::insert(&mut tx, id, author, meeting, title, body).await?;
        let new = NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            ordering_key: id,
            requested_by: None,
            input: serde_json::to_value(Input { announcement_id: id }).internal()?,
            dedupe_key: Some(format!("announcement:{id}")),
            changed: json!({}),
            priority: Priority::Normal,
        };
        self.tasks.request(&mut tx, new).await?;
        tx.commit().await?;
        self.kernel.outbox.wake();
        Ok(row)
    }

    /// Tells people, batch by batch, until everybody was told.
    pub(crate) async fn tell(&self, job: &Job, progress: &Progress) -> Result<(), WorkError> {
        let input = Input::deserialize(&job.claim.task.input).map_err(WorkError::retry)?;
        let pool = &self.kernel.pool;
        loop {
            // Whoever announced it may have deleted the account: then it ends here.
            let row = announcement::by_id(pool, input.announcement_id).await?;
            let Some(row) = row.filter(|row| row.completed_at.is_none()) else { return Ok(()) };
            if self.waiting(pool).await? > WAITING_MAX {
                let why = "enough deliveries wait";
                return Err(WorkError::put_off(why, PACE, LONGEST));
            }
            let (batch, is_last) = self.next(&row).await?;
            let users: Vec<Uuid> =
                batch.iter().copied().filter(|user| *user != row.author_id).collect();
            let news = News {
                kind: Kind::Announcement,
                event_id: row.id,
                words: json!({ "title": row.title, "body": row.body }),
                meeting_id: row.meeting_id,
                todo_id: None,
                task_id: None,
                person_id: Some(row.author_id),
            };
            let mut tx = pool.begin().await?;
            if !self.tasks.holds(&mut tx, &job.claim).await? {
                return Err(WorkError::Cancelled);
            }
            let told = self.teller.tell(&mut tx, &news, &users).await.map_err(WorkError::retry)?;
            let told = i32::try_from(told).unwrap_or(i32::MAX);
            let reached = batch.last().copied();
            announcement::advance(&mut tx, row.id, reached, told, is_last).await?;
            if is_last && !self.tasks.complete(&mut tx, &job.claim).await? {
                return Err(WorkError::Cancelled);
            }
            tx.commit().await?;
            self.kernel.outbox.wake();
            if is_last {
                return Ok(());
            }
            // How many there are isn't known; it says that it goes on, and hears whether it may.
            if !progress.report(1).await {
                return Err(WorkError::Cancelled);
            }
        }
    }

    /// How many deliveries wait for a worker.
    async fn waiting(&self, pool: &PgPool) -> Result<i64, sqlx::Error> {
        let mut connection = pool.acquire().await?;
        self.tasks.pending(&mut connection, QUEUE).await
    }

    /// The next people in the order of their ids, and whether they are the last ones.
    async fn next(&self, row: &AnnouncementRow) -> Result<(Vec<Uuid>, bool), WorkError> {
        let batch = match row.meeting_id {
            None => {
                let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
                recipient::after(&self.kernel.pool, row.reached, limit).await?
            }
            Some(meeting) => {
                let people = self.people(meeting).await.map_err(WorkError::retry)?;
                let all = people.map(|people| people.all).unwrap_or_default();
                let new = all.into_iter().filter(|user| row.reached.is_none_or(|at| *user > at));
                new.take(BATCH).collect()
            }
        };
        let is_last = batch.len() < BATCH;
        Ok((batch, is_last))
    }
}

/// The texts, trimmed and checked.
fn check(draft: &Draft) -> Result<(&str, &str), UserError> {
    let (title, body) = (draft.title.trim(), draft.body.trim());
    let fits = |text: &str, max: usize| (1..=max).contains(&text.chars().count());
    if !fits(title, TITLE_MAX_CHARS) || title.chars().any(char::is_control) {
        let message = format!("the title needs 1 to {TITLE_MAX_CHARS} characters on one line");
        return Err(UserError::new("INVALID_TITLE", message).on("title"));
    }
    if !fits(body, BODY_MAX_CHARS) || body.contains('\0') {
        let message = format!("the text needs 1 to {BODY_MAX_CHARS} characters");
        return Err(UserError::new("INVALID_BODY", message).on("body"));
    }
    Ok((title, body))
}
