//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, Object, Result};
use platform::access::{self, known, may_see};
use platform::error::Internal as _;
use platform::task::{TaskById, TaskReads};

use super::loader::{InsightById, Reads};
use super::object::{Meeting, MeetingAnalysis, ScheduleProposal, Summary};
use super::task::AiTask;
use crate::domain::kind::Kind;
use crate::store::insight::InsightRow;

/// Questions that can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

#[Object]
impl Query {
    /// A task by its id; null when there is none or its meeting isn't the viewer's.
    async fn ai_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Result<Option<AiTask>> {
        task(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_meeting(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Meeting>> {
        known(ctx)?;
        let Some(meeting) = access::id(&id) else { return Ok(None) };
        Ok(may_see(ctx, meeting).await?.then_some(Meeting(meeting)))
    }

    #[graphql(entity)]
    async fn find_summary(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Summary>> {
        insight(ctx, &id, Kind::Summary).await
    }

    #[graphql(entity)]
    async fn find_schedule_proposal(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<ScheduleProposal>> {
        insight(ctx, &id, Kind::Schedule).await
    }

    #[graphql(entity)]
    async fn find_meeting_analysis(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<MeetingAnalysis>> {
        insight(ctx, &id, Kind::Analysis).await
    }

    #[graphql(entity)]
    async fn find_ai_task(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AiTask>> {
        task(ctx, &id).await
    }
}

/// What was found, if the asker may see it.
async fn insight<T>(ctx: &Context<'_>, id: &ID, kind: Kind) -> Result<Option<T>>
where
    T: TryFrom<InsightRow, Error = serde_json::Error>,
{
    known(ctx)?;
    let Some(id) = access::id(id) else { return Ok(None) };
    let found = ctx.data::<Reads>()?.load_one(InsightById(id)).await.internal()?;
    let Some(row) = found.filter(|row| row.kind == kind) else { return Ok(None) };
    if !may_see(ctx, row.meeting_id).await? {
        return Ok(None);
    }
    row.try_into().map(Some).internal()
}

/// A task that the asker may see.
pub(super) async fn task(ctx: &Context<'_>, task: &ID) -> Result<Option<AiTask>> {
    known(ctx)?;
    let Some(task) = access::id(task) else { return Ok(None) };
    let found = ctx.data::<TaskReads>()?.load_one(TaskById(task)).await.internal()?;
    let Some(task) = found else { return Ok(None) };
    Ok(may_see(ctx, task.ordering_key).await?.then_some(AiTask(task)))
}
