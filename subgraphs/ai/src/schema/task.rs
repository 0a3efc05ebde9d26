//! Tasks: work that takes its time.

use async_graphql::{Context, ID, Object, Result, Union};
use platform::access::may_see;
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};

use super::loader::{InsightOf, Reads};
use super::object::{MeetingAnalysis, ScheduleProposal, Summary};
use super::query::visible_across;
use crate::domain::kind::Kind as TaskKind;
use crate::worker::Across;

/// What a task came to.
#[derive(Debug, Clone, Union)]
pub enum AiResult {
    /// Of a SUMMARY.
    Summary(Summary),
    /// Of a SCHEDULE.
    ScheduleProposal(ScheduleProposal),
    /// Of an ANALYSIS.
    MeetingAnalysis(MeetingAnalysis),
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct AiTask(pub platform::task::Task);

/// Finds out what a meeting came to, what comes after it, or how it went; the last also over several meetings.
#[Object]
impl AiTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, TaskKind::of(&self.0.kind))
    }

    /// The meeting that it belongs to; of an analysis over several the first.
    async fn meeting_id(&self) -> ID {
        let across = Across::of(&self.0);
        let first = across.and_then(|across| across.meeting_ids.first().copied());
        first.unwrap_or(self.0.ordering_key).into()
    }

    /// The meetings that it is about, in the order in which they were named.
    async fn meeting_ids(&self) -> Vec<ID> {
        let across = Across::of(&self.0);
        let all = across.map_or_else(|| vec![self.0.ordering_key], |across| across.meeting_ids);
        all.into_iter().map(ID::from).collect()
    }

    /// What it came to, once it is completed, as it is known now: a later task of the same kind may
    /// have found it anew. Null also for whoever takes part in none of its meetings any more.
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<AiResult>> {
        if self.0.status != TaskStatus::Completed {
            return Ok(None);
        }
        if let Some(across) = Across::of(&self.0) {
            let found = visible_across(ctx, across.analysis_id).await?;
            return Ok(found.map(AiResult::MeetingAnalysis));
        }
        // A list shows what somebody asked for, also of a meeting that they have left.
        if !may_see(ctx, self.0.ordering_key).await? {
            return Ok(None);
        }
        let kind = TaskKind::of(&self.0.kind);
        let key = InsightOf { meeting: self.0.ordering_key, kind };
        let found = ctx.data::<Reads>()?.load_one(key).await.internal()?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(match kind {
            TaskKind::Summary => AiResult::Summary(row.try_into().internal()?),
            TaskKind::Schedule => AiResult::ScheduleProposal(row.try_into().internal()?),
            TaskKind::Analysis => AiResult::MeetingAnalysis(row.try_into().internal()?),
        }))
    }
}
