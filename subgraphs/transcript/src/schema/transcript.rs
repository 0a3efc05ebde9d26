//! Transcripts and their segments.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use platform::page::{Connection, Page};

use super::access::reads;
use super::loader::SegmentsOf;
use crate::store::segment::SegmentRow;
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
        self.0.speaker.clone().map(|label| Speaker { label })
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

    /// What is said.
    #[graphql(directive = viewer_independent::apply())]
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// How sure the recogniser is, from 0 to 1.
    #[graphql(directive = viewer_independent::apply())]
    async fn confidence(&self) -> Option<f32> {
        self.0.confidence
    }

    /// How often the text was edited since it was recognised.
    #[graphql(directive = viewer_independent::apply())]
    async fn revision(&self) -> i32 {
        self.0.revision
    }
}

/// A voice in the recording.
#[derive(Debug, Clone, SimpleObject)]
pub struct Speaker {
    /// The name that people gave it.
    #[graphql(directive = viewer_independent::apply())]
    pub label: String,
}
