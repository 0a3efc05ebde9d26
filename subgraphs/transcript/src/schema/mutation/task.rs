//! What people ask of tasks.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use futures::FutureExt as _;
use platform::error::{Internal as _, UserError};
use platform::idempotency::Once;
use platform::identity::Identity;
use platform::task::Requests;
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
        let once = Once::new(viewer, "requestVerification", input.idempotency_key.as_deref());
        let outcome = match (once, visible) {
            (Err(error), _) => Err(error),
            (Ok(once), Some(meeting)) => ctx.data::<Verifier>()?.ask(once, meeting).await?,
            (Ok(_), None) => Err(Refusal::MeetingNotFound.into()),
        };
        let (task, user_errors) = told(outcome);
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
        let once = Once::new(viewer, "retryTranscriptTask", input.idempotency_key.as_deref());
        let outcome = match (once, known(ctx, &input.task_id).await?) {
            (Err(error), _) => Err(error),
            (Ok(_), Some(id))
                if part::needs_deleted(ctx.data::<PgPool>()?, id).await.internal()? =>
            {
                Err(Refusal::RecordingDeleted.into())
            }
            (Ok(once), Some(id)) => {
                let requests = ctx.data::<Requests>()?;
                requests.retry_with(once, id, |tx| part::try_again(tx, id).boxed()).await?
            }
            (Ok(_), None) => Err(Requests::not_found()),
        };
        let (task, user_errors) = told(outcome);
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
        let once = Once::new(viewer, "cancelTranscriptTask", input.idempotency_key.as_deref());
        let outcome = match (once, known(ctx, &input.task_id).await?) {
            (Err(error), _) => Err(error),
            (Ok(once), Some(id)) => ctx.data::<Requests>()?.cancel(once, id).await?,
            (Ok(_), None) => Err(Requests::not_found()),
        };
        let (task, user_errors) = told(outcome);
        Ok(CancelTranscriptTaskPayload { task, user_errors })
    }
}

fn told(
    outcome: std::result::Result<platform::task::Task, UserError>,
) -> (Option<TranscriptTask>, Vec<UserError>) {
    match outcome {
        Ok(task) => (Some(TranscriptTask(task)), Vec::new()),
        Err(error) => (None, vec![error]),
    }
}

/// A task of a meeting that the viewer takes part in.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Ok(query::task(ctx, task).await?.map(|task| task.0.id))
}
