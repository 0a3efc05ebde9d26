//! Transcripts and their segments.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use platform::page::{Connection, Page};

use super::access::{may_see, reads};
use super::loader::{MissingOf, RevisionsOf, SegmentsOf, SpeakersOf};
use super::user::User;
use crate::domain::part::{Missing, Reason};
use crate::store::segment::{RevisionRow, SegmentRow};
use crate::store::speaker::SpeakerRow;
use crate::store::transcript::TranscriptRow;

/// How far a transcript is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TranscriptStatus {
    /// Speech is being recognised; what is there so far can be read.
    InProgress,
    /// All of the recording is text.
    Completed,
    /// The recognition was given up; what had been recognised stays.
    Failed,
}

/// A transcript that the asker may see.
#[derive(Debug, Clone)]
pub struct Transcript(pub TranscriptRow);

/// The text of a meeting's recording.
#[Object]
impl Transcript {
    /// Id of the transcript.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// How far it is.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> TranscriptStatus {
        match self.0.status.as_str() {
            "COMPLETED" => TranscriptStatus::Completed,
            "FAILED" => TranscriptStatus::Failed,
            _ => TranscriptStatus::InProgress,
        }
    }

    /// Language tag of what is spoken, as soon as it is known, e.g. `ko`.
    #[graphql(directive = viewer_independent::apply())]
    async fn language(&self) -> Option<&str> {
        self.0.language.as_deref()
    }

    /// The whole text; while the recognition runs, the text so far.
    #[graphql(directive = viewer_independent::apply())]
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Length of the recording in milliseconds, known when the transcript is complete.
    #[graphql(directive = viewer_independent::apply())]
    async fn duration_ms(&self) -> Option<i64> {
        self.0.duration_ms
    }

    /// Parts of the recording that aren't in the text, in their order: known when no more come.
    #[graphql(directive = viewer_independent::apply())]
    async fn missing_parts(&self, ctx: &Context<'_>) -> Result<Vec<MissingPart>> {
        let found = reads(ctx)?.load_one(MissingOf(self.0.id)).await.internal()?;
        Ok(found.unwrap_or_default().into_iter().map(MissingPart::from).collect())
    }

    /// The voices that people named, in the order in which they did; at most 100.
    #[graphql(directive = viewer_independent::apply())]
    async fn speakers(&self, ctx: &Context<'_>) -> Result<Vec<Speaker>> {
        let rows = reads(ctx)?.load_one(SpeakersOf(self.0.id)).await.internal()?;
        Ok(rows.unwrap_or_default().into_iter().map(Speaker::from).collect())
    }

    /// The pieces of speech in the order of the recording.
    #[graphql(directive = viewer_independent::apply())]
    async fn segments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many segments, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the segment after which to begin.")] after: Option<String>,
    ) -> Result<Connection<Segment>> {
        let page = Page::new(first, after.as_deref())?;
        let key = SegmentsOf { transcript: self.0.id, after: page.after, limit: page.limit() };
        let rows = reads(ctx)?.load_one(key).await.internal()?.unwrap_or_default();
        let segments = rows.into_iter().map(Segment).collect();
        Ok(Connection::new(page, segments, |segment: &Segment| segment.0.id))
    }
}

/// A part of the recording that isn't in the text.
#[derive(Debug, Clone, SimpleObject)]
pub struct MissingPart {
    /// Its place in the recording, from 0.
    #[graphql(directive = viewer_independent::apply())]
    pub sequence: i32,
    /// Why it isn't there.
    #[graphql(directive = viewer_independent::apply())]
    pub reason: Reason,
    /// Where the part before it ends in the recording, in milliseconds.
    #[graphql(directive = viewer_independent::apply())]
    pub start_ms: i64,
    /// Where the part behind it begins, in milliseconds; the same as `startMs` when nobody said how long it was.
    #[graphql(directive = viewer_independent::apply())]
    pub end_ms: i64,
}

impl From<Missing> for MissingPart {
    fn from(missing: Missing) -> Self {
        let Missing { sequence, reason, start_ms, end_ms } = missing;
        Self { sequence, reason, start_ms, end_ms }
    }
}

/// A segment that the asker may see.
#[derive(Debug, Clone)]
pub struct Segment(pub SegmentRow);

/// A piece of speech, as the recogniser cut it.
#[Object]
impl Segment {
    /// Id of the segment.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Who speaks, if somebody has said so.
    #[graphql(directive = viewer_independent::apply())]
    async fn speaker(&self) -> Option<Speaker> {
        let id = self.0.speaker_id?.into();
        let label = self.0.speaker_label.clone()?;
        let version = self.0.speaker_version?;
        Some(Speaker { id, label, user: self.0.speaker_user.map(User::from), version })
    }

    /// Where it starts in the recording, in milliseconds.
    #[graphql(directive = viewer_independent::apply())]
    async fn start_ms(&self) -> i64 {
        self.0.start_ms
    }

    /// Where it ends in the recording, in milliseconds.
    #[graphql(directive = viewer_independent::apply())]
    async fn end_ms(&self) -> i64 {
        self.0.end_ms
    }

    /// What is said, as it was last edited.
    #[graphql(directive = viewer_independent::apply())]
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// How sure the recogniser was of what it recognised, from 0 to 1; null if it doesn't say.
    #[graphql(directive = viewer_independent::apply())]
    async fn confidence(&self) -> Option<f32> {
        self.0.confidence
    }

    /// How often it was edited since it was recognised; give it to `editSegment`, so that nobody's change
    /// gets lost.
    #[graphql(directive = viewer_independent::apply())]
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was last edited; null: as recognised.
    #[graphql(directive = viewer_independent::apply())]
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }

    /// Who edited it last; null also when the account is gone.
    #[graphql(directive = viewer_independent::apply())]
    async fn edited_by(&self) -> Option<User> {
        self.0.edited_by.map(User::from)
    }

    /// What it was before, the latest first; the last one is as it was recognised. Null for those who only
    /// read it because it is shared with them.
    async fn revisions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many revisions, at most 100 (20 when it isn't given).")]
        first: Option<i32>,
        #[graphql(desc = "The cursor of the revision after which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<SegmentRevision>>> {
        if !may_see(ctx, self.0.meeting_id).await? {
            return Ok(None);
        }
        let page = Page::new(first, after.as_deref())?;
        let key = RevisionsOf { segment: self.0.id, after: page.after, limit: page.limit() };
        let rows = reads(ctx)?.load_one(key).await.internal()?.unwrap_or_default();
        let revisions = rows.into_iter().map(SegmentRevision).collect();
        let id = |revision: &SegmentRevision| revision.0.id;
        Ok(Some(Connection::new(page, revisions, id)))
    }
}

/// An earlier revision of a segment that the asker may see.
#[derive(Debug, Clone)]
pub struct SegmentRevision(pub RevisionRow);

/// What a segment was before it was edited.
#[Object]
impl SegmentRevision {
    /// How often it had been edited then; 0: as recognised.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// What it said then.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// What the speaker was called then, if there was one.
    async fn speaker_label(&self) -> Option<&str> {
        self.0.speaker.as_deref()
    }

    /// When it had come to be so by an edit; null: as recognised.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }

    /// Who had edited it; null also when the account is gone.
    async fn edited_by(&self) -> Option<User> {
        self.0.edited_by.map(User::from)
    }
}

/// A voice in the recording.
#[derive(Debug, Clone, SimpleObject)]
pub struct Speaker {
    /// Id of the speaker.
    #[graphql(directive = viewer_independent::apply())]
    pub id: ID,
    /// The name that people gave it.
    #[graphql(directive = viewer_independent::apply())]
    pub label: String,
    /// Whose voice it is, if somebody said so; null also when the account is gone.
    #[graphql(directive = viewer_independent::apply())]
    pub user: Option<User>,
    /// Rises with every change; give it to `renameSpeaker`, so that nobody's change gets lost.
    #[graphql(directive = viewer_independent::apply())]
    pub version: i32,
}

impl From<SpeakerRow> for Speaker {
    fn from(row: SpeakerRow) -> Self {
        let SpeakerRow { id, label, user_id, version, .. } = row;
        Self { id: id.into(), label, user: user_id.map(User::from), version }
    }
}
