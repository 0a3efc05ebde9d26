//! What the queue does to tasks: admits them, starts them, and takes care of those left behind.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::opening::NO_JOB;
use super::{Task, Tasks, changed, lock_task};
use crate::queue::{GIVEN_UP, QueueError};
use crate::task::{Claim, EXPIRED};
use crate::topology::QueueSpec;

/// Space of the queues' advisory locks ("queu"); ordering keys' locks are of the one-number kind.
const LOCK_SPACE: i32 = 0x7175_6575;

/// What became of a job that asks for its task.
#[derive(Debug)]
pub(crate) enum Start {
    /// The work may begin.
    Claimed(Box<Claim>),
    /// The task had waited too long, and is FAILED now.
    Expired,
    /// The task was tried as often as it may be; the claim serves to end it.
    Exhausted(Box<Claim>),
    /// The task is final, gone, or waits for a later job.
    Void,
}

impl Tasks {
    /// Refuses if as many tasks wait as the queue takes. Whoever else asks waits until the end of
    /// this transaction, so that two requests don't both take the last place.
    pub(super) async fn admit(&self, tx: &mut PgConnection, queue: &str) -> Result<(), QueueError> {
        let Some(spec) = self.spec(queue) else {
            return Err(
                sqlx::Error::Configuration(format!("no queue {queue} in nats/").into()).into()
            );
        };
        sqlx::query!("SELECT pg_advisory_xact_lock($1, hashtext($2))", LOCK_SPACE, queue)
            .execute(&mut *tx)
            .await?;
        if self.pending(tx, queue).await? >= spec.pending_max {
            return Err(QueueError::Full {
                queue: spec.name.clone(),
                retry_after: spec.retry_after,
            });
        }
        Ok(())
    }

    /// How many tasks of a queue wait for a worker, as the transaction sees it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pending(&self, tx: &mut PgConnection, queue: &str) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM tasks
               WHERE queue = $1 AND status = 'PENDING' AND job_id <> $2"#,
            queue,
            NO_JOB,
        );
        count.fetch_one(tx).await
    }

    /// Starts work on a task for a job, if it is the task's latest, within the queue's figures.
    pub(crate) async fn start_job(
        &self,
        id: Uuid,
        job_id: Uuid,
        spec: &QueueSpec,
    ) -> Result<Start, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !lock_task(&mut tx, id).await? {
            return Ok(Start::Void);
        }
        let oldest_s = spec.oldest.as_secs_f64();
        if self.expire(&mut tx, id, Some(job_id), oldest_s).await?.is_some() {
            tx.commit().await?;
            return Ok(Start::Expired);
        }
        let started = changed!(
            "UPDATE tasks SET status = 'PROCESSING', attempts = attempts + 1, tries = tries + 1,
                    started_at = COALESCE(started_at, now()), alive_at = now(),
                    version = version + 1
             WHERE id = $1 AND job_id = $2 AND status IN ('PENDING', 'PROCESSING')",
            id,
            job_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(task) = started else { return Ok(Start::Void) };
        let exhausted = task.tries > spec.tries_max;
        let claim = Box::new(Claim { attempt: task.attempts, task: task.clone() });
        if !exhausted {
            self.tell(&mut tx, Some(task)).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(if exhausted { Start::Exhausted(claim) } else { Start::Claimed(claim) })
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

    /// Notes a sign of life; `false` if the claim doesn't hold any more.
    pub(crate) async fn beat(&self, claim: &Claim) -> Result<bool, sqlx::Error> {
        let alive = sqlx::query!(
            "UPDATE tasks SET alive_at = now()
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
        )
        .execute(&self.pool)
        .await?;
        Ok(alive.rows_affected() == 1)
    }

    /// Takes a try back: the work was interrupted through no fault of its own.
    pub(crate) async fn hand_back(&self, claim: &Claim) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE tasks SET tries = tries - 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING' AND tries > 0",
            claim.task.id,
            claim.attempt,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a task out of the queue for `wait`, still PROCESSING but without a job, and takes the try
    /// back; `false` if it was queued longer than `longest` ago, or the claim doesn't hold any more.
    pub(crate) async fn put_off(
        &self,
        claim: &Claim,
        wait: Duration,
        longest: Duration,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "UPDATE tasks SET job_id = $3, tries = GREATEST(tries - 1, 0),
                    resume_at = now() + make_interval(secs => $4)
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'
               AND queued_at > now() - make_interval(secs => $5)",
            claim.task.id,
            claim.attempt,
            NO_JOB,
            wait.as_secs_f64(),
            longest.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives one task another job whose time to go on has come; `None` if there is none.
    pub(crate) async fn resume_one(&self, queue: &str) -> Result<Option<Task>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM tasks
             WHERE queue = $1 AND status = 'PROCESSING' AND resume_at <= now()
             ORDER BY resume_at LIMIT 1",
            queue,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = found else { return Ok(None) };
        lock_task(&mut tx, id).await?;
        let task = changed!(
            "UPDATE tasks SET job_id = $2, resume_at = NULL, alive_at = now()
             WHERE id = $1 AND status = 'PROCESSING' AND resume_at <= now()",
            id,
            Uuid::now_v7(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(task) = &task {
            self.append_job(&mut tx, task).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(task)
    }

    /// Ends one task that waits for its first worker for longer than `oldest` as FAILED with
    /// [`EXPIRED`], in a transaction of its own; `None` if there is none.
    pub(crate) async fn expire_one(
        &self,
        queue: &str,
        oldest: Duration,
    ) -> Result<Option<Task>, sqlx::Error> {
        let oldest_s = oldest.as_secs_f64();
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM tasks
             WHERE queue = $1 AND status = 'PENDING' AND queued_at < now() - make_interval(secs => $2)
               AND job_id <> $3
             ORDER BY queued_at LIMIT 1",
            queue,
            oldest_s,
            NO_JOB,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = found else { return Ok(None) };
        lock_task(&mut tx, id).await?;
        let expired = self.expire(&mut tx, id, None, oldest_s).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(expired)
    }

    /// Ends a task that waits for too long; `job_id`: only if it waits for that job.
    async fn expire(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        job_id: Option<Uuid>,
        oldest_s: f64,
    ) -> Result<Option<Task>, sqlx::Error> {
        let expired = changed!(
            "UPDATE tasks SET status = 'FAILED', error_code = $3, completed_at = now(),
                    error_message = 'No worker was free in time.', version = version + 1
             WHERE id = $1 AND status = 'PENDING'
               AND queued_at < now() - make_interval(secs => $2)
               AND job_id = COALESCE($4, job_id)",
            id,
            oldest_s,
            EXPIRED,
            job_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        self.tell(tx, expired).await
    }

    /// Ends the task of a job that nobody gets any more; `false` if it is final or waits for a later
    /// job.
    pub(crate) async fn give_up(&self, id: Uuid, job_id: Uuid) -> Result<bool, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !lock_task(&mut tx, id).await? {
            return Ok(false);
        }
        let failed = changed!(
            "UPDATE tasks SET status = 'FAILED', error_code = $3, completed_at = now(),
                    error_message = 'It was given up before anybody could finish it.',
                    version = version + 1
             WHERE id = $1 AND job_id = $2 AND status IN ('PENDING', 'PROCESSING')",
            id,
            job_id,
            GIVEN_UP,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let failed = self.tell(&mut tx, failed).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(failed.is_some())
    }

    /// Gives one task another job whose worker gave no sign of life for `silent`: its job is lost,
    /// or its worker. `None` if there is none.
    pub(crate) async fn adopt_one(
        &self,
        queue: &str,
        silent: Duration,
    ) -> Result<Option<Task>, sqlx::Error> {
        let silent_s = silent.as_secs_f64();
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM tasks
             WHERE queue = $1 AND status = 'PROCESSING'
               AND resume_at IS NULL
               AND COALESCE(alive_at, started_at) < now() - make_interval(secs => $2)
             LIMIT 1",
            queue,
            silent_s,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = found else { return Ok(None) };
        lock_task(&mut tx, id).await?;
        let task = changed!(
            "UPDATE tasks SET job_id = $2, alive_at = now()
             WHERE id = $1 AND status = 'PROCESSING' AND resume_at IS NULL
               AND COALESCE(alive_at, started_at) < now() - make_interval(secs => $3)",
            id,
            Uuid::now_v7(),
            silent_s,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(task) = &task {
            self.append_job(&mut tx, task).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(task)
    }

    /// Appends new jobs for all unfinished tasks of a queue, for a job stream that was lost; jobs
    /// that still exist become stale. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn requeue(&self, queue: &str) -> Result<u64, sqlx::Error> {
        let open = sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE queue = $1 AND status IN ('PENDING', 'PROCESSING')
               AND job_id <> $2
             ORDER BY queued_at",
            queue,
            NO_JOB,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut count = 0;
        for id in open {
            let mut tx = self.pool.begin().await?;
            lock_task(&mut tx, id).await?;
            let task = changed!(
                "UPDATE tasks SET job_id = $2 WHERE id = $1
                   AND status IN ('PENDING', 'PROCESSING')",
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
}
