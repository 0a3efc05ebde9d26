//! Workers: as many slots as jobs may run at once, each pulling one job, keeping it alive, and
//! confirming it when its task is final.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use chrono::Utc;
use futures::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Job, Progress, Work, WorkError};
use crate::bus::{Bus, PULL_EXPIRES_MS, backoff, pause, trace_of};
use crate::error::chain;
use crate::shutdown::Shutdown;
use crate::task::{Claim, EXPIRED, TIMED_OUT, TaskStatus, Tasks};

/// Time between two signs of life of a running job; the consumers' `ack_wait` is three times that.
pub const HEARTBEAT_MS: u64 = 3_000;
/// How often a job is started before its task ends as FAILED.
pub const RUNS_MAX: i64 = 5;
/// Error code of a task whose job failed, or took its worker with it, each time.
const GIVEN_UP: &str = "ENGINE_FAILED";
/// Longest time to wait for the database's answer; shorter than the consumers' `ack_wait`.
const DATABASE_TIMEOUT_MS: u64 = 8_000;
/// Time between two looks for tasks that waited too long.
const SWEEP_EVERY_MS: u64 = 15_000;
/// Time between two tries to reach a lost server.
const RECONNECT_MS: u64 = 500;
/// How often the server is asked to confirm that a job is done.
const ACK_TRIES: u32 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    id: Uuid,
    kind: String,
    task_id: Uuid,
}

/// Works on a queue's jobs until the shutdown, at most `concurrency` at once. The queue's consumer
/// (one of those in nats/) is named `<queue>-jobs`. At the shutdown running jobs are given back.
pub async fn run_worker(
    bus: Bus,
    tasks: Tasks,
    queue: &'static str,
    concurrency: usize,
    work: Arc<dyn Work>,
    shutdown: Shutdown,
) {
    let consumer: Arc<str> = format!("{queue}-jobs").into();
    let mut slots = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        let slot = Slot {
            bus: bus.clone(),
            tasks: tasks.clone(),
            consumer: consumer.clone(),
            work: work.clone(),
            shutdown: shutdown.clone(),
        };
        slots.spawn(slot.run());
    }
    slots.spawn(sweep(tasks, queue, work.longest_wait(), shutdown));
    // Dropping this future ends the slots where they are, as the end of the process would.
    while let Some(ended) = slots.join_next().await {
        if let Err(error) = ended {
            tracing::error!(queue, %error, "a worker's slot broke off");
        }
    }
}

/// Ends tasks whose job no worker took in time.
async fn sweep(tasks: Tasks, queue: &'static str, longest_wait: Duration, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match tasks.expire_one(queue, Utc::now() - longest_wait).await {
            Ok(Some(task)) => tracing::warn!(queue, task = %task.id, "task expired"),
            Ok(None) => pause(SWEEP_EVERY_MS, &shutdown).await,
            Err(error) => {
                tracing::warn!(queue, error = chain(&error), "waiting tasks not looked at");
                pause(SWEEP_EVERY_MS, &shutdown).await;
            }
        }
    }
}

struct Slot {
    bus: Bus,
    tasks: Tasks,
    consumer: Arc<str>,
    work: Arc<dyn Work>,
    shutdown: Shutdown,
}

impl Slot {
    async fn run(self) {
        while !self.shutdown.is_triggered() {
            let Some(pull) = self.bus.await_consumer(&self.consumer, &self.shutdown).await else {
                return;
            };
            if let Err(error) = self.feed(&pull).await {
                tracing::warn!(consumer = &*self.consumer, error = chain(&*error), "queue lost");
                pause(RECONNECT_MS, &self.shutdown).await;
            }
        }
    }

    async fn feed(&self, pull: &PullConsumer) -> Result<(), async_nats::Error> {
        while !self.shutdown.is_triggered() {
            let expires = Duration::from_millis(PULL_EXPIRES_MS);
            let mut batch = pull.batch().max_messages(1).expires(expires).messages().await?;
            // A job that was sent to a pull that nobody reads any more is sent again after the
            // consumer's ack_wait.
            let next = tokio::select! {
                next = batch.next() => next,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            if let Some(message) = next {
                let message = message?;
                trace_of(&message).scope(self.take(&message)).await;
            }
        }
        Ok(())
    }

    /// Does one job. If the process dies anywhere in here, the job is delivered again after the
    /// consumer's `ack_wait`; the claim then taken makes this one's writes void.
    async fn take(&self, message: &Message) {
        let delivery = message.info().map_or(1, |info| info.delivered);
        let payload: Payload = match serde_json::from_slice(&message.payload) {
            Ok(payload) => payload,
            Err(error) => return self.bury(message, delivery, &chain(&error)).await,
        };
        let claim = match self.claim(message, &payload).await {
            Claimed::Ours(claim) => *claim,
            // Final, gone, or waiting for a later job: this one has no purpose any more.
            Claimed::Void => return confirm(message).await,
            Claimed::Ended => return,
        };
        let waited = Utc::now() - claim.task.queued_at;
        if delivery > RUNS_MAX {
            let reason = "Every worker that tried ended without a result.";
            return self.fail(message, delivery, &claim, GIVEN_UP, reason, true).await;
        }
        if delivery == 1 && waited.to_std().is_ok_and(|waited| waited > self.work.longest_wait()) {
            let reason = "No worker was free in time.";
            return self.fail(message, delivery, &claim, EXPIRED, reason, false).await;
        }
        let last = delivery >= RUNS_MAX;
        let job = Job { id: payload.id, kind: payload.kind, claim, delivery, last };
        let outcome = self.work(message, &job).await;
        self.settle(message, &job, outcome).await;
    }

    /// Takes the task. A database that is away isn't the job's fault: it is waited for.
    async fn claim(&self, message: &Message, payload: &Payload) -> Claimed {
        let mut told = false;
        loop {
            match bounded(self.tasks.claim_for(payload.task_id, payload.id)).await {
                Ok(Some(claim)) => return Claimed::Ours(Box::new(claim)),
                Ok(None) => return Claimed::Void,
                Err(error) if !told => {
                    tracing::warn!(task = %payload.task_id, error = chain(&error), "no claim yet");
                    told = true;
                }
                Err(_) => {}
            }
            if self.shutdown.is_triggered() {
                answer(message, AckKind::Nak(None)).await;
                return Claimed::Ended;
            }
            let _ = message.ack_with(AckKind::Progress).await;
            pause(RECONNECT_MS, &self.shutdown).await;
        }
    }

    async fn work(&self, message: &Message, job: &Job) -> Outcome {
        let lost = CancellationToken::new();
        // A task of its own, so that work that keeps its thread busy doesn't stop it; it ends with
        // this future.
        let beat = heartbeat(message.clone(), self.tasks.clone(), job.claim.clone(), lost.clone());
        let _beat = AbortOnDropHandle::new(tokio::spawn(beat));
        let progress = Progress::new(self.tasks.clone(), job.claim.clone());
        let run = AssertUnwindSafe(self.work.run(job, &progress)).catch_unwind();
        tokio::select! {
            done = tokio::time::timeout(self.work.longest_run(job), run) => match done {
                Ok(Ok(Ok(()))) => Outcome::Done,
                Ok(Ok(Err(WorkError::Retry(error)))) => Outcome::Retry(chain(&*error)),
                Ok(Ok(Err(WorkError::Fail { code, message }))) => Outcome::Fail(code, message),
                Ok(Ok(Err(WorkError::Cancelled))) => Outcome::Lost,
                Ok(Err(_)) => Outcome::Retry("the work panicked".to_owned()),
                Err(_) => Outcome::Fail(TIMED_OUT, "It took longer than allowed.".to_owned()),
            },
            () = lost.cancelled() => Outcome::Lost,
            () = self.shutdown.cancelled() => Outcome::Shutdown,
        }
    }

    async fn settle(&self, message: &Message, job: &Job, outcome: Outcome) {
        let (claim, delivery) = (&job.claim, job.delivery);
        match outcome {
            Outcome::Done => self.complete(message, job).await,
            Outcome::Lost => self.let_go(message, claim).await,
            Outcome::Shutdown => answer(message, AckKind::Nak(None)).await,
            Outcome::Fail(code, reason) => {
                self.fail(message, delivery, claim, code, &reason, false).await;
            }
            Outcome::Retry(error) => {
                tracing::warn!(task = %claim.task.id, kind = job.kind, delivery, error, "job failed");
                if job.last {
                    let reason = "It failed each time it was tried.";
                    self.fail(message, delivery, claim, GIVEN_UP, reason, true).await;
                } else {
                    answer(message, AckKind::Nak(Some(backoff(delivery)))).await;
                }
            }
        }
    }

    /// Completes the task if the work hasn't done so itself.
    async fn complete(&self, message: &Message, job: &Job) {
        let completed = async {
            let mut tx = self.tasks.pool().begin().await?;
            if self.tasks.complete(&mut tx, &job.claim).await? {
                tx.commit().await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(error) = bounded(completed).await {
            tracing::warn!(task = %job.claim.task.id, error = chain(&error), "task not completed");
            return answer(message, AckKind::Nak(Some(backoff(job.delivery)))).await;
        }
        self.tasks.outbox().wake();
        self.let_go(message, &job.claim).await;
    }

    /// Ends the task as FAILED; `dead`: and keeps the job as a dead letter.
    async fn fail(
        &self,
        message: &Message,
        delivery: i64,
        claim: &Claim,
        code: &str,
        reason: &str,
        dead: bool,
    ) {
        let failed = async {
            let mut tx = self.tasks.pool().begin().await?;
            let ours = self.tasks.fail(&mut tx, claim, code, reason).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(ours)
        };
        let ours = match bounded(failed).await {
            Ok(ours) => ours,
            Err(error) => {
                tracing::warn!(task = %claim.task.id, error = chain(&error), "task not ended");
                return answer(message, AckKind::Nak(Some(backoff(delivery)))).await;
            }
        };
        self.tasks.outbox().wake();
        if ours {
            tracing::warn!(task = %claim.task.id, code, delivery, "task failed");
        }
        if dead && ours {
            return self.bury(message, delivery, reason).await;
        }
        self.let_go(message, claim).await;
    }

    /// Confirms the job if its task is final. Else somebody else holds it, whose job it is now.
    async fn let_go(&self, message: &Message, claim: &Claim) {
        let id = claim.task.id;
        match bounded(self.tasks.get(&[id])).await {
            Ok(tasks) if tasks.get(&id).is_none_or(|task| task.status.is_final()) => {
                confirm(message).await;
            }
            // PENDING: it was retried under another job, and this one is stale.
            Ok(tasks) if tasks.get(&id).is_some_and(|t| t.status == TaskStatus::Pending) => {
                confirm(message).await;
            }
            Ok(_) => tracing::info!(task = %id, "another worker took over"),
            Err(error) => {
                tracing::warn!(task = %id, error = chain(&error), "job not confirmed, it comes again");
            }
        }
    }

    async fn bury(&self, message: &Message, delivery: i64, reason: &str) {
        match self.bus.bury(&self.consumer, message, reason).await {
            Ok(()) => {
                tracing::error!(consumer = &*self.consumer, reason, "job given up: dead letter");
                answer(message, AckKind::Term).await;
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "dead letter not kept, the job comes again");
                answer(message, AckKind::Nak(Some(backoff(delivery)))).await;
            }
        }
    }
}

enum Claimed {
    Ours(Box<Claim>),
    Void,
    Ended,
}

enum Outcome {
    Done,
    Lost,
    Shutdown,
    Fail(&'static str, String),
    Retry(String),
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
        if let Ok(Ok(false)) = tokio::time::timeout(limit, tasks.still_holds(&claim)).await {
            return lost.cancel();
        }
    }
}

/// Confirms a job for good. Unconfirmed, it would come again and be found void: only wasted.
async fn confirm(message: &Message) {
    for _ in 0..ACK_TRIES {
        match message.double_ack().await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "job not confirmed"),
        }
    }
}

async fn answer(message: &Message, kind: AckKind) {
    if let Err(error) = message.ack_with(kind).await {
        tracing::warn!(%error, "answer not sent, the job comes again");
    }
}
