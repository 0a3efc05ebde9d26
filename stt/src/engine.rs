//! A server behind [`speech::Engine`].

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use openai::{Answer, AskError, Config, Server, StatusCode};
use platform::error::chain;
use speech::{Engine, Event, Job, Outcome, Sink, SpeechError, Stage, language_tag};
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Heard};
use crate::piece::{LONGEST_SAMPLES, Piece, Pieces, SHORT_SAMPLES};
use crate::request::{Question, form};

/// How long one answer may take, unless configured, in milliseconds: two minutes of speech on a slow
/// server.
pub const TIMEOUT_MS_DEFAULT: u64 = 300_000;
/// How often a piece is sent before the attempt is given up, to be gone on with by a later one.
pub const TRIES_MAX: u32 = 3;
/// The pause before a piece is sent again, in milliseconds; twice as long each time.
pub const PAUSE_MS: u64 = 1_000;
/// Longest pause that a server may ask for, in milliseconds.
pub const PAUSE_MAX_MS: u64 = 30_000;
/// 100 % is for the caller to say, when the text is stored.
const ALMOST_DONE_PERCENT: u64 = 99;

/// Asks a server to hear a recording, piece by piece.
#[derive(Debug, Clone)]
pub struct TranscriptionServer {
    server: Server,
    model: String,
}

impl TranscriptionServer {
    /// An engine that asks this server; nothing is sent yet.
    #[must_use]
    pub fn new(server: Server, config: &Config) -> Self {
        Self { server, model: config.model.clone() }
    }

    async fn work(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> Result<Outcome, SpeechError> {
        let may_be_silent = job.may_be_silent || job.resume_from_ms > 0;
        let chosen = job.language.as_deref();
        let unknown = || SpeechError::unknown_language(chosen);
        let language = chosen.map(|tag| language_tag(tag).ok_or_else(unknown)).transpose()?;
        tell(&sink, Event::Progress { percent: 0, stage: Stage::Decoding }).await?;
        if let Some(tag) = language {
            tell(&sink, Event::Language { tag: tag.to_owned() }).await?;
        }
        let mut hearing = Hearing {
            engine: self,
            sink,
            language,
            wants_times: true,
            reached_ms: job.resume_from_ms,
            segments: 0,
        };
        let mut pieces = blocking(move || Pieces::open(&job, &cancel)).await?;
        let (mut longest, mut percent) = (SHORT_SAMPLES, 0);
        loop {
            let piece;
            (pieces, piece) = blocking(move || {
                let piece = pieces.next(longest)?;
                Ok((pieces, piece))
            })
            .await?;
            let Some(piece) = piece else { break };
            let end_ms = piece.place_ms.end;
            if piece.sound_ms.is_some() {
                hearing.hear(piece).await?;
            }
            longest = if hearing.wants_times { LONGEST_SAMPLES } else { SHORT_SAMPLES };
            let share = end_ms * 100 / pieces.duration_ms().unwrap_or(0).max(1);
            let reached = share.min(ALMOST_DONE_PERCENT) as u8;
            if reached > percent {
                percent = reached;
                let progress = Event::Progress { percent, stage: Stage::Recognising };
                tell(&hearing.sink, progress).await?;
            }
        }
        let duration_ms = pieces.decoded_ms();
        if duration_ms == 0 {
            return Err(SpeechError::Empty);
        }
        if hearing.segments == 0 && !may_be_silent {
            return Err(SpeechError::NoSpeech);
        }
        Ok(Outcome { language: hearing.language.map(str::to_owned), duration_ms })
    }
}

impl Engine for TranscriptionServer {
    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>> {
        async move {
            tokio::select! {
                outcome = self.work(job, sink, cancel.clone()) => outcome,
                () = cancel.cancelled() => Err(SpeechError::Cancelled),
            }
        }
        .boxed()
    }

    fn check(&self) -> BoxFuture<'static, Result<(), SpeechError>> {
        let server = self.server.clone();
        async move { server.reach().await.map_err(|error| away(chain(&error))) }.boxed()
    }
}

/// A recording while it is heard.
struct Hearing<'a> {
    engine: &'a TranscriptionServer,
    sink: Sink,
    /// Chosen, or found out.
    language: Option<&'static str>,
    /// Whether the server is asked when something was said, as far as we know that it can tell.
    wants_times: bool,
    /// What was said before is told.
    reached_ms: u64,
    segments: u64,
}

impl Hearing<'_> {
    /// Has a piece heard, and tells what is said in it.
    async fn hear(&mut self, piece: Piece) -> Result<(), SpeechError> {
        let body = self.ask(&piece).await?;
        // Servers tell of trouble in an answer that claims success, too.
        let Heard { language, segments, is_timed } =
            answer::read(&body, &piece, self.reached_ms).map_err(away)?;
        self.wants_times &= is_timed;
        if self.language.is_none()
            && let Some(tag) = language.filter(|_| !segments.is_empty())
        {
            self.language = Some(tag);
            tell(&self.sink, Event::Language { tag: tag.to_owned() }).await?;
        }
        for segment in segments {
            self.reached_ms = segment.end_ms;
            self.segments += 1;
            tell(&self.sink, Event::Segment(segment)).await?;
        }
        Ok(())
    }

    /// The body of the server's answer about a piece.
    async fn ask(&mut self, piece: &Piece) -> Result<Vec<u8>, SpeechError> {
        let wav = piece.wav();
        let mut pause = Duration::from_millis(PAUSE_MS);
        let mut tries = 0;
        loop {
            tries += 1;
            let question = Question {
                model: &self.engine.model,
                language: self.language,
                wants_times: self.wants_times,
            };
            let (content_type, form) = form(question, &wav);
            let path = "audio/transcriptions";
            let failed = match self.engine.server.post(path, &content_type, form).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) if answer.is_refusal() && self.wants_times => {
                    self.wants_times = false;
                    tries = 0;
                    continue;
                }
                Ok(answer) if answer.is_away() => {
                    pause = answer.retry_after.unwrap_or(pause);
                    away(answer.reason())
                }
                Ok(answer) => return Err(refused(&answer)),
                Err(AskError::TooLong) => return Err(unusable(AskError::TooLong)),
                // Whoever took so long will take as long again.
                Err(late) if late.is_timeout() => return Err(away(chain(&late))),
                Err(error) => away(chain(&error)),
            };
            if tries == TRIES_MAX {
                return Err(failed);
            }
            tracing::debug!(error = %failed, tries, "a piece is sent again");
            tokio::time::sleep(pause.min(Duration::from_millis(PAUSE_MAX_MS))).await;
            pause *= 2;
        }
    }
}

/// What can't be mended by sending the same again soon. Whoever keeps the server can mend the key, the
/// path and the model's name: then a later attempt goes well.
fn refused(answer: &Answer) -> SpeechError {
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            away(answer.reason())
        }
        _ => unusable(answer.reason()),
    }
}

fn away(reason: impl fmt::Display) -> SpeechError {
    SpeechError::Away { reason: reason.to_string() }
}

fn unusable(reason: impl fmt::Display) -> SpeechError {
    SpeechError::Engine { reason: reason.to_string(), retryable: false }
}

async fn tell(sink: &Sink, event: Event) -> Result<(), SpeechError> {
    sink.send(event).await.map_err(|_| SpeechError::Cancelled)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpeechError> + Send + 'static,
) -> Result<T, SpeechError> {
    let broken = |reason: &dyn fmt::Display| SpeechError::Engine {
        reason: reason.to_string(),
        retryable: true,
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(broken(&panic)))
}
