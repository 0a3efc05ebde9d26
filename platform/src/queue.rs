//! Job queues: work that a request or an event asked for, done by workers one job at a time.

mod worker;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::error::chain;
use crate::subgraph::Cause;
use crate::task::{Claim, PROGRESS_EVERY_MS, Tasks};

pub use worker::{HEARTBEAT_MS, RUNS_MAX, run_worker};

/// Longest run of a job, unless its [`Work`] says otherwise.
pub const LONGEST_RUN_MS: u64 = 600_000;
/// Longest time that a task waits for its first worker, unless its [`Work`] says otherwise.
pub const LONGEST_WAIT_MS: u64 = 3_600_000;

/// A job to be appended to the outbox. Its payload is the task: what is to be done stands there.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Name of the queue, e.g. `transcript`.
    pub queue: &'a str,
    /// Kind of job, a single subject token.
    pub kind: &'a str,
    /// The task that the job works on.
    pub task_id: Uuid,
    /// Higher ones overtake (0 is the usual). Noted in the job; nothing overtakes yet.
    pub priority: u8,
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
    /// How often the job was delivered, from 1.
    pub delivery: i64,
    /// Whether a failure now ends the task.
    pub last: bool,
}

/// What a worker does with the jobs of a queue.
pub trait Work: Send + Sync + 'static {
    /// Does a job. It writes its effects and [`Tasks::complete`] in one transaction, and rolls back
    /// when that says `false`. (Of work without effects, `Ok` alone completes the task.)
    ///
    /// The future is dropped when the task is cancelled, at the longest run and at the shutdown; in
    /// the last case, and when the process dies, the job is delivered again. So it must leave
    /// nothing behind when dropped, and be able to go on or begin again.
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>>;

    /// The longest that this job may run; [`LONGEST_RUN_MS`] unless overridden.
    fn longest_run(&self, job: &Job) -> Duration {
        let _ = job;
        Duration::from_millis(LONGEST_RUN_MS)
    }

    /// The longest that a task may wait before its work starts; [`LONGEST_WAIT_MS`] unless
    /// overridden. Then it ends as FAILED with [`crate::task::EXPIRED`].
    fn longest_wait(&self) -> Duration {
        Duration::from_millis(LONGEST_WAIT_MS)
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
    /// The claim doesn't hold any more: the task was cancelled, or another worker took over.
    #[error("the claim doesn't hold any more")]
    Cancelled,
}

impl WorkError {
    /// It may go better later.
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self::Retry(cause.into())
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

/// Through which work tells how far it is.
#[derive(Debug)]
pub struct Progress {
    tasks: Tasks,
    claim: Claim,
    last: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    percent: u8,
    at: Option<Instant>,
}

impl Progress {
    /// Progress of the work under a claim.
    #[must_use]
    pub fn new(tasks: Tasks, claim: Claim) -> Self {
        let percent = u8::try_from(claim.task.progress).unwrap_or_default();
        Self { tasks, claim, last: Mutex::new(Told { percent, at: None }) }
    }

    /// Notes progress in percent. May be called as often as one likes: it is written at most once a
    /// second. `false` if the claim doesn't hold any more, so that the work should end. A database
    /// that is away is no reason to end.
    pub async fn report(&self, percent: u8) -> bool {
        if !self.due(percent) {
            return true;
        }
        match self.tasks.progress(&self.claim, percent).await {
            Ok(holds) => holds,
            Err(error) => {
                tracing::warn!(task = %self.claim.task.id, error = chain(&error), "progress lost");
                true
            }
        }
    }

    fn due(&self, percent: u8) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let every = Duration::from_millis(PROGRESS_EVERY_MS);
        if percent <= last.percent || last.at.is_some_and(|at| at.elapsed() < every) {
            return false;
        }
        *last = Told { percent, at: Some(Instant::now()) };
        true
    }
}
