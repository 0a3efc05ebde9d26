//! Work that people ask for.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use futures::future::try_join_all;
use platform::access::{self, may_see};
use platform::error::{Refused, UserError};
use platform::idempotency::Once;
use platform::identity::Identity;
use platform::task::{Requests, Task};
use uuid::Uuid;

use super::query;
use super::task::AiTask;
use crate::domain::across::MEETINGS_MAX;
use crate::domain::kind::Kind;
use crate::request::Desk;

/// Of which meeting a summary is asked for.
#[derive(Debug, InputObject)]
pub struct RequestSummaryInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Of which meeting a schedule is asked for.
#[derive(Debug, InputObject)]
pub struct RequestScheduleInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Of what an analysis is asked for: either one meeting or several.
#[derive(Debug, InputObject)]
pub struct RequestAnalysisInput {
    /// A meeting, whose text is there. Its analysis is for all who take part.
    pub meeting_id: Option<ID>,
    /// 1 to 20 meetings whose texts are there, all of which the viewer takes part in. Their analysis is for
    /// the viewer.
    pub meeting_ids: Option<Vec<ID>>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which failed task to try again.
#[derive(Debug, InputObject)]
pub struct RetryAiTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which task to call off.
#[derive(Debug, InputObject)]
pub struct CancelAiTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
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
    fn tell(outcome: std::result::Result<Task, Refused>) -> Result<Self> {
        Ok(match outcome {
            Ok(task) => Self { task: Some(AiTask(task)), user_errors: Vec::new() },
            Err(refused) => Self { task: None, user_errors: refused.told()? },
        })
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
        ask(ctx, &input.meeting_id, input.idempotency_key.as_deref(), Kind::Summary).await
    }

    /// Asks for follow-up meetings and deadlines, likewise. User errors: MEETING_NOT_FOUND,
    /// TRANSCRIPT_NOT_READY.
    async fn request_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting.")] input: RequestScheduleInput,
    ) -> Result<AiTaskPayload> {
        ask(ctx, &input.meeting_id, input.idempotency_key.as_deref(), Kind::Schedule).await
    }

    /// Asks for an analysis: of one meeting likewise, or over several. The latter is put together from what
    /// each meeting came to; the viewer sees of it the meetings that they take part in when they look. User
    /// errors: MEETING_NOT_FOUND, TRANSCRIPT_NOT_READY, INVALID_MEETINGS.
    async fn request_analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which meeting, or over which.")] input: RequestAnalysisInput,
    ) -> Result<AiTaskPayload> {
        let key = input.idempotency_key.as_deref();
        match (&input.meeting_id, &input.meeting_ids) {
            (Some(meeting), None) => ask(ctx, meeting, key, Kind::Analysis).await,
            (None, Some(meetings)) => ask_across(ctx, meetings, key).await,
            _ => {
                Identity::from_ctx(ctx).viewer()?;
                AiTaskPayload::tell(Err(invalid("name either a meeting or several").into()))
            }
        }
    }

    /// Puts a failed task back into the queue. User errors: TASK_NOT_FOUND, TASK_NOT_RETRYABLE.
    async fn retry_ai_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryAiTaskInput,
    ) -> Result<AiTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let key = input.idempotency_key.as_deref();
        let retry = |once| requests.retry(once, id);
        AiTaskPayload::tell(Once::ask(viewer, "retryAiTask", key, retry).await)
    }

    /// Calls a task off that isn't finished. User errors: TASK_NOT_FOUND, ILLEGAL_STATUS.
    async fn cancel_ai_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelAiTaskInput,
    ) -> Result<AiTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let key = input.idempotency_key.as_deref();
        let cancel = |once| requests.cancel(once, id);
        AiTaskPayload::tell(Once::ask(viewer, "cancelAiTask", key, cancel).await)
    }
}

async fn ask(
    ctx: &Context<'_>,
    meeting: &ID,
    key: Option<&str>,
    kind: Kind,
) -> Result<AiTaskPayload> {
    let viewer = Identity::from_ctx(ctx).viewer()?.id;
    let visible = match access::id(meeting) {
        Some(meeting) => may_see(ctx, meeting).await?.then_some(meeting),
        None => None,
    };
    let desk = ctx.data::<Desk>()?;
    let ask = async |once| match visible {
        Some(meeting) => desk.ask(once, meeting, kind).await,
        None => {
            let message = "there is no such meeting";
            Err(UserError::new("MEETING_NOT_FOUND", message).on("meetingId").into())
        }
    };
    AiTaskPayload::tell(Once::ask(viewer, kind.mutation(), key, ask).await)
}

async fn ask_across(
    ctx: &Context<'_>,
    meetings: &[ID],
    key: Option<&str>,
) -> Result<AiTaskPayload> {
    let viewer = Identity::from_ctx(ctx).viewer()?.id;
    let desk = ctx.data::<Desk>()?;
    let ask = async |once| desk.ask_across(once, &all_seen(ctx, meetings).await?).await;
    AiTaskPayload::tell(Once::ask(viewer, Kind::Analysis.mutation(), key, ask).await)
}

/// These meetings, each once, all of which the viewer takes part in.
async fn all_seen(ctx: &Context<'_>, meetings: &[ID]) -> std::result::Result<Vec<Uuid>, Refused> {
    if !(1..=MEETINGS_MAX).contains(&meetings.len()) {
        return Err(invalid(format!("name 1 to {MEETINGS_MAX} meetings")).into());
    }
    let mut ids: Vec<Uuid> = Vec::with_capacity(meetings.len());
    for id in meetings.iter().filter_map(access::id) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let readable = meetings.iter().all(|id| access::id(id).is_some());
    let visible = try_join_all(ids.iter().map(|id| may_see(ctx, *id))).await?;
    if !readable || visible.contains(&false) {
        let message = "there is no such meeting among them";
        return Err(UserError::new("MEETING_NOT_FOUND", message).on("meetingIds").into());
    }
    Ok(ids)
}

fn invalid(message: impl Into<String>) -> UserError {
    UserError::new("INVALID_MEETINGS", message).on("meetingIds")
}

/// A task that the viewer may see.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Ok(query::task(ctx, task).await?.map(|task| task.0.id))
}
