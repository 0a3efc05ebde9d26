//! The engine as its callers see it: a job goes in, events stream out.

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::SpeechError;

/// Bound of a [`Sink`] that suits a job: one window of speech has about ten
/// segments. A full sink slows the engine down, nothing is dropped.
pub const SINK_EVENTS: usize = 64;

/// One recording to recognise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Job {
    /// The recording, a local file.
    pub input: PathBuf,
    /// Language tag (`ko`, `en`, `ko-KR`, …); `None` detects it.
    pub language: Option<String>,
    /// Where to begin, in milliseconds from the recording's start: the end of
    /// the last segment that an earlier attempt delivered, else 0.
    pub resume_from_ms: u64,
    /// Whether nobody needs to speak in it: then silence is an outcome, else
    /// it is [`SpeechError::NoSpeech`].
    pub may_be_silent: bool,
}

impl Job {
    /// A whole recording, its language to be detected.
    #[must_use]
    pub fn new(input: impl Into<PathBuf>) -> Self {
        Self { input: input.into(), language: None, resume_from_ms: 0, may_be_silent: false }
    }

    /// The same job in a chosen language.
    #[must_use]
    pub fn language(mut self, tag: Option<String>) -> Self {
        self.language = tag;
        self
    }

    /// The same job for a part of a recording: nobody needs to speak in it.
    #[must_use]
    pub fn part(mut self) -> Self {
        self.may_be_silent = true;
        self
    }

    /// The same job, from `ms` on.
    #[must_use]
    pub fn resume_from_ms(mut self, ms: u64) -> Self {
        self.resume_from_ms = ms;
        self
    }
}

/// What the engine is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Fetching or loading the model.
    Loading,
    /// Reading the recording.
    Decoding,
    /// Turning speech into text.
    Recognising,
}

/// A piece of recognised text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Start, in milliseconds from the recording's start.
    pub start_ms: u64,
    /// End, in milliseconds from the recording's start; after `start_ms`.
    pub end_ms: u64,
    /// The words, trimmed, never empty.
    pub text: String,
    /// Mean probability of the words, 0 to 1; `None`: the engine doesn't say.
    pub confidence: Option<f32>,
}

/// What an engine reports while it works. Segments come in order of time and
/// don't overlap; percentages never fall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// How far it is.
    #[serde(rename_all = "camelCase")]
    Progress {
        /// 0 to 100, of the whole recording (a resumed job begins higher).
        percent: u8,
        /// What it is doing.
        stage: Stage,
    },
    /// The language, once it is known and before the first segment.
    #[serde(rename_all = "camelCase")]
    Language {
        /// Two-letter tag.
        tag: String,
    },
    /// The next piece of text.
    Segment(Segment),
}

/// What is known at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Two-letter tag; `None` when none was chosen and there was no (more) speech
    /// in a part or a resumed job.
    pub language: Option<String>,
    /// Length of the recording in milliseconds, as decoded.
    pub duration_ms: u64,
}

/// Where an engine sends its events. Dropping the receiver cancels the job.
pub type Sink = mpsc::Sender<Event>;

/// Speech to text. Object-safe: `Arc<dyn Engine>`.
pub trait Engine: Send + Sync + 'static {
    /// Recognises one recording and streams what it finds into `sink`.
    ///
    /// # Errors
    /// See [`SpeechError`]; `cancel` ends the job with
    /// [`SpeechError::Cancelled`]. Segments sent before an error stay valid.
    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>>;

    /// Looks whether a recognition could be done, without starting anything: for health.
    ///
    /// # Errors
    /// What is missing.
    fn check(&self) -> BoxFuture<'static, Result<(), SpeechError>> {
        Box::pin(async { Ok(()) })
    }
}
