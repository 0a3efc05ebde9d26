//! Changes that people ask for.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use platform::error::{Internal as _, UserError};
use platform::identity::Identity;
use platform::outbox::Outbox;
use platform::queue::QueueError;
use platform::task::{TaskStatus, Tasks};
use sqlx::PgPool;

use super::query;
use super::task::TranscriptTask;

/// What mutations write with.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The service's database.
    pub pool: PgPool,
    /// Its tasks.
    pub tasks: Tasks,
    /// Its outbox.
    pub outbox: Outbox,
}

/// Which failed task to try again.
#[derive(Debug, InputObject)]
pub struct RetryTranscriptTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
}

/// Which task to call off.
#[derive(Debug, InputObject)]
pub struct CancelTranscriptTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
}

/// What trying again came to.
#[derive(Debug, SimpleObject)]
pub struct RetryTranscriptTaskPayload {
    /// The task as it is now; null when it was refused.
    pub task: Option<TranscriptTask>,
    /// What the user can mend.
    pub user_errors: Vec<UserError>,
}

/// What calling off came to.
#[derive(Debug, SimpleObject)]
pub struct CancelTranscriptTaskPayload {
    /// The task as it is now; null when it was refused.
    pub task: Option<TranscriptTask>,
    /// What the user can mend.
    pub user_errors: Vec<UserError>,
}

/// Changes that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Puts a failed transcription back into the queue; it goes on where it stopped.
    async fn retry_transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryTranscriptTaskInput,
    ) -> Result<RetryTranscriptTaskPayload> {
        Ok(match retry(ctx, &input.task_id).await? {
            Ok(task) => RetryTranscriptTaskPayload { task: Some(task), user_errors: Vec::new() },
            Err(error) => RetryTranscriptTaskPayload { task: None, user_errors: vec![error] },
        })
    }

    /// Calls a transcription off that isn't finished. One that is called off already stays so.
    async fn cancel_transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelTranscriptTaskInput,
    ) -> Result<CancelTranscriptTaskPayload> {
        Ok(match cancel(ctx, &input.task_id).await? {
            Ok(task) => CancelTranscriptTaskPayload { task: Some(task), user_errors: Vec::new() },
            Err(error) => CancelTranscriptTaskPayload { task: None, user_errors: vec![error] },
        })
    }
}

type Answer = std::result::Result<TranscriptTask, UserError>;

async fn retry(ctx: &Context<'_>, id: &ID) -> Result<Answer> {
    let Some(known) = find(ctx, id).await? else { return Ok(Err(not_found())) };
    let writer = ctx.data::<Writer>()?;
    let mut tx = writer.pool.begin().await.internal()?;
    let retried = writer.tasks.request_retry(&mut tx, known.0.id).await;
    let Some(task) = retried.map_err(QueueError::into_graphql)? else {
        return Ok(Err(refused("TASK_NOT_RETRYABLE", "Only a failed task can be tried again.")));
    };
    tx.commit().await.internal()?;
    writer.outbox.wake();
    Ok(Ok(TranscriptTask(task)))
}

async fn cancel(ctx: &Context<'_>, id: &ID) -> Result<Answer> {
    let Some(known) = find(ctx, id).await? else { return Ok(Err(not_found())) };
    let writer = ctx.data::<Writer>()?;
    let mut tx = writer.pool.begin().await.internal()?;
    if let Some(task) = writer.tasks.cancel(&mut tx, known.0.id).await.internal()? {
        tx.commit().await.internal()?;
        writer.outbox.wake();
        return Ok(Ok(TranscriptTask(task)));
    }
    let now = writer.tasks.get(&[known.0.id]).await.internal()?.remove(&known.0.id);
    Ok(now
        .filter(|task| task.status == TaskStatus::Cancelled)
        .map(TranscriptTask)
        .ok_or_else(|| refused("ILLEGAL_STATUS", "The task is finished already.")))
}

/// The task, if it is one of a meeting that the viewer takes part in.
async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<TranscriptTask>> {
    Identity::from_ctx(ctx).viewer()?;
    query::task(ctx, id).await
}

fn not_found() -> UserError {
    refused("TASK_NOT_FOUND", "There is no such task.")
}

/// What the user can mend about the task that the input names.
fn refused(code: &str, message: &str) -> UserError {
    UserError {
        code: code.to_owned(),
        field: Some("taskId".to_owned()),
        message: message.to_owned(),
    }
}
