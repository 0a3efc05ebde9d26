//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, InputObject, Object, Result};
use futures::future::try_join_all;
use platform::access::{self, known, may_see};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::page::{Connection, Page};
use platform::task::{List, TaskById, TaskReads, TaskStatus, Tasks};
use sqlx::PgPool;
use uuid::Uuid;

use super::loader::{AnalysisById, InsightById, Reads};
use super::object::{Meeting, MeetingAnalysis, ScheduleProposal, Summary};
use super::task::AiTask;
use crate::domain::kind::Kind;
use crate::store::analysis::of_requester;
use crate::store::insight::InsightRow;
use crate::worker::{Across, TASK_TYPENAME};

/// Which tasks a list shows. Everything that is given must fit.
#[derive(Debug, Default, InputObject)]
pub struct AiTaskFilter {
    /// In one of these states.
    pub status: Option<Vec<TaskStatus>>,
    /// Of this meeting.
    pub meeting_id: Option<ID>,
}

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

    /// The tasks that the viewer asked for, or all of one meeting, the newest first.
    async fn ai_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the task after which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<AiTaskFilter>,
    ) -> Result<Connection<AiTask>> {
        let page = Page::new(first, after.as_deref())?;
        let AiTaskFilter { status, meeting_id } = filter.unwrap_or_default();
        let list = List { typename: TASK_TYPENAME, statuses: status, ..List::default() };
        let tasks = ctx.data::<Tasks>()?.listed(ctx, page, list, meeting_id.as_ref()).await?;
        let tasks = tasks.into_iter().map(AiTask).collect();
        Ok(Connection::new(page, tasks, |task: &AiTask| task.0.id))
    }

    /// An analysis by its id: of a meeting that the viewer takes part in, or one over several meetings that the
    /// viewer asked for. Null when there is none, or it isn't the viewer's.
    async fn meeting_analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the analysis.")] id: ID,
    ) -> Result<Option<MeetingAnalysis>> {
        analysis(ctx, &id).await
    }

    /// The analyses over several meetings that the viewer asked for, the newest first, as long as they take
    /// part in one of the meetings.
    async fn meeting_analyses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the analysis after which to begin.")] after: Option<String>,
    ) -> Result<Connection<MeetingAnalysis>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let page = Page::new(first, after.as_deref())?;
        let rows = of_requester(ctx.data::<PgPool>()?, viewer, page.after, page.limit()).await;
        let rows = rows.internal()?;
        let found = rows.iter().map(|row| visible_across(ctx, row.id));
        let found = try_join_all(found).await?.into_iter().flatten().collect();
        Ok(Connection::new(page, found, |one: &MeetingAnalysis| one.id))
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
        analysis(ctx, &id).await
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

/// An analysis that the asker may see.
async fn analysis(ctx: &Context<'_>, id: &ID) -> Result<Option<MeetingAnalysis>> {
    if let Some(of_one) = insight(ctx, id, Kind::Analysis).await? {
        return Ok(Some(of_one));
    }
    match access::id(id) {
        Some(id) => visible_across(ctx, id).await,
        None => Ok(None),
    }
}

/// An analysis over several meetings: for whoever asked for it, of those meetings that they take part in now.
pub(super) async fn visible_across(ctx: &Context<'_>, id: Uuid) -> Result<Option<MeetingAnalysis>> {
    let found = ctx.data::<Reads>()?.load_one(AnalysisById(id)).await.internal()?;
    let Some((row, parts)) = found.filter(|(row, _)| is_own(ctx, Some(row.requested_by))) else {
        return Ok(None);
    };
    let visible = parts.iter().map(|part| may_see(ctx, part.meeting_id));
    let visible = try_join_all(visible).await?;
    let parts =
        parts.into_iter().zip(visible).filter_map(|(part, visible)| visible.then_some(part));
    MeetingAnalysis::across(&row, parts.collect()).internal()
}

/// Whether the asker asked for it, or is a service.
fn is_own(ctx: &Context<'_>, requested_by: Option<Uuid>) -> bool {
    match Identity::from_ctx(ctx) {
        Identity::Viewer(viewer) => Some(viewer.id) == requested_by,
        Identity::Service { .. } => true,
        Identity::Group { .. } | Identity::Anonymous => false,
    }
}

/// A task that the asker may see: of a meeting that they take part in, or one over several that they asked for.
pub(super) async fn task(ctx: &Context<'_>, task: &ID) -> Result<Option<AiTask>> {
    known(ctx)?;
    let Some(task) = access::id(task) else { return Ok(None) };
    let found = ctx.data::<TaskReads>()?.load_one(TaskById(task)).await.internal()?;
    let Some(task) = found else { return Ok(None) };
    let visible = match Across::of(&task) {
        Some(_) => is_own(ctx, task.requested_by),
        None => may_see(ctx, task.ordering_key).await?,
    };
    Ok(visible.then_some(AiTask(task)))
}
