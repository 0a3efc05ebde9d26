//! What this service adds to a meeting.

use async_graphql::{Context, ID, Object, Result};
use platform::error::Internal as _;
use platform::task::{TaskReads, TasksOf};
use uuid::Uuid;

use super::access::reads;
use super::loader::{ById, MinutesOfMeeting, NewestOfMeeting};
use super::minutes::Minutes;
use super::task::TranscriptTask;
use super::transcript::Transcript;

/// A meeting that the asker takes part in.
#[derive(Debug, Clone, Copy)]
pub struct Meeting(pub Uuid);

/// A gathering of people.
#[Object]
impl Meeting {
    /// Id of the meeting.
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// The text of its recording, as far as it is recognised.
    async fn transcript(&self, ctx: &Context<'_>) -> Result<Option<Transcript>> {
        let reads = reads(ctx)?;
        let Some(id) = reads.load_one(NewestOfMeeting(self.0)).await.internal()? else {
            return Ok(None);
        };
        Ok(reads.load_one(ById(id)).await.internal()?.map(Transcript))
    }

    /// Its minutes, once they are drafted.
    async fn minutes(&self, ctx: &Context<'_>) -> Result<Option<Minutes>> {
        Ok(reads(ctx)?.load_one(MinutesOfMeeting(self.0)).await.internal()?.map(Minutes))
    }

    /// The tasks that turn its recording into text, or look at that, the newest first.
    async fn transcript_tasks(&self, ctx: &Context<'_>) -> Result<Vec<TranscriptTask>> {
        let tasks = ctx.data::<TaskReads>()?.load_one(TasksOf(self.0)).await.internal()?;
        Ok(tasks.unwrap_or_default().into_iter().map(TranscriptTask).collect())
    }
}
