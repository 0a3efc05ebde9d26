//! What people ask of tasks.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use futures::FutureExt as _;
use platform::error::{Refused, UserError};
use platform::idempotency::Once;
use platform::identity::Identity;
use platform::task::{Requests, Task};
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::refusal::Refusal;
use crate::schema::access::{self, may_see};
use crate::schema::query;
use crate::schema::task::TranscriptTask;
use crate::store::part;
use crate::verification::Verifier;

/// Which failed task to try again.
#[derive(Debug, InputObject)]
pub struct RetryTranscriptTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which task to call off.
#[derive(Debug, InputObject)]
pub struct CancelTranscriptTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is to be looked at.
#[derive(Debug, InputObject)]
pub struct RequestVerificationInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What asking for a verification came to.
#[derive(Debug, SimpleObject)]
pub struct RequestVerificationPayload {
    /// The task; null when it was refused.
    pub task: Option<TranscriptTask>,
    /// What the user can mend.
    pub user_errors: Vec<UserError>,
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

/// Changes of tasks that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaskMutation;

#[Object]
impl TaskMutation {
    /// Asks for a look at a meeting's text and minutes: what the recogniser wasn't sure of, long silence,
    /// empty sections. While one is on its way, that is the answer. User errors: MEETING_NOT_FOUND,
    /// TRANSCRIPT_NOT_READY.
    async fn request_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting.")] input: RequestVerificationInput,
    ) -> Result<RequestVerificationPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let visible = match access::id(&input.meeting_id) {
            Some(meeting) => may_see(ctx, meeting).await?.then_some(meeting),
            None => None,
        };
        let (verifier, key) = (ctx.data::<Verifier>()?, input.idempotency_key.as_deref());
        let ask = async |once| match visible {
            Some(meeting) => verifier.ask(once, meeting).await,
            None => Err(UserError::from(Refusal::MeetingNotFound).into()),
        };
        let outcome = Once::ask(viewer, "requestVerification", key, ask).await;
        let (task, user_errors) = told(outcome)?;
        Ok(RequestVerificationPayload { task, user_errors })
    }

    /// Puts a failed task back into the queue; a transcription goes on where it stopped, and tries the parts
    /// of the recording again that couldn't be read.
    /// User errors: TASK_NOT_FOUND, TASK_NOT_RETRYABLE, RECORDING_DELETED when its recording isn't kept any more.
    async fn retry_transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryTranscriptTaskInput,
    ) -> Result<RetryTranscriptTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, pool) = (ctx.data::<Requests>()?, ctx.data::<PgPool>()?);
        let (id, key) = (known(ctx, &input.task_id).await?, input.idempotency_key.as_deref());
        let retry = async |once| {
            if let Some(id) = id
                && part::needs_deleted(pool, id).await?
            {
                return Err(UserError::from(Refusal::RecordingDeleted).into());
            }
            requests.retry_with(once, id, |tx, id| part::try_again(tx, id).boxed()).await
        };
        let outcome = Once::ask(viewer, "retryTranscriptTask", key, retry).await;
        let (task, user_errors) = told(outcome)?;
        Ok(RetryTranscriptTaskPayload { task, user_errors })
    }

    /// Calls a task off that isn't finished. One that is called off already stays so.
    /// User errors: TASK_NOT_FOUND, ILLEGAL_STATUS.
    async fn cancel_transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelTranscriptTaskInput,
    ) -> Result<CancelTranscriptTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, key) = (ctx.data::<Requests>()?, input.idempotency_key.as_deref());
        let id = known(ctx, &input.task_id).await?;
        let cancel = |once| requests.cancel(once, id);
        let outcome = Once::ask(viewer, "cancelTranscriptTask", key, cancel).await;
        let (task, user_errors) = told(outcome)?;
        Ok(CancelTranscriptTaskPayload { task, user_errors })
    }
}

fn told(
    outcome: std::result::Result<Task, Refused>,
) -> Result<(Option<TranscriptTask>, Vec<UserError>)> {
    Ok(match outcome {
        Ok(task) => (Some(TranscriptTask(task)), Vec::new()),
        Err(refused) => (None, refused.told()?),
    })
}

/// A task of a meeting that the viewer takes part in.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Ok(query::task(ctx, task).await?.map(|task| task.0.id))
}
