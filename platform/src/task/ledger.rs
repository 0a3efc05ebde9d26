//! The tasks of a service in its database: each change of a state with its event, and its job.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Claim, ERROR_MESSAGE_MAX_CHARS, EXPIRED, NewTask, PROGRESS_EVERY_MS, Task};
use crate::event::Class;
use crate::outbox::{self, Outbox};
use crate::queue::NewJob;

/// The tasks of a service.
#[derive(Clone, Debug)]
pub struct Tasks {
    pool: PgPool,
    outbox: Outbox,
    source: &'static str,
}

impl Tasks {
    /// The tasks in a service's database. `source` is the service's name, as its events tell it.
    #[must_use]
    pub fn new(pool: PgPool, outbox: Outbox, source: &'static str) -> Self {
        Self { pool, outbox, source }
    }

    /// Creates a task with its event and its job, or finds the one with the same `dedupe_key`. Call
    /// [`Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create(
        &self,
        tx: &mut PgConnection,
        new: NewTask<'_>,
    ) -> Result<Task, sqlx::Error> {
        outbox::lock(tx, new.ordering_key).await?;
        let (id, job_id) = (Uuid::now_v7(), Uuid::now_v7());
        let created = sqlx::query_as!(
            Task,
            "INSERT INTO tasks (id, job_id, kind, typename, queue, job_kind, ordering_key,
                                requested_by, input, dedupe_key, changed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (dedupe_key) DO NOTHING
             RETURNING *",
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
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = created else {
            return sqlx::query_as!(
                Task,
                "SELECT * FROM tasks WHERE dedupe_key = $1",
                new.dedupe_key
            )
            .fetch_one(tx)
            .await;
        };
        self.outbox.append(tx, task.event(self.source, Class::Event)).await?;
        self.append_job(tx, &task).await?;
        Ok(task)
    }

    /// Starts work on a task, whatever job asks for it; `None` if it is final or gone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, id: Uuid) -> Result<Option<Claim>, sqlx::Error> {
        self.start(id, None).await
    }

    /// As [`Tasks::claim`], and `None` as well if the task waits for a later job than this one.
    pub(crate) async fn claim_for(
        &self,
        id: Uuid,
        job_id: Uuid,
    ) -> Result<Option<Claim>, sqlx::Error> {
        self.start(id, Some(job_id)).await
    }

    async fn start(&self, id: Uuid, job_id: Option<Uuid>) -> Result<Option<Claim>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !lock_task(&mut tx, id).await? {
            return Ok(None);
        }
        let started = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'PROCESSING', attempts = attempts + 1,
                    started_at = COALESCE(started_at, now()), version = version + 1
             WHERE id = $1 AND status IN ('PENDING', 'PROCESSING')
               AND job_id = COALESCE($2, job_id)
             RETURNING *",
            id,
            job_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = started else { return Ok(None) };
        self.outbox.append(&mut tx, task.event(self.source, Class::Event)).await?;
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

    /// Whether a claim holds at this moment. Says nothing about the next one: see [`Tasks::holds`].
    pub(crate) async fn still_holds(&self, claim: &Claim) -> Result<bool, sqlx::Error> {
        let held = sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(held.is_some())
    }

    /// Notes progress (percent; more than 99 counts as 99, since only completion is 100) and tells
    /// it, at most once a second. Progress never falls. `false` if the claim doesn't hold any more:
    /// the work should end then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn progress(&self, claim: &Claim, percent: u8) -> Result<bool, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        outbox::lock(&mut tx, claim.task.ordering_key).await?;
        let moved = sqlx::query!(
            "UPDATE tasks SET progress = GREATEST(progress, $3)
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
            i32::from(percent.min(99)),
        )
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        let due = sqlx::query_as!(
            Task,
            "UPDATE tasks SET progress_sent_at = clock_timestamp(), version = version + 1
             WHERE id = $1 AND progress > $2
               AND (progress_sent_at IS NULL
                    OR progress_sent_at <= clock_timestamp() - make_interval(secs => $3))
             RETURNING *",
            claim.task.id,
            claim.task.progress,
            Duration::from_millis(PROGRESS_EVERY_MS).as_secs_f64(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(task) = &due {
            self.outbox.append(&mut tx, task.event(self.source, Class::Live)).await?;
        }
        tx.commit().await?;
        if due.is_some() {
            self.outbox.wake();
        }
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
        let done = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'COMPLETED', progress = 100, completed_at = now(),
                    version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'
             RETURNING *",
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
        let failed = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'FAILED', error_code = $3, error_message = $4,
                    completed_at = now(), version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'
             RETURNING *",
            claim.task.id,
            claim.attempt,
            code,
            message,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, failed).await.map(|task| task.is_some())
    }

    /// Puts a FAILED task back into its queue; `None` if it isn't FAILED or doesn't exist. Call
    /// [`Outbox::wake`] after the commit.
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
        let waiting = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'PENDING', error_code = NULL, error_message = NULL,
                    completed_at = NULL, queued_at = now(), job_id = $2, version = version + 1
             WHERE id = $1 AND status = 'FAILED'
             RETURNING *",
            id,
            Uuid::now_v7(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = self.tell(tx, waiting).await? else { return Ok(None) };
        self.append_job(tx, &task).await?;
        Ok(Some(task))
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
        let cancelled = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'CANCELLED', completed_at = now(), version = version + 1
             WHERE id = $1 AND status IN ('PENDING', 'PROCESSING')
             RETURNING *",
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, cancelled).await
    }

    /// Ends one task that waited for a worker since before `oldest` as FAILED with [`EXPIRED`], in
    /// a transaction of its own; `None` if there is none.
    pub(crate) async fn expire_one(
        &self,
        queue: &str,
        oldest: DateTime<Utc>,
    ) -> Result<Option<Task>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE queue = $1 AND status = 'PENDING' AND queued_at < $2
             ORDER BY queued_at LIMIT 1",
            queue,
            oldest,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = found else { return Ok(None) };
        lock_task(&mut tx, id).await?;
        let expired = sqlx::query_as!(
            Task,
            "UPDATE tasks SET status = 'FAILED', error_code = $3, completed_at = now(),
                    error_message = 'No worker was free in time.', version = version + 1
             WHERE id = $1 AND status = 'PENDING' AND queued_at < $2
             RETURNING *",
            id,
            oldest,
            EXPIRED,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let expired = self.tell(&mut tx, expired).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(expired)
    }

    /// Appends new jobs for all unfinished tasks of a queue, for a job stream that was lost; jobs
    /// that still exist become stale. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn requeue(&self, queue: &str) -> Result<u64, sqlx::Error> {
        let open = sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE queue = $1 AND status IN ('PENDING', 'PROCESSING')
             ORDER BY queued_at",
            queue,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut count = 0;
        for id in open {
            let mut tx = self.pool.begin().await?;
            lock_task(&mut tx, id).await?;
            let task = sqlx::query_as!(
                Task,
                "UPDATE tasks SET job_id = $2 WHERE id = $1
                   AND status IN ('PENDING', 'PROCESSING')
                 RETURNING *",
                id,
                Uuid::now_v7(),
            )
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(task) = task {
                self.append_job(&mut tx, &task).await?;
                count += 1;
            }
            tx.commit().await?;
        }
        self.outbox.wake();
        Ok(count)
    }

    /// How many tasks of a queue wait for a worker, as the transaction sees it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pending(&self, tx: &mut PgConnection, queue: &str) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM tasks WHERE queue = $1 AND status = 'PENDING'"#,
            queue
        );
        count.fetch_one(tx).await
    }

    /// Tasks by id; those that don't exist are missing in the answer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn get(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>, sqlx::Error> {
        let tasks = sqlx::query_as!(Task, "SELECT * FROM tasks WHERE id = ANY($1)", ids)
            .fetch_all(&self.pool)
            .await?;
        Ok(tasks.into_iter().map(|task| (task.id, task)).collect())
    }

    /// Tasks by ordering key, each key's oldest first; keys without tasks are missing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn of(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<Task>>, sqlx::Error> {
        let tasks = sqlx::query_as!(
            Task,
            "SELECT * FROM tasks WHERE ordering_key = ANY($1) ORDER BY created_at, id",
            keys
        )
        .fetch_all(&self.pool)
        .await?;
        let mut by_key: HashMap<Uuid, Vec<Task>> = HashMap::new();
        for task in tasks {
            by_key.entry(task.ordering_key).or_default().push(task);
        }
        Ok(by_key)
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
        }
        Ok(changed)
    }

    async fn append_job(&self, tx: &mut PgConnection, task: &Task) -> Result<(), sqlx::Error> {
        let job =
            NewJob { queue: &task.queue, kind: &task.job_kind, task_id: task.id, priority: 0 };
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
