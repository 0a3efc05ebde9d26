//! The worker of the queue `notification`: brings messages to people outside, and tells announcements.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::queue::{Job, Progress, Work, WorkError};
use platform::task::{NewTask, Priority};
use platform::topology::Backoff;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::announcement::{self, Announcer};
use crate::channel::breaker::Breaker;
use crate::channel::{ChannelError, Channels, Message};
use crate::domain::language::Language;
use crate::domain::way::Way;
use crate::store::notification::NotificationRow;
use crate::store::{notification, recipient};

/// The queue of this service.
pub const QUEUE: &str = "notification";
/// Kind of its tasks.
pub const TASK_KIND: &str = "DELIVERY";
/// Type of its tasks, which nobody is shown.
pub const TASK_TYPENAME: &str = "NotificationTask";
/// Heavy jobs at once in this process: none of them is.
pub const HEAVY_MAX: usize = 1;

/// Code of a delivery by a way that isn't there any more.
const NO_SUCH_CHANNEL: &str = "NO_SUCH_CHANNEL";
/// Code of a delivery that the provider refused.
const REFUSED: &str = "DELIVERY_REFUSED";

/// What is to be delivered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The notification.
    pub notification_id: Uuid,
}

/// The task of bringing a notification to somebody by a way.
///
/// # Errors
/// None that can happen: the input is plain.
pub fn delivery(row: &NotificationRow, way: Way) -> Result<NewTask<'static>, serde_json::Error> {
    Ok(NewTask {
        kind: TASK_KIND,
        typename: TASK_TYPENAME,
        queue: QUEUE,
        job_kind: way.job_kind(),
        ordering_key: row.user_id,
        requested_by: None,
        input: serde_json::to_value(Input { notification_id: row.id })?,
        dedupe_key: Some(format!("{}:{}", way.job_kind(), row.id)),
        changed: json!({}),
        priority: Priority::Normal,
    })
}

/// Does the queue's jobs.
pub struct Courier {
    /// The service's database.
    pub pool: PgPool,
    /// The ways there are.
    pub channels: Channels,
    /// Which of them were away a moment ago.
    pub breaker: Breaker,
    /// How long one may be away before what waits for it is given up.
    pub outage_max: Duration,
    /// The pauses between two tries to reach one that is away.
    pub pauses: Backoff,
    /// Tells what people announce.
    pub announcer: Announcer,
}

impl Courier {
    async fn deliver(&self, job: &Job) -> Result<(), WorkError> {
        let task = &job.claim.task;
        let input = Input::deserialize(&task.input).map_err(WorkError::retry)?;
        let channel = self.channels.iter().find(|channel| channel.way().job_kind() == job.kind);
        let Some(channel) = channel else {
            return Err(WorkError::fail(NO_SUCH_CHANNEL, "There is no such way to people now."));
        };
        let row = notification::by_ids(&self.pool, &[input.notification_id]).await?.pop();
        // Whoever deleted the account has no inbox and no address any more: nothing is left to do.
        let Some(row) = row else { return Ok(()) };
        let Some(to) = recipient::by_id(&self.pool, row.user_id).await? else { return Ok(()) };
        let person = match row.person_id {
            Some(person) => recipient::by_id(&self.pool, person).await?.map(|known| known.name),
            None => None,
        };
        let language = Language::of(&to.locale);
        let (title, body) = row.kind.text(language, &row.words, person.as_deref());
        let message = Message {
            id: task.id,
            to,
            notification: row.id,
            kind: row.kind,
            meeting: row.meeting_id,
            todo: row.todo_id,
            title,
            body,
            created_at: row.created_at,
        };
        // A provider that is away holds nobody up: what is for it waits outside the queue.
        let permit = match self.breaker.enter(&channel.route(&message.to)) {
            Ok(permit) => permit,
            Err(wait) => {
                let why = "the provider was away a moment ago";
                // Not all of them at once.
                let wait = wait.mul_f64(rand::random_range(1.0..=1.5));
                return Err(WorkError::put_off(why, wait, self.outage_max));
            }
        };
        match channel.send(&message).await {
            Ok(()) => {
                permit.worked();
                Ok(())
            }
            Err(ChannelError::Refused(reason)) => {
                permit.worked();
                Err(WorkError::fail(REFUSED, reason))
            }
            Err(error) => {
                permit.failed();
                let wait = self.pauses.after(job.claim.attempt);
                Err(WorkError::put_off(error, wait, self.outage_max))
            }
        }
    }
}

impl Work for Courier {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        match job.kind.as_str() {
            announcement::JOB => self.announcer.tell(job, progress).boxed(),
            _ => self.deliver(job).boxed(),
        }
    }
}
