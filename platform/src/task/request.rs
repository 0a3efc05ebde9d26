//! What people ask of tasks that are there: another try, and calling it off.

use async_graphql::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Task, TaskStatus, Tasks};
use crate::error::{Internal as _, UserError};
use crate::idempotency::Once;
use crate::queue::QueueError;

/// Takes people's requests, each in a transaction of its own. Whoever hands them on has checked that
/// the asker may see the task.
#[derive(Clone, Debug)]
pub struct Requests(Tasks);

impl Requests {
    /// Requests for these tasks.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        Self(tasks)
    }

    /// Puts a failed task back into its queue; once for each idempotency key.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked. That it hasn't failed is a user error.
    pub async fn retry(
        &self,
        once: Once<'_>,
        id: Uuid,
    ) -> Result<std::result::Result<Task, UserError>> {
        self.retry_with(once, id, |_| async { Ok(()) }.boxed()).await
    }

    /// As [`Requests::retry`], with what else is to be written when the task is tried again.
    ///
    /// # Errors
    /// As [`Requests::retry`].
    pub async fn retry_with(
        &self,
        once: Once<'_>,
        id: Uuid,
        also: impl for<'t> FnOnce(&'t mut PgConnection) -> BoxFuture<'t, sqlx::Result<()>> + Send,
    ) -> Result<std::result::Result<Task, UserError>> {
        let mut tx = self.0.pool().begin().await.internal()?;
        if once.of(id).is_repeated(&mut tx).await.internal()? {
            return self.known(id).await;
        }
        let retried = self.0.request_retry(&mut tx, id).await;
        let Some(task) = retried.map_err(QueueError::into_graphql)? else {
            let message = "Only a failed task can be tried again.";
            return Ok(Err(UserError::new("TASK_NOT_RETRYABLE", message).on("taskId")));
        };
        also(&mut tx).await.internal()?;
        tx.commit().await.internal()?;
        self.0.outbox().wake();
        Ok(Ok(task))
    }

    /// Calls a task off; one that is called off already stays so. Once for each idempotency key.
    ///
    /// # Errors
    /// Inner ones, masked. That it is finished is a user error.
    pub async fn cancel(
        &self,
        once: Once<'_>,
        id: Uuid,
    ) -> Result<std::result::Result<Task, UserError>> {
        let mut tx = self.0.pool().begin().await.internal()?;
        if once.of(id).is_repeated(&mut tx).await.internal()? {
            return self.known(id).await;
        }
        if let Some(task) = self.0.cancel(&mut tx, id).await.internal()? {
            tx.commit().await.internal()?;
            self.0.outbox().wake();
            return Ok(Ok(task));
        }
        // Not the cached copy: it may be of a moment before.
        let now = self.0.fresh(&[id]).await.internal()?.remove(&id);
        Ok(now.filter(|task| task.status == TaskStatus::Cancelled).ok_or_else(|| {
            UserError::new("ILLEGAL_STATUS", "The task is finished already.").on("taskId")
        }))
    }

    /// A task that was answered before, as it is now.
    async fn known(&self, id: Uuid) -> Result<std::result::Result<Task, UserError>> {
        let task = self.0.uncached().get(&[id]).await.internal()?.remove(&id);
        Ok(task.ok_or_else(Self::not_found))
    }

    /// What somebody is told who names a task that isn't there, or isn't theirs to see.
    #[must_use]
    pub fn not_found() -> UserError {
        UserError::new("TASK_NOT_FOUND", "There is no such task.").on("taskId")
    }
}
