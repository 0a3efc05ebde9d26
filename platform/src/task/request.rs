//! What people ask of tasks that are there: another try, and calling it off.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{NewTask, Task, TaskStatus, Tasks};
use crate::departure;
use crate::error::{Refused, UserError};
use crate::idempotency::Once;

/// Takes people's requests, each in a transaction of its own. Whoever hands them on has checked that
/// the asker may see the task, or what it is to be about.
#[derive(Clone, Debug)]
pub struct Requests(Tasks);

/// What asking for work leads to.
#[derive(Debug)]
pub enum Asked<'a> {
    /// Such work was asked for before, or is on its way: this is its task.
    There(Task),
    /// It is new.
    New(Asking<'a>),
}

/// A request for new work, in its transaction.
#[derive(Debug)]
pub struct Asking<'a> {
    tasks: Tasks,
    once: Once<'a>,
    tx: Transaction<'static, Postgres>,
}

impl Requests {
    /// Requests for these tasks.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        Self(tasks)
    }

    /// Asks for work; once for each idempotency key.
    ///
    /// # Errors
    /// `NO_ACCOUNT`; inner ones, masked.
    pub async fn ask<'a>(&self, once: Once<'a>) -> Result<Asked<'a>, Refused> {
        let mut tx = departure::begin(self.0.pool(), once.viewer()).await?;
        Ok(match once.answered(&mut tx).await? {
            Some(earlier) => Asked::There(self.known(earlier).await?),
            None => Asked::New(Asking { tasks: self.0.clone(), once, tx }),
        })
    }

    /// Asks for work of a kind for a group (an ordering key). While one is on its way, that is the answer: two who
    /// ask at once get the same task.
    ///
    /// # Errors
    /// As [`Requests::ask`].
    pub async fn ask_of<'a>(
        &self,
        once: Once<'a>,
        group: Uuid,
        typename: &str,
        kind: &str,
    ) -> Result<Asked<'a>, Refused> {
        let mut asking = match self.ask(once.of(group)).await? {
            Asked::New(asking) => asking,
            there @ Asked::There(_) => return Ok(there),
        };
        self.0.outbox().order(&mut asking.tx, group).await?;
        let open = self.0.open_of(&mut asking.tx, group, typename, Some(kind)).await?;
        let Some(open) = open.first() else { return Ok(Asked::New(asking)) };
        let task = self.known(*open).await?;
        Ok(Asked::There(asking.answer(task).await?))
    }

    /// Puts a failed task back into its queue; once for each idempotency key. `None`: the asker can't see it.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `TASK_NOT_RETRYABLE`, `NO_ACCOUNT`, `QUEUE_FULL`; inner ones, masked.
    pub async fn retry(&self, once: Once<'_>, id: Option<Uuid>) -> Result<Task, Refused> {
        self.retry_with(once, id, |_, _| async { Ok(()) }.boxed()).await
    }

    /// As [`Requests::retry`], with what else is to be written when the task is tried again.
    ///
    /// # Errors
    /// As [`Requests::retry`].
    pub async fn retry_with(
        &self,
        once: Once<'_>,
        id: Option<Uuid>,
        also: impl for<'t> FnOnce(&'t mut PgConnection, Uuid) -> BoxFuture<'t, sqlx::Result<()>> + Send,
    ) -> Result<Task, Refused> {
        let id = id.ok_or_else(not_found)?;
        let mut tx = departure::begin(self.0.pool(), once.viewer()).await?;
        if once.of(id).is_repeated(&mut tx).await? {
            return self.known(id).await;
        }
        let Some(task) = self.0.request_retry(&mut tx, id).await? else {
            let message = "Only a failed task can be tried again.";
            return Err(UserError::new("TASK_NOT_RETRYABLE", message).on("taskId").into());
        };
        also(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(task)
    }

    /// Calls a task off; one that is called off already stays so. Once for each idempotency key. `None`: the asker
    /// can't see it.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `NO_ACCOUNT`, `ILLEGAL_STATUS` for one that is finished; inner ones, masked.
    pub async fn cancel(&self, once: Once<'_>, id: Option<Uuid>) -> Result<Task, Refused> {
        let id = id.ok_or_else(not_found)?;
        let mut tx = departure::begin(self.0.pool(), once.viewer()).await?;
        if once.of(id).is_repeated(&mut tx).await? {
            return self.known(id).await;
        }
        if let Some(task) = self.0.cancel(&mut tx, id).await? {
            self.commit(tx).await?;
            return Ok(task);
        }
        // Not the cached copy: it may be of a moment before.
        let now = self.0.fresh(&[id]).await?.remove(&id);
        now.filter(|task| task.status == TaskStatus::Cancelled).ok_or_else(|| {
            UserError::new("ILLEGAL_STATUS", "The task is finished already.").on("taskId").into()
        })
    }

    async fn commit(&self, tx: Transaction<'static, Postgres>) -> Result<(), sqlx::Error> {
        tx.commit().await?;
        self.0.outbox().wake();
        Ok(())
    }

    /// A task that is there, as it is now.
    async fn known(&self, id: Uuid) -> Result<Task, Refused> {
        let task = self.0.uncached().get(&[id]).await?.remove(&id);
        Ok(task.ok_or_else(not_found)?)
    }
}

impl Asking<'_> {
    /// The transaction.
    pub fn tx(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Puts the work into its queue, in the asker's name.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn request(&mut self, new: NewTask<'_>) -> Result<Task, Refused> {
        let new = NewTask { requested_by: Some(self.once.viewer()), ..new };
        Ok(self.tasks.request(&mut self.tx, new).await?)
    }

    /// Ends the transaction with a task as its answer, or with the answer that was given to the key meanwhile.
    ///
    /// # Errors
    /// Inner ones, masked.
    pub async fn answer(mut self, task: Task) -> Result<Task, Refused> {
        let requests = Requests(self.tasks);
        if let Some(earlier) = self.once.answer(&mut self.tx, task.id).await? {
            drop(self.tx);
            return requests.known(earlier).await;
        }
        requests.commit(self.tx).await?;
        Ok(task)
    }
}

/// What somebody is told who names a task that isn't there, or isn't theirs to see.
fn not_found() -> UserError {
    UserError::new("TASK_NOT_FOUND", "There is no such task.").on("taskId")
}
