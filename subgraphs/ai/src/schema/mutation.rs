//! Work that people ask for.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use platform::access::{self, may_see};
use platform::error::UserError;
use platform::identity::Identity;
use platform::task::Requests;
use uuid::Uuid;

use super::query;
use super::task::AiTask;
use crate::domain::kind::Kind;
use crate::request::Desk;

/// Of which meeting a summary is asked for.
#[derive(Debug, InputObject)]
pub struct RequestSummaryInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
}

/// Of which meeting a schedule is asked for.
#[derive(Debug, InputObject)]
pub struct RequestScheduleInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
}

/// Of which meeting an analysis is asked for.
#[derive(Debug, InputObject)]
pub struct RequestAnalysisInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
}

/// Which failed task to try again.
#[derive(Debug, InputObject)]
pub struct RetryAiTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
}

/// Which task to call off.
#[derive(Debug, InputObject)]
pub struct CancelAiTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
}

/// A task as it stands after a mutation, or why nothing changed.
#[derive(Debug, SimpleObject)]
pub struct AiTaskPayload {
    /// The task; null when refused.
    pub task: Option<AiTask>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl AiTaskPayload {
    fn tell(outcome: std::result::Result<platform::task::Task, UserError>) -> Self {
        match outcome {
            Ok(task) => Self { task: Some(AiTask(task)), user_errors: Vec::new() },
            Err(error) => Self { task: None, user_errors: vec![error] },
        }
    }
}

/// Work that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Asks for a summary, in place of the one that is there; while one is on its way, that is the
    /// answer. User errors: MEETING_NOT_FOUND, TRANSCRIPT_NOT_READY.
    async fn request_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting.")] input: RequestSummaryInput,
    ) -> Result<AiTaskPayload> {
        ask(ctx, &input.meeting_id, Kind::Summary).await
    }

    /// Asks for follow-up meetings and deadlines, likewise. User errors: MEETING_NOT_FOUND,
    /// TRANSCRIPT_NOT_READY.
    async fn request_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting.")] input: RequestScheduleInput,
    ) -> Result<AiTaskPayload> {
        ask(ctx, &input.meeting_id, Kind::Schedule).await
    }

    /// Asks for an analysis, likewise. User errors: MEETING_NOT_FOUND, TRANSCRIPT_NOT_READY.
    async fn request_analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting.")] input: RequestAnalysisInput,
    ) -> Result<AiTaskPayload> {
        ask(ctx, &input.meeting_id, Kind::Analysis).await
    }

    /// Puts a failed task back into the queue. User errors: TASK_NOT_FOUND, TASK_NOT_RETRYABLE.
    async fn retry_ai_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryAiTaskInput,
    ) -> Result<AiTaskPayload> {
        Ok(AiTaskPayload::tell(match known(ctx, &input.task_id).await? {
            Some(id) => ctx.data::<Requests>()?.retry(id).await?,
            None => Err(Requests::not_found()),
        }))
    }

    /// Calls a task off that isn't finished. User errors: TASK_NOT_FOUND, ILLEGAL_STATUS.
    async fn cancel_ai_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelAiTaskInput,
    ) -> Result<AiTaskPayload> {
        Ok(AiTaskPayload::tell(match known(ctx, &input.task_id).await? {
            Some(id) => ctx.data::<Requests>()?.cancel(id).await?,
            None => Err(Requests::not_found()),
        }))
    }
}

async fn ask(ctx: &Context<'_>, meeting: &ID, kind: Kind) -> Result<AiTaskPayload> {
    let viewer = Identity::from_ctx(ctx).viewer()?.id;
    let visible = match access::id(meeting) {
        Some(meeting) => may_see(ctx, meeting).await?.then_some(meeting),
        None => None,
    };
    Ok(AiTaskPayload::tell(match visible {
        Some(meeting) => ctx.data::<Desk>()?.ask(viewer, meeting, kind).await?,
        None => {
            let message = "there is no such meeting";
            Err(UserError::new("MEETING_NOT_FOUND", message).on("meetingId"))
        }
    }))
}

/// A task of a meeting that the viewer takes part in.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Identity::from_ctx(ctx).viewer()?;
    Ok(query::task(ctx, task).await?.map(|task| task.0.id))
}
