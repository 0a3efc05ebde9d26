//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, Object, Result};
use platform::error::Internal as _;

use super::access::{id, known, may_see, reads};
use super::loader::{ById, MinutesById, SectionById, SegmentById, TaskById, TasksOfMeeting};
use super::meeting::Meeting;
use super::minutes::{Minutes, MinutesSection};
use super::task::TranscriptTask;
use super::transcript::{Segment, Transcript};

/// Questions that can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

#[Object]
impl Query {
    /// A task by its id; null when there is none or its meeting isn't the viewer's.
    async fn transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Result<Option<TranscriptTask>> {
        task(ctx, &id).await
    }

    /// The newest transcription task of a meeting; null when there is none or the meeting isn't the
    /// viewer's.
    async fn latest_transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the meeting.")] meeting_id: ID,
    ) -> Result<Option<TranscriptTask>> {
        known(ctx)?;
        let Some(meeting) = id(&meeting_id) else { return Ok(None) };
        if !may_see(ctx, meeting).await? {
            return Ok(None);
        }
        let tasks = reads(ctx)?.load_one(TasksOfMeeting(meeting)).await.internal()?;
        Ok(tasks.unwrap_or_default().into_iter().next().map(TranscriptTask))
    }

    #[graphql(entity)]
    async fn find_meeting(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Meeting>> {
        known(ctx)?;
        let Some(meeting) = super::access::id(&id) else { return Ok(None) };
        Ok(may_see(ctx, meeting).await?.then_some(Meeting(meeting)))
    }

    #[graphql(entity)]
    async fn find_transcript(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Transcript>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let Some(row) = reads(ctx)?.load_one(ById(id)).await.internal()? else { return Ok(None) };
        Ok(may_see(ctx, row.meeting_id).await?.then_some(Transcript(row)))
    }

    #[graphql(entity)]
    async fn find_segment(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Segment>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let row = reads(ctx)?.load_one(SegmentById(id)).await.internal()?;
        let Some(row) = row else { return Ok(None) };
        Ok(may_see(ctx, row.meeting_id).await?.then_some(Segment(row)))
    }

    #[graphql(entity)]
    async fn find_minutes(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Minutes>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let row = reads(ctx)?.load_one(MinutesById(id)).await.internal()?;
        let Some(row) = row else { return Ok(None) };
        Ok(may_see(ctx, row.meeting_id).await?.then_some(Minutes(row)))
    }

    #[graphql(entity)]
    async fn find_minutes_section(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<MinutesSection>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let row = reads(ctx)?.load_one(SectionById(id)).await.internal()?;
        let Some(row) = row else { return Ok(None) };
        Ok(may_see(ctx, row.meeting_id).await?.then_some(MinutesSection(row)))
    }

    #[graphql(entity)]
    async fn find_transcript_task(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<TranscriptTask>> {
        task(ctx, &id).await
    }
}

/// A task that the asker may see.
pub(super) async fn task(ctx: &Context<'_>, task: &ID) -> Result<Option<TranscriptTask>> {
    known(ctx)?;
    let Some(task) = id(task) else { return Ok(None) };
    let Some(task) = reads(ctx)?.load_one(TaskById(task)).await.internal()? else {
        return Ok(None);
    };
    Ok(may_see(ctx, task.ordering_key).await?.then_some(TranscriptTask(task)))
}
