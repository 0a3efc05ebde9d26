//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Interface, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::Internal as _;
use platform::task::TaskStatus;

use super::access::reads;
use super::loader::{ById, OfTask};
use super::transcript::Transcript;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskKind {
    /// Speech of a recording becomes text and minutes.
    Transcription,
}

/// Why a task failed.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(shareable)]
pub struct TaskError {
    /// What programs look at: a stable word in upper case.
    pub code: String,
    /// What people read.
    pub message: String,
}

/// Work that takes its time: asked for now, done later.
#[expect(clippy::duplicated_attributes, reason = "fields of the same type aren't duplicates")]
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Id of the task."),
    field(name = "kind", ty = "TaskKind", desc = "What kind of work it is."),
    field(name = "status", ty = "TaskStatus", desc = "How far it is."),
    field(name = "progress", ty = "i32", desc = "Percent done, 0 to 100; never falls."),
    field(name = "attempts", ty = "i32", desc = "How often work was started."),
    field(name = "created_at", ty = "DateTime<Utc>", desc = "When it was asked for."),
    field(name = "started_at", ty = "Option<DateTime<Utc>>", desc = "When work first started."),
    field(
        name = "completed_at",
        ty = "Option<DateTime<Utc>>",
        desc = "When it was completed, failed or cancelled."
    ),
    field(name = "error", ty = "Option<TaskError>", desc = "Why it failed, if it did.")
)]
pub enum Task {
    /// Speech to text.
    TranscriptTask(TranscriptTask),
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct TranscriptTask(pub platform::task::Task);

/// Turns a meeting's recording into text and minutes.
#[Object]
impl TranscriptTask {
    /// Id of the task.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What kind of work it is.
    async fn kind(&self) -> TaskKind {
        TaskKind::Transcription
    }

    /// How far it is.
    async fn status(&self) -> TaskStatus {
        self.0.status
    }

    /// Percent done, 0 to 100; never falls.
    async fn progress(&self) -> i32 {
        self.0.progress
    }

    /// How often work was started.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When work first started.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    /// When it was completed, failed or cancelled.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }

    /// Why it failed, if it did.
    async fn error(&self) -> Option<TaskError> {
        let code = self.0.error_code.clone()?;
        Some(TaskError { code, message: self.0.error_message.clone().unwrap_or_default() })
    }

    /// The meeting that it belongs to.
    async fn meeting_id(&self) -> ID {
        self.0.ordering_key.into()
    }

    /// What it came to, once it is completed.
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
