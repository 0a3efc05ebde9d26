//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Object, Result, Union};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};

use super::access::{may_see, reads};
use super::loader::{ById, FoundBy, OfTask};
use super::transcript::Transcript;
use super::verification::TranscriptVerification;
use crate::verification::TASK_KIND as VERIFICATION;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskKind {
    /// Speech of a recording becomes text and minutes.
    Transcription,
    /// Text and minutes are looked at for what people should look at.
    Verification,
}

/// What a task came to.
#[derive(Debug, Clone, Union)]
pub enum TranscriptTaskResult {
    /// Of a TRANSCRIPTION.
    Transcript(Transcript),
    /// Of a VERIFICATION.
    Verification(TranscriptVerification),
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct TranscriptTask(pub platform::task::Task);

impl TranscriptTask {
    fn kind(&self) -> TaskKind {
        match self.0.kind == VERIFICATION {
            true => TaskKind::Verification,
            false => TaskKind::Transcription,
        }
    }
}

/// Turns a meeting's recording into text and minutes, or looks at them.
#[Object]
impl TranscriptTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, self.kind())
    }

    /// The meeting that it belongs to.
    #[graphql(directive = viewer_independent::apply())]
    async fn meeting_id(&self) -> ID {
        self.0.ordering_key.into()
    }

    /// What it came to, once it is completed.
    #[graphql(directive = viewer_independent::apply())]
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<TranscriptTaskResult>> {
        // A list shows what somebody asked for, also of a meeting that they have left.
        if self.0.status != TaskStatus::Completed || !may_see(ctx, self.0.ordering_key).await? {
            return Ok(None);
        }
        let reads = reads(ctx)?;
        if self.kind() == TaskKind::Verification {
            let found = reads.load_one(FoundBy(self.0.id)).await.internal()?;
            let found = found.map(TranscriptVerification::try_from).transpose().internal()?;
            return Ok(found.map(TranscriptTaskResult::Verification));
        }
        let Some(id) = reads.load_one(OfTask(self.0.id)).await.internal()? else {
            return Ok(None);
        };
        let found = reads.load_one(ById(id)).await.internal()?;
        Ok(found.map(|row| TranscriptTaskResult::Transcript(Transcript(row))))
    }
}
