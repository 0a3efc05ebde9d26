//! One worker: one job after the other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::{AckKind, Message};
use futures::FutureExt as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::super::{GIVEN_UP, Job, Progress, Work, WorkError};
use super::lane::{Lanes, Taken};
use super::{Crew, HEARTBEAT_MS, RECONNECT_MS};
use crate::bus::{pause, process_span};
use crate::crash::Point;
use crate::error::chain;
use crate::metrics::messaging;
use crate::task::{Claim, Start, TIMED_OUT, TaskStatus, Tasks};

/// Longest time to wait for the database's answer; shorter than the consumers' `ack_wait`.
const DATABASE_TIMEOUT_MS: u64 = 8_000;
/// How often the server is asked to confirm that a job is done.
const ACK_TRIES: u32 = 3;

/// What a job's message says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) task_id: Uuid,
}

/// Works until the shutdown, or until there has been nothing to do for a while.
pub(super) async fn run(crew: Arc<Crew>) {
    let mut member = Member { crew: &crew, left: false };
    let mut idle = Instant::now();
    while !crew.shutdown.is_triggered() {
        let Some(mut lanes) = Lanes::open(&crew).await else { break };
        loop {
            if crew.shutdown.is_triggered() {
                break;
            }
            match lanes.next(&crew).await {
                Ok(Some(taken)) => {
                    crew.busy.fetch_add(1, Ordering::SeqCst);
                    let _busy = Busy(&crew);
                    let kind = format!("job {}", crew.spec.name);
                    let span = process_span(&taken.message, &taken.consumer, &kind);
                    span.context().scope(At { crew: &crew, taken: &taken }.take()).await;
                    idle = Instant::now();
                }
                Ok(None) if idle.elapsed() > crew.spec.workers.idle && crew.may_leave() => {
                    member.left = true;
                    return;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(queue = crew.spec.name, error = chain(&*error), "queue lost");
                    pause(RECONNECT_MS, &crew.shutdown).await;
                    break;
                }
            }
        }
    }
}

/// Counted among the crew as long as it is there, however it ends.
struct Member<'a> {
    crew: &'a Crew,
    left: bool,
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if !self.left {
            self.crew.size.fetch_sub(1, Ordering::SeqCst);
        }
        self.crew.count();
    }
}

struct Busy<'a>(&'a Crew);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker at a job.
struct At<'a> {
    crew: &'a Crew,
    taken: &'a Taken,
}

enum Outcome {
    Done,
    Lost,
    Shutdown,
    Fail(&'static str, String),
    Retry(String),
    PutOff(String, Duration, Duration),
}

/// What [`Outcome::as_str`] says.
pub(super) const OUTCOMES: [&str; 6] = ["done", "lost", "shutdown", "failed", "retried", "put_off"];

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Lost => "lost",
            Self::Shutdown => "shutdown",
            Self::Fail(..) => "failed",
            Self::Retry(_) => "retried",
            Self::PutOff(..) => "put_off",
        }
    }
}

impl At<'_> {
    fn message(&self) -> &Message {
        &self.taken.message
    }

    fn tasks(&self) -> &Tasks {
        &self.crew.tasks
    }

    /// Does the job. If the process dies anywhere in here, the job is delivered again after the
    /// consumer's `ack_wait`; the claim then taken makes this one's writes void.
    async fn take(&self) {
        let payload: Payload = match serde_json::from_slice(&self.message().payload) {
            Ok(payload) => payload,
            Err(error) => {
                self.bury(&chain(&error)).await;
                return;
            }
        };
        let Some(start) = self.start(&payload).await else { return };
        let claim = match start {
            Start::Claimed(claim) => *claim,
            // Final, gone, or waiting for a later job: this one has no purpose any more.
            Start::Void => return confirm(self.message()).await,
            Start::Expired => {
                self.tasks().outbox().wake();
                tracing::warn!(task = %payload.task_id, "task expired");
                return confirm(self.message()).await;
            }
            Start::Exhausted(claim) => {
                let reason = "Every worker that tried ended without a result.";
                return self.give_up(&claim, reason).await;
            }
        };
        let spec = self.crew.spec.jobs.get(&payload.kind);
        let job = Job {
            id: payload.id,
            tries: claim.task.tries,
            last: claim.task.tries >= self.crew.spec.tries_max,
            longest_run: spec.map_or(Duration::ZERO, |spec| spec.longest_run),
            kind: payload.kind,
            claim,
        };
        let queue = &self.crew.spec.name;
        messaging::job_began(queue, job.claim.task.queued_at);
        let began = Instant::now();
        Point::WorkerClaimed.pass();
        let outcome = self.work(&job).await;
        let consumer = &self.taken.consumer;
        messaging::job_ended(queue, consumer, outcome.as_str(), began.elapsed());
        Point::WorkerWorked.pass();
        self.settle(&job, outcome).await;
    }

    /// Takes the task. A database that is away isn't the job's fault: it is waited for.
    async fn start(&self, payload: &Payload) -> Option<Start> {
        let mut told = false;
        loop {
            // Also what a neighbour that ends has just given back: no attempt begins that would end at once.
            if self.crew.shutdown.is_triggered() {
                answer(self.message(), AckKind::Nak(None)).await;
                return None;
            }
            let start = self.tasks().start_job(payload.task_id, payload.id, &self.crew.spec);
            match bounded(start).await {
                Ok(start) => return Some(start),
                Err(error) if !told => {
                    tracing::warn!(task = %payload.task_id, error = chain(&error), "no claim yet");
                    told = true;
                }
                Err(_) => {}
            }
            let _ = self.message().ack_with(AckKind::Progress).await;
            pause(RECONNECT_MS, &self.crew.shutdown).await;
        }
    }

    async fn work(&self, job: &Job) -> Outcome {
        let work: &dyn Work = &*self.crew.work;
        let lost = CancellationToken::new();
        // A task of its own, so that work that keeps its thread busy doesn't stop it; it ends with
        // this future.
        let (message, tasks) = (self.message().clone(), self.tasks().clone());
        let beat = heartbeat(message, tasks, job.claim.clone(), lost.clone());
        let _beat = AbortOnDropHandle::new(tokio::spawn(beat));
        let progress = Progress::new(self.tasks().clone(), job.claim.clone());
        let progress = progress.within(work.longest_run(job));
        let run = AssertUnwindSafe(work.run(job, &progress)).catch_unwind();
        tokio::select! {
            done = run => match done {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(WorkError::Retry(error))) => Outcome::Retry(chain(&*error)),
                Ok(Err(WorkError::Fail { code, message })) => Outcome::Fail(code, message),
                Ok(Err(WorkError::PutOff { cause, wait, longest })) => {
                    Outcome::PutOff(chain(&*cause), wait, longest)
                }
                Ok(Err(WorkError::Cancelled)) => Outcome::Lost,
                Err(_) => Outcome::Retry("the work panicked".to_owned()),
            },
            () = progress.ended() => {
                Outcome::Fail(TIMED_OUT, "It took longer than allowed.".to_owned())
            }
            () = lost.cancelled() => Outcome::Lost,
            () = self.crew.shutdown.cancelled() => Outcome::Shutdown,
        }
    }

    async fn settle(&self, job: &Job, outcome: Outcome) {
        match outcome {
            Outcome::Done => self.complete(job).await,
            Outcome::Lost => self.let_go(&job.claim).await,
            Outcome::Shutdown => {
                // If this isn't noted, the handing back counts as a try: no more.
                if let Err(error) = bounded(self.tasks().hand_back(&job.claim)).await {
                    tracing::warn!(task = %job.claim.task.id, error = chain(&error), "not noted");
                }
                answer(self.message(), AckKind::Nak(None)).await;
            }
            Outcome::Fail(code, reason) => self.fail(&job.claim, code, &reason).await,
            Outcome::PutOff(error, wait, longest) => {
                self.put_off(&job.claim, &error, wait, longest).await;
            }
            Outcome::Retry(error) => {
                let (task, tries) = (job.claim.task.id, job.tries);
                tracing::warn!(%task, kind = job.kind, tries, error, "job failed");
                if job.last {
                    self.give_up(&job.claim, &error).await;
                } else {
                    let wait = self.crew.spec.backoff.after(tries);
                    answer(self.message(), AckKind::Nak(Some(wait))).await;
                }
            }
        }
    }

    /// Completes the task if the work hasn't done so itself.
    async fn complete(&self, job: &Job) {
        let completed = async {
            let mut tx = self.tasks().pool().begin().await?;
            if self.tasks().complete(&mut tx, &job.claim).await? {
                tx.commit().await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(error) = bounded(completed).await {
            tracing::warn!(task = %job.claim.task.id, error = chain(&error), "task not completed");
            return self.later(&job.claim).await;
        }
        self.tasks().outbox().wake();
        self.let_go(&job.claim).await;
    }

    /// Takes the job out of the queue: its task waits in the database and gets another one. Given up once
    /// it has waited for `longest`.
    async fn put_off(&self, claim: &Claim, error: &str, wait: Duration, longest: Duration) {
        match bounded(self.tasks().put_off(claim, wait, longest)).await {
            Ok(true) => {
                let (task, wait_s) = (claim.task.id, wait.as_secs());
                tracing::info!(%task, kind = claim.task.job_kind, wait_s, error, "job put off");
                Point::WorkerCommitted.pass();
                confirm(self.message()).await;
            }
            Ok(false) => self.give_up(claim, error).await,
            Err(failure) => {
                tracing::warn!(task = %claim.task.id, error = chain(&failure), "job not put off");
                self.later(claim).await;
            }
        }
    }

    /// Keeps the job as a dead letter and ends the task. In this order: a letter of a task that
    /// isn't FAILED after all does nothing, a failed task without its letter would be overlooked.
    async fn give_up(&self, claim: &Claim, reason: &str) {
        match bounded(self.tasks().still_holds(claim)).await {
            Ok(true) => {}
            Ok(false) => return self.let_go(claim).await,
            Err(_) => return self.later(claim).await,
        }
        if !self.keep(reason).await {
            return self.later(claim).await;
        }
        let public = "It failed each time it was tried.";
        self.fail(claim, GIVEN_UP, public).await;
    }

    /// Ends the task as FAILED.
    async fn fail(&self, claim: &Claim, code: &str, reason: &str) {
        let failed = async {
            let mut tx = self.tasks().pool().begin().await?;
            let ours = self.tasks().fail(&mut tx, claim, code, reason).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(ours)
        };
        match bounded(failed).await {
            Ok(ours) => {
                self.tasks().outbox().wake();
                if ours {
                    let (task, tries) = (claim.task.id, claim.task.tries);
                    tracing::warn!(%task, kind = claim.task.job_kind, code, reason, tries, "task failed");
                }
                self.let_go(claim).await;
            }
            Err(error) => {
                tracing::warn!(task = %claim.task.id, error = chain(&error), "task not ended");
                self.later(claim).await;
            }
        }
    }

    /// Confirms the job if its task is final. Else somebody else holds it, whose job it is now.
    async fn let_go(&self, claim: &Claim) {
        Point::WorkerCommitted.pass();
        let id = claim.task.id;
        match bounded(self.tasks().fresh(&[id])).await {
            Ok(tasks) if tasks.get(&id).is_none_or(|task| task.status.is_final()) => {
                confirm(self.message()).await;
            }
            // PENDING: it was retried under another job, and this one is stale.
            Ok(tasks) if tasks.get(&id).is_some_and(|t| t.status == TaskStatus::Pending) => {
                confirm(self.message()).await;
            }
            Ok(_) => tracing::info!(task = %id, "another worker took over"),
            Err(error) => {
                tracing::warn!(task = %id, error = chain(&error), "job not confirmed, it comes again");
            }
        }
    }

    async fn later(&self, claim: &Claim) {
        let wait = self.crew.spec.backoff.after(claim.task.tries);
        answer(self.message(), AckKind::Nak(Some(wait))).await;
    }

    /// Keeps a copy as a dead letter; `false` if that isn't sure.
    async fn keep(&self, reason: &str) -> bool {
        let consumer = &self.taken.consumer;
        match self.crew.bus.bury(consumer, self.message(), reason).await {
            Ok(()) => {
                tracing::error!(consumer, reason, "job given up: dead letter");
                true
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "dead letter not kept, the job comes again");
                false
            }
        }
    }

    async fn bury(&self, reason: &str) {
        let buried = self.keep(reason).await;
        let wait = self.crew.spec.backoff.longest;
        let kind = if buried { AckKind::Term } else { AckKind::Nak(Some(wait)) };
        answer(self.message(), kind).await;
    }
}

/// What the database says, unless the connection hangs.
async fn bounded<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let limit = Duration::from_millis(DATABASE_TIMEOUT_MS);
    let answer = tokio::time::timeout(limit, asked).await;
    answer.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
}

/// Tells the server that the job is alive, and looks whether the claim still holds.
async fn heartbeat(message: Message, tasks: Tasks, claim: Claim, lost: CancellationToken) {
    loop {
        tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)).await;
        if let Err(error) = message.ack_with(AckKind::Progress).await {
            tracing::warn!(task = %claim.task.id, %error, "heartbeat not sent");
        }
        // A database that doesn't answer is no reason to stop: the claim is checked at each write.
        let limit = Duration::from_millis(HEARTBEAT_MS);
        if let Ok(Ok(false)) = tokio::time::timeout(limit, tasks.beat(&claim)).await {
            return lost.cancel();
        }
    }
}

/// Confirms a job for good. Unconfirmed, it would come again and be found void: only wasted.
async fn confirm(message: &Message) {
    for _ in 0..ACK_TRIES {
        match message.double_ack().await {
            Ok(()) => return Point::WorkerConfirmed.pass(),
            Err(error) => tracing::debug!(%error, "job not confirmed"),
        }
    }
}

async fn answer(message: &Message, kind: AckKind) {
    if let Err(error) = message.ack_with(kind).await {
        tracing::warn!(%error, "answer not sent, the job comes again");
    }
}
