//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, InputObject, Object, Result};
use platform::error::Internal as _;
use platform::page::{Connection, Page};
use platform::task::{self, List, TaskReads, TaskStatus, Tasks, TasksOf};

use super::access::{id, known, may_read, may_see, reads};
use super::loader::{ById, MinutesById, SectionById, SegmentById, TASK_TYPENAME};
use super::meeting::Meeting;
use super::minutes::{Minutes, MinutesSection};
use super::task::TranscriptTask;
use super::transcript::{Segment, Transcript};

/// Which tasks a list shows. Everything that is given must fit.
#[derive(Debug, Default, InputObject)]
pub struct TranscriptTaskFilter {
    /// In one of these states.
    pub status: Option<Vec<TaskStatus>>,
    /// Of this meeting.
    pub meeting_id: Option<ID>,
}

/// Questions about meetings, their text and their tasks.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeetingQuery;

#[Object]
impl MeetingQuery {
    /// A transcript by its id; null when there is none, or the viewer neither takes part in its meeting nor
    /// had it shared with them.
    async fn transcript(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the transcript.")] id: ID,
    ) -> Result<Option<Transcript>> {
        transcript(ctx, &id).await
    }

    /// A task by its id; null when there is none or its meeting isn't the viewer's.
    async fn transcript_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Result<Option<TranscriptTask>> {
        task(ctx, &id).await
    }

    /// The newest task of a meeting's text; null when there is none or the meeting isn't the
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
        let tasks = ctx.data::<TaskReads>()?.load_one(TasksOf(meeting)).await.internal()?;
        Ok(tasks.unwrap_or_default().into_iter().next().map(TranscriptTask))
    }

    /// The tasks that the viewer asked for, or all of one meeting, the newest first.
    async fn transcript_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the task after which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<
            TranscriptTaskFilter,
        >,
    ) -> Result<Connection<TranscriptTask>> {
        let page = Page::new(first, after.as_deref())?;
        let TranscriptTaskFilter { status, meeting_id } = filter.unwrap_or_default();
        let list = List { typename: TASK_TYPENAME, statuses: status, ..List::default() };
        let tasks = ctx.data::<Tasks>()?.listed(ctx, page, list, meeting_id.as_ref()).await?;
        let tasks = tasks.into_iter().map(TranscriptTask).collect();
        Ok(Connection::new(page, tasks, |task| task.0.id))
    }

    #[graphql(entity)]
    async fn find_meeting(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Meeting>> {
        known(ctx)?;
        let Some(meeting) = super::access::id(&id) else { return Ok(None) };
        Ok(may_see(ctx, meeting).await?.then_some(Meeting(meeting)))
    }

    #[graphql(entity)]
    async fn find_transcript(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Transcript>> {
        transcript(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_segment(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Segment>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let row = reads(ctx)?.load_one(SegmentById(id)).await.internal()?;
        let Some(row) = row else { return Ok(None) };
        Ok(may_read(ctx, row.meeting_id).await?.then_some(Segment(row)))
    }

    #[graphql(entity)]
    async fn find_minutes(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Minutes>> {
        known(ctx)?;
        let Some(id) = super::access::id(&id) else { return Ok(None) };
        let row = reads(ctx)?.load_one(MinutesById(id)).await.internal()?;
        let Some(row) = row else { return Ok(None) };
        Ok(may_read(ctx, row.meeting_id).await?.then_some(Minutes(row)))
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
        Ok(may_read(ctx, row.meeting_id).await?.then_some(MinutesSection(row)))
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
pub(super) async fn task(ctx: &Context<'_>, id: &ID) -> Result<Option<TranscriptTask>> {
    Ok(task::visible(ctx, id).await?.map(TranscriptTask))
}

/// A transcript that the asker may read.
async fn transcript(ctx: &Context<'_>, transcript: &ID) -> Result<Option<Transcript>> {
    known(ctx)?;
    let Some(id) = id(transcript) else { return Ok(None) };
    let Some(row) = reads(ctx)?.load_one(ById(id)).await.internal()? else { return Ok(None) };
    Ok(may_read(ctx, row.meeting_id).await?.then_some(Transcript(row)))
}
