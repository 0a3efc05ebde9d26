//! The tasks of a service in its database: each change of a state with its event, and its job.

mod copy;
mod list;
mod opening;
mod queueing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Claim, ERROR_MESSAGE_MAX_CHARS, NewTask, PROGRESS_EVERY_MS, Task};
use crate::cache::{Cache, Kind};
use crate::event::Class;
use crate::metrics::messaging;
use crate::outbox::{self, Outbox};
use crate::queue::{NewJob, QueueError};
use crate::topology::{QueueSpec, queues};

pub(super) use copy::key as copy_key;
pub use list::List;
pub(crate) use queueing::Start;

/// Tasks by a statement that changes them.
macro_rules! changed {
    ($sql:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Task,
            $sql + " RETURNING id, kind, typename, status, progress, attempts, queue, job_kind,
                     job_id, ordering_key, requested_by, input, changed, dedupe_key, error_code,
                     error_message, created_at, queued_at, started_at, completed_at,
                     progress_sent_at, version, priority, tries, alive_at",
            $($argument),*
        )
    };
}

/// Tasks by what comes after `FROM tasks`.
macro_rules! found {
    ($sql:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Task,
            "SELECT id, kind, typename, status, progress, attempts, queue, job_kind,
                    job_id, ordering_key, requested_by, input, changed, dedupe_key, error_code,
                    error_message, created_at, queued_at, started_at, completed_at,
                    progress_sent_at, version, priority, tries, alive_at
             FROM tasks " + $sql,
            $($argument),*
        )
    };
}

use {changed, found};

/// The tasks of a service.
#[derive(Clone, Debug)]
pub struct Tasks {
    pool: PgPool,
    outbox: Outbox,
    source: &'static str,
    specs: Arc<HashMap<String, Arc<QueueSpec>>>,
    copies: Option<Kind<Task>>,
}

impl Tasks {
    /// The tasks in a service's database. `source` is the service's name, as its events tell it.
    #[must_use]
    pub fn new(pool: PgPool, outbox: Outbox, source: &'static str) -> Self {
        let specs = queues().map(|spec| (spec.name.clone(), Arc::new(spec.clone())));
        Self { pool, outbox, source, specs: Arc::new(specs.collect()), copies: None }
    }

    /// The same, with the latest state of each task in the cache as well: [`Tasks::get`] reads it
    /// there.
    #[must_use]
    pub fn cached(mut self, cache: &Cache) -> Self {
        self.copies = Some(copy::kind(cache));
        self
    }

    /// The same without the cache: what is committed, whether the relay has told of it or not.
    #[must_use]
    pub fn uncached(&self) -> Self {
        Self { copies: None, ..self.clone() }
    }

    /// The same with other figures for a queue than nats/ says.
    #[must_use]
    pub fn with_queue(mut self, spec: QueueSpec) -> Self {
        Arc::make_mut(&mut self.specs).insert(spec.name.clone(), Arc::new(spec));
        self
    }

    /// The figures of a queue; `None` if nats/ has no such queue.
    #[must_use]
    pub fn spec(&self, queue: &str) -> Option<Arc<QueueSpec>> {
        self.specs.get(queue).cloned()
    }

    /// Creates a task that an event asks for, with its event and its job, or finds the one with the
    /// same `dedupe_key`. It is never refused: what a full queue doesn't take waits in the outbox.
    /// Call [`Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create(
        &self,
        tx: &mut PgConnection,
        new: NewTask<'_>,
    ) -> Result<Task, sqlx::Error> {
        let (task, is_new) = self.insert(tx, new, Uuid::now_v7()).await?;
        if is_new {
            self.append_job(tx, &task).await?;
        }
        Ok(task)
    }

    /// Writes a task that `job_id` is to work on, with its event, or finds the one with the same
    /// `dedupe_key`; and whether it is new.
    async fn insert(
        &self,
        tx: &mut PgConnection,
        new: NewTask<'_>,
        job_id: Uuid,
    ) -> Result<(Task, bool), sqlx::Error> {
        outbox::lock(tx, new.ordering_key).await?;
        let id = Uuid::now_v7();
        let created = changed!(
            "INSERT INTO tasks (id, job_id, kind, typename, queue, job_kind, ordering_key,
                                requested_by, input, dedupe_key, changed, priority)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (dedupe_key) DO NOTHING",
            id,
            job_id,
            new.kind,
            new.typename,
            new.queue,
            new.job_kind,
            new.ordering_key,
            new.requested_by,
            new.input,
            new.dedupe_key,
            new.changed,
            new.priority.as_str(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = created else {
            let known = found!("WHERE dedupe_key = $1", new.dedupe_key).fetch_one(tx).await?;
            return Ok((known, false));
        };
        self.outbox.append(tx, task.event(self.source, Class::Event)).await?;
        messaging::task_created(self.source, &task.queue, &task.kind);
        Ok((task, true))
    }

    /// As [`Tasks::create`], for a task that a request asks for: refused while as many tasks wait as
    /// the queue takes. Decided and accepted in one transaction, which those of other requests to
    /// the queue wait for.
    ///
    /// # Errors
    /// [`QueueError::Full`]: the caller rolls back. Or the database refuses.
    pub async fn request(
        &self,
        tx: &mut PgConnection,
        new: NewTask<'_>,
    ) -> Result<Task, QueueError> {
        outbox::lock(tx, new.ordering_key).await?;
        // What was accepted already isn't refused.
        let known =
            found!("WHERE dedupe_key = $1", new.dedupe_key).fetch_optional(&mut *tx).await?;
        if let Some(task) = known {
            return Ok(task);
        }
        self.admit(tx, new.queue).await?;
        Ok(self.create(tx, new).await?)
    }

    /// Starts work on a task, whatever job asks for it; `None` if it is final or gone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, id: Uuid) -> Result<Option<Claim>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !lock_task(&mut tx, id).await? {
            return Ok(None);
        }
        let started = changed!(
            "UPDATE tasks SET status = 'PROCESSING', attempts = attempts + 1, tries = tries + 1,
                    started_at = COALESCE(started_at, now()), alive_at = now(),
                    version = version + 1
             WHERE id = $1 AND status IN ('PENDING', 'PROCESSING')",
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = self.tell(&mut tx, started).await? else { return Ok(None) };
        tx.commit().await?;
        self.outbox.wake();
        Ok(Some(Claim { attempt: task.attempts, task }))
    }

    /// Whether a claim still holds, keeping it so until the end of the transaction: effects of the
    /// work that are written in it can't come from a worker that was given up.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn holds(&self, tx: &mut PgConnection, claim: &Claim) -> Result<bool, sqlx::Error> {
        outbox::lock(tx, claim.task.ordering_key).await?;
        let held = sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'
             FOR SHARE",
            claim.task.id,
            claim.attempt,
        )
        .fetch_optional(tx)
        .await?;
        Ok(held.is_some())
    }

    /// Notes progress (percent; more than 99 counts as 99, since only completion is 100) and tells
    /// it, at most once a second: what comes sooner is left out, so that nobody reads what wasn't
    /// told. Progress never falls. `false` if the claim doesn't hold any more: the work should end
    /// then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn progress(&self, claim: &Claim, percent: u8) -> Result<bool, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        outbox::lock(&mut tx, claim.task.ordering_key).await?;
        let moved = changed!(
            "UPDATE tasks SET progress = $3, progress_sent_at = clock_timestamp(),
                    version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING' AND progress < $3
               AND (progress_sent_at IS NULL
                    OR progress_sent_at <= clock_timestamp() - make_interval(secs => $4))",
            claim.task.id,
            claim.attempt,
            i32::from(percent.min(99)),
            Duration::from_millis(PROGRESS_EVERY_MS).as_secs_f64(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = moved else {
            drop(tx);
            return self.still_holds(claim).await;
        };
        self.outbox.append(&mut tx, task.event(self.source, Class::Live)).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(true)
    }

    /// Completes a task in the transaction of its effects. `false` if the claim doesn't hold any
    /// more: then the caller must roll back.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn complete(
        &self,
        tx: &mut PgConnection,
        claim: &Claim,
    ) -> Result<bool, sqlx::Error> {
        outbox::lock(tx, claim.task.ordering_key).await?;
        let done = changed!(
            "UPDATE tasks SET status = 'COMPLETED', progress = 100, completed_at = now(),
                    version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, done).await.map(|task| task.is_some())
    }

    /// Ends a task as FAILED. `code` is stable and public, `message` is for people and public too.
    /// `false` if the claim doesn't hold any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fail(
        &self,
        tx: &mut PgConnection,
        claim: &Claim,
        code: &str,
        message: &str,
    ) -> Result<bool, sqlx::Error> {
        outbox::lock(tx, claim.task.ordering_key).await?;
        let message: String = message.chars().take(ERROR_MESSAGE_MAX_CHARS).collect();
        let failed = changed!(
            "UPDATE tasks SET status = 'FAILED', error_code = $3, error_message = $4,
                    completed_at = now(), version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
            code,
            message,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, failed).await.map(|task| task.is_some())
    }

    /// Puts a FAILED task back into its queue; `None` if it isn't FAILED or doesn't exist. It is
    /// never refused. Call [`Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn retry(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Task>, sqlx::Error> {
        if !lock_task(tx, id).await? {
            return Ok(None);
        }
        let waiting = changed!(
            "UPDATE tasks SET status = 'PENDING', error_code = NULL, error_message = NULL,
                    completed_at = NULL, queued_at = now(), tries = 0, job_id = $2,
                    version = version + 1
             WHERE id = $1 AND status = 'FAILED'",
            id,
            Uuid::now_v7(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = self.tell(tx, waiting).await? else { return Ok(None) };
        self.append_job(tx, &task).await?;
        Ok(Some(task))
    }

    /// As [`Tasks::retry`], when a request asks for it: refused while the queue is full.
    ///
    /// # Errors
    /// [`QueueError::Full`]: the caller rolls back. Or the database refuses.
    pub async fn request_retry(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Task>, QueueError> {
        if !lock_task(tx, id).await? {
            return Ok(None);
        }
        let queue =
            sqlx::query_scalar!("SELECT queue FROM tasks WHERE id = $1 AND status = 'FAILED'", id);
        let Some(queue) = queue.fetch_optional(&mut *tx).await? else { return Ok(None) };
        self.admit(tx, &queue).await?;
        Ok(self.retry(tx, id).await?)
    }

    /// Calls a task off; `None` if it is final already or doesn't exist. A worker that is at it is
    /// stopped within a heartbeat. Call [`Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cancel(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Task>, sqlx::Error> {
        if !lock_task(tx, id).await? {
            return Ok(None);
        }
        let cancelled = changed!(
            "UPDATE tasks SET status = 'CANCELLED', completed_at = now(), version = version + 1
             WHERE id = $1 AND status IN ('PENDING', 'PROCESSING')",
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, cancelled).await
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    async fn tell(
        &self,
        tx: &mut PgConnection,
        changed: Option<Task>,
    ) -> Result<Option<Task>, sqlx::Error> {
        if let Some(task) = &changed {
            self.outbox.append(tx, task.event(self.source, Class::Event)).await?;
            if task.status.is_final() {
                let status = task.status.as_str();
                messaging::task_ended(self.source, &task.kind, status, task.started_at);
            }
        }
        Ok(changed)
    }

    async fn append_job(&self, tx: &mut PgConnection, task: &Task) -> Result<(), sqlx::Error> {
        let job = NewJob {
            queue: &task.queue,
            kind: &task.job_kind,
            task_id: task.id,
            priority: task.priority,
        };
        self.outbox.append_job_as(tx, task.job_id, job).await
    }
}

/// Takes the lock of a task's ordering key; `false` if there is no such task.
async fn lock_task(tx: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    // The ordering key never changes, so that reading it needs no lock.
    let key = sqlx::query_scalar!("SELECT ordering_key FROM tasks WHERE id = $1", id)
        .fetch_optional(&mut *tx)
        .await?;
    match key {
        Some(key) => outbox::lock(tx, key).await.map(|()| true),
        None => Ok(false),
    }
}
