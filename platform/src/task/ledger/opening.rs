//! Tasks whose work can't begin yet, because what it needs isn't there.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{NewTask, Task, Tasks, changed};
use crate::outbox;
use crate::task::Claim;

/// The job of a task that is only opened: none. No queue looks at such tasks.
pub(super) const NO_JOB: Uuid = Uuid::nil();

impl Tasks {
    /// Opens a task whose work can't begin yet: it is seen as PENDING, but isn't in the queue, counts
    /// against no limit and doesn't expire there. Or finds the one with the same `dedupe_key`.
    /// [`Tasks::submit`] puts it into the queue. Call [`crate::outbox::Outbox::wake`] after the
    /// commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn open(&self, tx: &mut PgConnection, new: NewTask<'_>) -> Result<Task, sqlx::Error> {
        self.insert(tx, new, NO_JOB).await.map(|(task, _)| task)
    }

    /// Puts the opened task with this `dedupe_key` into its queue, with what it needs as its input;
    /// `None` if there is none that is only opened. It is never refused. Call
    /// [`crate::outbox::Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn submit(
        &self,
        tx: &mut PgConnection,
        dedupe_key: &str,
        input: Value,
    ) -> Result<Option<Task>, sqlx::Error> {
        let key =
            sqlx::query_scalar!("SELECT ordering_key FROM tasks WHERE dedupe_key = $1", dedupe_key)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(key) = key else { return Ok(None) };
        outbox::lock(tx, key).await?;
        let submitted = changed!(
            "UPDATE tasks SET job_id = $2, input = $3, queued_at = now(), version = version + 1
             WHERE dedupe_key = $1 AND status = 'PENDING' AND job_id = $4",
            dedupe_key,
            Uuid::now_v7(),
            input,
            NO_JOB,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(task) = &submitted {
            self.append_job(tx, task).await?;
        }
        Ok(submitted)
    }

    /// Puts a claimed task back among those that are only opened, when all is done that can be done now
    /// and there will be more: it is PENDING until [`Tasks::submit`] puts it into its queue again, and
    /// its tries count anew. `false` if the claim doesn't hold any more: then the caller must roll back.
    /// Call [`crate::outbox::Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause(&self, tx: &mut PgConnection, claim: &Claim) -> Result<bool, sqlx::Error> {
        outbox::lock(tx, claim.task.ordering_key).await?;
        let paused = changed!(
            "UPDATE tasks SET status = 'PENDING', job_id = $3, tries = 0, queued_at = now(),
                    alive_at = NULL, version = version + 1
             WHERE id = $1 AND attempts = $2 AND status = 'PROCESSING'",
            claim.task.id,
            claim.attempt,
            NO_JOB,
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(self.tell(tx, paused).await?.is_some())
    }

    /// Calls off what was opened under this ordering key and never submitted, since what it waits for
    /// won't come; gives how many. Call [`crate::outbox::Outbox::wake`] after the commit.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn call_off_opened(
        &self,
        tx: &mut PgConnection,
        ordering_key: Uuid,
    ) -> Result<usize, sqlx::Error> {
        outbox::lock(tx, ordering_key).await?;
        let called_off = changed!(
            "UPDATE tasks SET status = 'CANCELLED', completed_at = now(), version = version + 1
             WHERE ordering_key = $1 AND status = 'PENDING' AND job_id = $2",
            ordering_key,
            NO_JOB,
        )
        .fetch_all(&mut *tx)
        .await?;
        let count = called_off.len();
        for task in called_off {
            self.tell(tx, Some(task)).await?;
        }
        Ok(count)
    }
}
