//! Tasks: work that takes its time.

use async_graphql::{Context, ID, Object, Result, Union};
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};

use super::loader::{InsightOf, Reads};
use super::object::{MeetingAnalysis, ScheduleProposal, Summary};
use crate::domain::kind::Kind as TaskKind;

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

/// Finds out what a meeting came to, what comes after it, or how it went.
#[Object]
impl AiTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, TaskKind::of(&self.0.kind))
    }

    /// The meeting that it belongs to.
    async fn meeting_id(&self) -> ID {
        self.0.ordering_key.into()
    }

    /// What it came to, once it is completed, as it is known now: a later task of the same kind may
    /// have found it anew.
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<AiResult>> {
        if self.0.status != TaskStatus::Completed {
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
