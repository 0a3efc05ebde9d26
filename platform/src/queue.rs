//! Job queues: work that a request or an event asked for, done by workers one job at a time.
//!
//! A queue's figures stand in nats/ ([`crate::topology::QueueSpec`]). Its jobs lie in a work-queue
//! stream by priority; a job names its task, and what is to be done stands in the task's row.

mod progress;
mod worker;

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::error::{ApiError, Code};
use crate::subgraph::Cause;
use crate::task::{Claim, Priority};

pub use progress::{Progress, Stages};
pub(crate) use worker::Payload;
pub use worker::{
    FAIR_EVERY, HEARTBEAT_MS, ORPHANED_AFTER_MS, SCALE_EVERY_MS, run_worker, workers_now,
};

/// Error code of a task whose job failed, or took its worker with it, each time.
pub const GIVEN_UP: &str = "ENGINE_FAILED";

/// A job to be appended to the outbox. Its payload is the task: what is to be done stands there.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Name of the queue, e.g. `transcript`.
    pub queue: &'a str,
    /// Kind of job, a single subject token.
    pub kind: &'a str,
    /// The task that the job works on.
    pub task_id: Uuid,
    /// Whether it overtakes.
    pub priority: Priority,
}

/// A job as a worker gets it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Id of the job; a retry of the task is another job.
    pub id: Uuid,
    /// Kind of job.
    pub kind: String,
    /// The right to work on the task, with the task as it was at the start.
    pub claim: Claim,
    /// Which try this is, from 1, since the task was last queued.
    pub tries: i32,
    /// Whether a failure now ends the task.
    pub last: bool,
    /// The longest that this kind of job may run, as nats/ says.
    pub longest_run: Duration,
}

/// What a worker does with the jobs of a queue.
pub trait Work: Send + Sync + 'static {
    /// Does a job. It writes its effects and [`crate::task::Tasks::complete`] in one transaction,
    /// and rolls back when that says `false`. (Of work without effects, `Ok` alone completes the
    /// task.)
    ///
    /// The future is dropped when the task is cancelled, at the longest run and at the shutdown; in
    /// the last case, and when the process dies, the job is delivered again. So it must leave
    /// nothing behind when dropped, and be able to go on or begin again.
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>>;

    /// The longest that this job may run: what nats/ says of its kind, unless overridden. Work that
    /// finds out on its way that it needs longer says so by [`Progress::allow`].
    fn longest_run(&self, job: &Job) -> Duration {
        job.longest_run
    }
}

/// Why a job wasn't done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// It may go better: the job is delivered again after a while, if tries are left.
    #[error("not done now")]
    Retry(#[source] Cause),
    /// It won't: the task ends as FAILED with this public code and message.
    #[error("{code}: {message}")]
    Fail {
        /// Stable code.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// What it needs is away, and it is nobody's fault: it leaves the queue, so that others don't wait
    /// behind it, and comes again after a while. It counts as no try.
    #[error("put off")]
    PutOff {
        /// Why.
        #[source]
        cause: Cause,
        /// For how long.
        wait: Duration,
        /// For how long it may be put off again and again, counted from when the task was queued; then
        /// it is given up like after the last try.
        longest: Duration,
    },
    /// The claim doesn't hold any more: the task was cancelled, or another worker took over.
    #[error("the claim doesn't hold any more")]
    Cancelled,
}

impl WorkError {
    /// It may go better later.
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self::Retry(cause.into())
    }

    /// What it needs is away: it comes again after `wait`, for `longest` in all.
    pub fn put_off(cause: impl Into<Cause>, wait: Duration, longest: Duration) -> Self {
        Self::PutOff { cause: cause.into(), wait, longest }
    }

    /// It won't go better: the task fails with this public code and message.
    pub fn fail(code: &'static str, message: impl Into<String>) -> Self {
        Self::Fail { code, message: message.into() }
    }
}

impl From<sqlx::Error> for WorkError {
    fn from(error: sqlx::Error) -> Self {
        Self::Retry(error.into())
    }
}

/// Why a queue doesn't take work that a request asks for.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// As many tasks wait as the queue takes.
    #[error("the queue {queue} is full")]
    Full {
        /// Its name.
        queue: String,
        /// When the request may come again.
        retry_after: Duration,
    },
    /// The database refuses.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl QueueError {
    /// As clients see it: `QUEUE_FULL` with `retryAfter` in seconds, anything else masked.
    #[must_use]
    pub fn into_graphql(self) -> async_graphql::Error {
        match self {
            Self::Full { retry_after, .. } => {
                let message = "too much work is waiting: try again later";
                let mut error = ApiError::new(Code::QUEUE_FULL, message).into_graphql();
                let extensions = error.extensions.get_or_insert_default();
                extensions.set("retryAfter", retry_after.as_secs().max(1));
                error
            }
            Self::Database(error) => crate::error::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_says_when_to_come_again() {
        let full = QueueError::Full { queue: "any".into(), retry_after: Duration::from_secs(30) };
        let extensions = full.into_graphql().extensions.unwrap();
        assert_eq!(extensions.get("code"), Some(&"QUEUE_FULL".into()));
        assert_eq!(extensions.get("retryAfter"), Some(&30.into()));
        let inner = QueueError::Database(sqlx::Error::PoolClosed).into_graphql();
        assert_eq!(inner.message, crate::error::INTERNAL_MESSAGE);
    }
}
