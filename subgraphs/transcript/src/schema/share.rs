//! What is shared: as those see it who read it, and who shared it.

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::{ApiError, Code, Internal as _};
use platform::identity::Identity;
use platform::page::{Connection, Page};
use sqlx::PgPool;
use uuid::Uuid;

use super::access::{id, reads};
use super::loader::{ById, MinutesOfMeeting, NewestOfMeeting, SectionsOf, SegmentsOf, TitleOf};
use super::minutes::MinutesStatus;
use super::user::User;
use crate::sharing::Sharing;
use crate::store::minutes::{MinutesRow, SectionRow};
use crate::store::segment::SegmentRow;
use crate::store::share::{self, LinkRow, ReaderRow};
use crate::store::transcript::TranscriptRow;

/// A token that opens nothing: never given, ended, or revoked, which are not told apart.
pub const SHARE_LINK_INVALID: Code = Code("SHARE_LINK_INVALID");

/// What somebody reads who doesn't take part: the words, and nothing of how they came to be.
#[derive(Debug, Clone)]
pub struct SharedTranscript {
    /// The row that shares it, for pages.
    place: Uuid,
    title: String,
    transcript: TranscriptRow,
    minutes: Option<MinutesRow>,
    expires_at: Option<DateTime<Utc>>,
}

impl SharedTranscript {
    /// A meeting's transcript and minutes, for those of whom it is known that they may read them; `None`
    /// while there is no text.
    async fn of(
        ctx: &Context<'_>,
        meeting: Uuid,
        place: Uuid,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Option<Self>> {
        let reads = reads(ctx)?;
        let newest = reads.load_one(NewestOfMeeting(meeting)).await.internal()?;
        let Some(newest) = newest else { return Ok(None) };
        let found = reads.load_one(ById(newest)).await.internal()?;
        let Some(transcript) = found else { return Ok(None) };
        let minutes = reads.load_one(MinutesOfMeeting(meeting)).await.internal()?;
        let title = reads.load_one(TitleOf(meeting)).await.internal()?.unwrap_or_default();
        Ok(Some(Self { place, title, transcript, minutes, expires_at }))
    }
}

/// A meeting's text and minutes, as those read them with whom they are shared.
#[Object]
impl SharedTranscript {
    /// Id of the transcript.
    async fn id(&self) -> ID {
        self.transcript.id.into()
    }

    /// Title of the meeting.
    async fn meeting_title(&self) -> &str {
        &self.title
    }

    /// Language tag of what is spoken, e.g. `ko`.
    async fn language(&self) -> Option<&str> {
        self.transcript.language.as_deref()
    }

    /// Length of the recording in milliseconds.
    async fn duration_ms(&self) -> Option<i64> {
        self.transcript.duration_ms
    }

    /// The whole text.
    async fn text(&self) -> &str {
        &self.transcript.text
    }

    /// The pieces of speech in the order of the recording.
    async fn segments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many segments, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the segment after which to begin.")] after: Option<String>,
    ) -> Result<Connection<SharedSegment>> {
        let page = Page::new(first, after.as_deref())?;
        let transcript = self.transcript.id;
        let key = SegmentsOf { transcript, after: page.after, limit: page.limit() };
        let rows = reads(ctx)?.load_one(key).await.internal()?.unwrap_or_default();
        let segments = rows.into_iter().map(SharedSegment).collect();
        Ok(Connection::new(page, segments, |segment: &SharedSegment| segment.0.id))
    }

    /// How far the minutes are; null while there are none.
    async fn minutes_status(&self) -> Option<MinutesStatus> {
        self.minutes.as_ref().map(MinutesStatus::of)
    }

    /// The sections of the minutes in the template's order.
    async fn sections(&self, ctx: &Context<'_>) -> Result<Vec<SharedSection>> {
        let Some(minutes) = &self.minutes else { return Ok(Vec::new()) };
        let rows = reads(ctx)?.load_one(SectionsOf(minutes.id)).await.internal()?;
        Ok(rows.unwrap_or_default().into_iter().map(SharedSection::from).collect())
    }

    /// Until when the link leads here; null when it is shared with the reader by name.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }
}

/// A segment that is shared with the asker.
#[derive(Debug, Clone)]
pub struct SharedSegment(SegmentRow);

/// A piece of speech, as those read it with whom it is shared.
#[Object]
impl SharedSegment {
    /// What the speaker is called, if somebody said so.
    async fn speaker_label(&self) -> Option<&str> {
        self.0.speaker_label.as_deref()
    }

    /// Where it starts in the recording, in milliseconds.
    async fn start_ms(&self) -> i64 {
        self.0.start_ms
    }

    /// Where it ends in the recording, in milliseconds.
    async fn end_ms(&self) -> i64 {
        self.0.end_ms
    }

    /// What is said.
    async fn text(&self) -> &str {
        &self.0.text
    }
}

/// A section of minutes, as those read it with whom they are shared.
#[derive(Debug, Clone, SimpleObject)]
pub struct SharedSection {
    /// Its title.
    pub title: String,
    /// Its lines.
    pub body: String,
    /// Whether somebody who takes part said that it is right.
    pub is_verified: bool,
}

impl From<SectionRow> for SharedSection {
    fn from(row: SectionRow) -> Self {
        Self { title: row.title, body: row.body, is_verified: row.verified_at.is_some() }
    }
}

/// A link to a meeting's transcript and minutes. Its token was told to who made it, and is kept nowhere.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct ShareLink {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it leads somewhere.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked; null: it wasn't.
    pub revoked_at: Option<DateTime<Utc>>,
    #[graphql(skip)]
    key: Uuid,
    #[graphql(skip)]
    by: Option<Uuid>,
}

#[ComplexObject]
impl ShareLink {
    /// Id of the link.
    async fn id(&self) -> ID {
        self.key.into()
    }

    /// Who made it; null when the account is gone.
    async fn created_by(&self) -> Option<User> {
        self.by.map(User::from)
    }

    /// Whether it leads somewhere now.
    async fn is_active(&self) -> bool {
        self.revoked_at.is_none() && self.expires_at > Utc::now()
    }
}

impl From<LinkRow> for ShareLink {
    fn from(row: LinkRow) -> Self {
        let LinkRow { id, created_by, created_at, expires_at, revoked_at, .. } = row;
        Self { created_at, expires_at, revoked_at, key: id, by: created_by }
    }
}

/// Somebody who may read without taking part.
#[derive(Debug, Clone)]
pub struct TranscriptReader(ReaderRow);

/// Somebody whom a meeting's transcript and minutes are shared with.
#[Object]
impl TranscriptReader {
    /// Who it is.
    async fn user(&self) -> User {
        self.0.user_id.into()
    }

    /// When it was shared.
    async fn shared_at(&self) -> DateTime<Utc> {
        self.0.shared_at
    }

    /// Who shared it; null when the account is gone.
    async fn shared_by(&self) -> Option<User> {
        self.0.shared_by.map(User::from)
    }
}

/// Questions about what is shared.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareQuery;

#[Object]
impl ShareQuery {
    /// What a link leads to; nobody has to log in for it. A link that has ended, was revoked or never was
    /// gets the error SHARE_LINK_INVALID.
    async fn shared_transcript(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token of the link.")] token: String,
    ) -> Result<SharedTranscript> {
        let opened = ctx.data::<Sharing>()?.open(&token).await.internal()?;
        let shared = match opened {
            Some(link) => {
                SharedTranscript::of(ctx, link.meeting_id, link.id, Some(link.expires_at)).await?
            }
            None => None,
        };
        shared.ok_or_else(|| {
            let message = "this link doesn't lead anywhere, or doesn't any more";
            ApiError::new(SHARE_LINK_INVALID, message).into_graphql()
        })
    }

    /// What others have shared with the viewer by name, the latest first.
    async fn transcripts_shared_with_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the one after which to begin.")] after: Option<String>,
    ) -> Result<Connection<SharedTranscript>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let page = Page::new(first, after.as_deref())?;
        let rows = share::with(ctx.data::<PgPool>()?, viewer, page.after, page.limit()).await;
        let rows = rows.internal()?;
        let found = rows.iter().map(|row| SharedTranscript::of(ctx, row.meeting_id, row.id, None));
        let found = futures::future::try_join_all(found).await?;
        // What is shared has a text: it was there when it was shared.
        let shared = found.into_iter().flatten().collect();
        Ok(Connection::new(page, shared, |one: &SharedTranscript| one.place))
    }

    /// The links to a meeting's transcript, the latest first; for its host. Others see none.
    async fn share_links(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the meeting.")] meeting_id: ID,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the link after which to begin.")] after: Option<String>,
    ) -> Result<Connection<ShareLink>> {
        let page = Page::new(first, after.as_deref())?;
        let Some(meeting) = led(ctx, &meeting_id).await? else { return Ok(Connection::empty()) };
        let rows = share::links(ctx.data::<PgPool>()?, meeting, page.after, page.limit()).await;
        let links = rows.internal()?.into_iter().map(ShareLink::from).collect();
        Ok(Connection::new(page, links, |link: &ShareLink| link.key))
    }

    /// The people whom a meeting's transcript is shared with, the latest first; for its host. Others see
    /// none.
    async fn transcript_readers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the meeting.")] meeting_id: ID,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the person after whom to begin.")] after: Option<String>,
    ) -> Result<Connection<TranscriptReader>> {
        let page = Page::new(first, after.as_deref())?;
        let Some(meeting) = led(ctx, &meeting_id).await? else { return Ok(Connection::empty()) };
        let rows = share::readers(ctx.data::<PgPool>()?, meeting, page.after, page.limit()).await;
        let readers = rows.internal()?.into_iter().map(TranscriptReader).collect();
        Ok(Connection::new(page, readers, |reader: &TranscriptReader| reader.0.id))
    }
}

/// A meeting that the viewer leads.
async fn led(ctx: &Context<'_>, meeting: &ID) -> Result<Option<Uuid>> {
    let viewer = Identity::from_ctx(ctx).viewer()?.id;
    let Some(meeting) = id(meeting) else { return Ok(None) };
    let leads = ctx.data::<Sharing>()?.is_led_by(meeting, viewer).await.internal()?;
    Ok(leads.then_some(meeting))
}
