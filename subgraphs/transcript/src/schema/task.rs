//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Object, Result};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};

use super::access::reads;
use super::loader::{ById, OfTask};
use super::transcript::Transcript;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskKind {
    /// Speech of a recording becomes text and minutes.
    Transcription,
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct TranscriptTask(pub platform::task::Task);

/// Turns a meeting's recording into text and minutes.
#[Object]
impl TranscriptTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, TaskKind::Transcription)
    }

    /// The meeting that it belongs to.
    #[graphql(directive = viewer_independent::apply())]
    async fn meeting_id(&self) -> ID {
        self.0.ordering_key.into()
    }

    /// What it came to, once it is completed.
    #[graphql(directive = viewer_independent::apply())]
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<Transcript>> {
        if self.0.status != TaskStatus::Completed {
            return Ok(None);
        }
        let reads = reads(ctx)?;
        let Some(id) = reads.load_one(OfTask(self.0.id)).await.internal()? else {
            return Ok(None);
        };
        Ok(reads.load_one(ById(id)).await.internal()?.map(Transcript))
    }
}
