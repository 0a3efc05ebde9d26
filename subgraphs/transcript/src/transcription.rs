//! One attempt at a transcription: fetch, recognise, write. Recordings in parts are in its module `part`.
//!
//! Each segment is committed as it comes, so that a later attempt goes on after the last one.
//! Everything that is written is fenced by the task's claim: an attempt that was given up, but
//! still lives, changes nothing.

mod part;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform::cache::{Cache, Kind};
use platform::object::{ObjectError, Objects};
use platform::outbox::Outbox;
use platform::queue::Progress;
use platform::task::{Claim, Tasks};
use serde::Deserialize as _;
use serde_json::json;
use speech::{Code, Engine, Event, Job, Outcome, SINK_EVENTS, SpeechError};
use sqlx::PgPool;
use text::sentence::{Utterance, whole_text};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::domain::fault;
use crate::domain::minutes::{self as rules, TemplateSection};
use crate::domain::progress::{Stage, overall, overall_of_parts};
use crate::error::RunError;
use crate::events::{self, Created, Input, Recognised};
use crate::schema::loader::{self, transcripts};
use crate::store::part as parts;
use crate::store::segment::{NewSegment, SegmentRow};
use crate::store::transcript::{Finished, Position, Run, TranscriptRow};
use crate::store::{meeting, minutes, segment, transcript};

/// Language tag of a text whose language nobody knows (ISO 639: undetermined).
const UNDETERMINED: &str = "und";
/// Version of the transcript object's shape.
const OBJECT_VERSION: u32 = 1;

/// How long an attempt may run besides twice the audio that it has got through, in milliseconds.
const LONGEST_SILENCE_MS: u64 = 10 * 60 * 1_000;

/// Does transcriptions.
#[derive(Clone)]
pub struct Transcriber {
    /// The service's database.
    pub pool: PgPool,
    /// Its outbox.
    pub outbox: Outbox,
    /// Its tasks.
    pub tasks: Tasks,
    /// Where recordings are and transcripts go.
    pub objects: Objects,
    /// The cache.
    pub cache: Cache,
    /// What turns speech into text.
    pub engine: Arc<dyn Engine>,
    /// How the service works.
    pub config: Config,
}

/// The longest that an attempt may run that has got as far as this in the audio: twice the audio, and
/// what nats/ allows at the start for the next piece of speech to come.
fn longest_run(end_ms: i64) -> Duration {
    let heard_ms = u64::try_from(end_ms).unwrap_or_default();
    Duration::from_millis(heard_ms.saturating_mul(2).saturating_add(LONGEST_SILENCE_MS))
}

/// A recording as a file, until it is dropped.
struct Recording {
    path: PathBuf,
    /// The folder of a copy, removed with it.
    _copy: Option<tempfile::TempDir>,
}

impl Transcriber {
    /// Does the claimed task to its end, or from where an earlier attempt stopped. After `Ok` all is
    /// committed, the task's completion too.
    ///
    /// # Errors
    /// See [`RunError`]; segments that were recognised stay for the next attempt.
    pub async fn run(
        &self,
        claim: &Claim,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<(), RunError> {
        let input = Input::deserialize(&claim.task.input).map_err(RunError::Input)?;
        if input.parted {
            return self.run_part(claim, &input, progress, cancel).await;
        }
        let recording = self.fetch(&input.recording_key).await?;
        let position = self.open(claim, &input).await?;
        let piece = Piece::whole(&input);
        let mut attempt = Attempt::new(self, claim, progress, &input, position, piece);
        let outcome = attempt.recognise(&recording, cancel).await?;
        attempt.progress(Stage::Writing, 0).await?;
        attempt.finish(outcome).await
    }

    /// The recording as a file of this machine.
    async fn fetch(&self, key: &str) -> Result<Recording, RunError> {
        // Known before anything is copied: the disk's share is bounded.
        let size = match self.objects.size(key).await {
            Ok(Some(size)) => size,
            Ok(None) | Err(ObjectError::InvalidKey(_)) => {
                return Err(RunError::fault(fault::RECORDING_MISSING));
            }
            Err(error) => return Err(error.into()),
        };
        if size == 0 {
            return Err(RunError::fault(fault::RECORDING_EMPTY));
        }
        if size > self.config.recording_max_bytes {
            return Err(RunError::fault(fault::RECORDING_TOO_LARGE));
        }
        if let Some(path) = self.objects.local_path(key)? {
            return Ok(Recording { path, _copy: None });
        }
        let folder = match &self.config.scratch {
            Some(scratch) => tempfile::TempDir::new_in(scratch),
            None => tempfile::TempDir::new(),
        };
        let folder = folder.map_err(RunError::Scratch)?;
        let path = folder.path().join("recording");
        match self.objects.get_to_file(key, &path).await {
            Ok(_) => Ok(Recording { path, _copy: Some(folder) }),
            Err(ObjectError::NotFound(_)) => Err(RunError::fault(fault::RECORDING_MISSING)),
            Err(error) => Err(error.into()),
        }
    }

    async fn open(&self, claim: &Claim, input: &Input) -> Result<Position, RunError> {
        let mut tx = self.pool.begin().await?;
        if !self.tasks.holds(&mut tx, claim).await? {
            return Err(RunError::Lost);
        }
        let run = Run {
            new_id: Uuid::now_v7(),
            meeting_id: input.meeting_id,
            task_id: claim.task.id,
            recording_id: input.recording_id,
        };
        let position = transcript::open(&mut tx, run).await?;
        tx.commit().await?;
        Ok(position)
    }
}

/// A file that is recognised: a whole recording, or a part of one.
struct Piece {
    /// Its key in object storage.
    key: String,
    /// Of a part: its place in the recording.
    sequence: Option<i32>,
    /// The ordinal of its first segment.
    first_ordinal: i32,
    /// Where it begins in the recording, milliseconds.
    offset_ms: i64,
    /// Where what lies behind it begins.
    ceiling_ms: i64,
    /// Of a part: which share of the work it is.
    share: Option<Share>,
}

impl Piece {
    fn whole(input: &Input) -> Self {
        Self {
            key: input.recording_key.clone(),
            sequence: None,
            first_ordinal: 0,
            offset_ms: 0,
            ceiling_ms: i64::MAX,
            share: None,
        }
    }
}

/// How far the parts of a recording are while one of them is at work.
#[derive(Debug, Clone, Copy)]
struct Share {
    done: usize,
    known: usize,
    is_closed: bool,
}

/// One attempt as it goes on.
struct Attempt<'a> {
    of: &'a Transcriber,
    claim: &'a Claim,
    input: &'a Input,
    progress: &'a Progress,
    position: Position,
    transcript: Uuid,
    piece: Piece,
    /// How much of the file is stored as segments, milliseconds.
    heard_ms: i64,
}

impl<'a> Attempt<'a> {
    /// An attempt that goes on at this position, whose end is one in the file.
    fn new(
        of: &'a Transcriber,
        claim: &'a Claim,
        progress: &'a Progress,
        input: &'a Input,
        position: Position,
        piece: Piece,
    ) -> Self {
        let (transcript, heard_ms) = (position.id, position.end_ms);
        Self { of, claim, input, progress, position, transcript, piece, heard_ms }
    }

    async fn progress(&self, stage: Stage, percent: u8) -> Result<(), RunError> {
        let percent = match self.piece.share {
            Some(share) => {
                overall_of_parts(share.done, share.known, share.is_closed, stage, percent)
            }
            None => overall(stage, percent),
        };
        let held = self.progress.report(percent).await;
        if held { Ok(()) } else { Err(RunError::Lost) }
    }

    /// Runs the engine and stores what it finds.
    async fn recognise(
        &mut self,
        recording: &Recording,
        cancel: &CancellationToken,
    ) -> Result<Outcome, RunError> {
        let resumed_at = u64::try_from(self.heard_ms).unwrap_or(0);
        let language = self.input.language.clone();
        let language = language
            .or_else(|| self.position.language.clone())
            .or_else(|| self.of.config.language.clone());
        let mut job = Job::new(&recording.path).language(language).resume_from_ms(resumed_at);
        if self.piece.sequence.is_some() {
            job = job.part();
        }
        let (sink, mut events) = mpsc::channel(SINK_EVENTS);
        let stop = cancel.child_token();
        let engine = Arc::clone(&self.of.engine);
        let work = engine.transcribe(job, sink, stop.clone());
        let store = async {
            // Moved in: dropped on an error, so that the engine doesn't wait for room for ever.
            while let Some(event) = events.recv().await {
                if let Err(error) = self.take(event).await {
                    stop.cancel();
                    events.close();
                    return Err(error);
                }
            }
            Ok(())
        };
        let (outcome, stored) = tokio::join!(work, store);
        stored?;
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.judge(error),
        }
    }

    /// Whether the engine's error ends the task, the attempt, or (after a resumption) nothing.
    fn judge(&self, error: SpeechError) -> Result<Outcome, RunError> {
        let code = match error.code() {
            // The rest of a recording of which something was understood may well be silence, and any
            // part of one.
            Code::NoSpeech if self.has_heard() || self.piece.sequence.is_some() => {
                let duration_ms = u64::try_from(self.heard_ms).unwrap_or(0);
                return Ok(Outcome { language: None, duration_ms });
            }
            Code::Cancelled => return Err(RunError::Interrupted),
            Code::EngineFailed if error.is_retryable() => return Err(RunError::Engine(error)),
            Code::EngineFailed => fault::ENGINE_FAILED,
            Code::NotAudio => fault::NOT_AUDIO,
            Code::RecordingEmpty => fault::RECORDING_EMPTY,
            Code::NoSpeech => fault::NO_SPEECH,
            Code::RecordingMissing => fault::RECORDING_MISSING,
        };
        Err(RunError::Fault { code, source: Some(error) })
    }

    fn has_heard(&self) -> bool {
        self.position.next_ordinal > self.piece.first_ordinal
    }

    async fn take(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Progress { percent, stage } => match stage {
                speech::Stage::Loading => self.progress(Stage::Decoding, 0).await,
                speech::Stage::Decoding => self.progress(Stage::Decoding, percent).await,
                speech::Stage::Recognising => self.progress(Stage::Recognising, percent).await,
            },
            Event::Language { tag } => {
                let (id, attempt) = (self.transcript, self.claim.attempt);
                transcript::set_language(&self.of.pool, id, attempt, &tag).await?;
                self.position.language = Some(tag);
                Ok(())
            }
            Event::Segment(segment) => self.add(&segment).await,
        }
    }

    /// Stores a segment and tells of it, in one transaction.
    async fn add(&mut self, heard: &speech::Segment) -> Result<(), RunError> {
        // In the file.
        let heard_ms = i64::try_from(heard.end_ms).unwrap_or(i64::MAX);
        // Postgres has no place for NUL in a text.
        let text = heard.text.replace('\0', " ");
        let text = text.trim();
        let known = self.has_heard() && heard_ms <= self.heard_ms;
        if text.is_empty() || known {
            return Ok(());
        }
        // In the recording.
        let place = |ms: u64| {
            let ms = i64::try_from(ms).unwrap_or(i64::MAX);
            self.piece.offset_ms.saturating_add(ms).min(self.piece.ceiling_ms)
        };
        let start_ms = place(heard.start_ms);
        let end_ms = place(heard.end_ms).max(start_ms);
        let told = Recognised {
            meeting_id: self.input.meeting_id,
            transcript_id: self.transcript,
            segment_id: Uuid::now_v7(),
            ordinal: self.position.next_ordinal,
            start_ms,
            end_ms,
        };
        let new = NewSegment {
            id: told.segment_id,
            transcript_id: told.transcript_id,
            ordinal: told.ordinal,
            start_ms,
            end_ms,
            text,
            confidence: heard
                .confidence
                .map(|sure| if sure.is_nan() { 0.0 } else { sure.clamp(0.0, 1.0) }),
        };
        let mut tx = self.of.pool.begin().await?;
        // Takes the ordering key's lock first, as everybody who writes about the meeting does.
        if !self.of.tasks.holds(&mut tx, self.claim).await?
            || !segment::insert(&mut tx, self.claim.attempt, new).await?
        {
            return Err(RunError::Lost);
        }
        if let Some(sequence) = self.piece.sequence {
            parts::heard(&mut tx, self.input.recording_id, sequence, heard_ms).await?;
        }
        self.of.outbox.append(&mut tx, events::segment_recognised(told)).await?;
        tx.commit().await?;
        self.of.outbox.wake();
        self.position.next_ordinal += 1;
        self.heard_ms = heard_ms;
        self.progress.allow(longest_run(heard_ms));
        Ok(())
    }

    /// Completes transcript, minutes and task at once.
    async fn finish(&mut self, outcome: Outcome) -> Result<(), RunError> {
        let segments = segment::of_transcript(&self.of.pool, self.transcript).await?;
        if segments.is_empty() {
            return Err(RunError::fault(fault::NO_SPEECH));
        }
        let language = outcome
            .language
            .or_else(|| self.position.language.clone())
            .or_else(|| self.input.language.clone())
            .unwrap_or_else(|| UNDETERMINED.to_owned());
        let utterances: Vec<Utterance> = segments.iter().map(utterance).collect();
        let text = whole_text(&utterances);
        let duration_ms = i64::try_from(outcome.duration_ms).unwrap_or(i64::MAX).max(self.heard_ms);
        let done = Done { language, text, duration_ms, segments };
        let sections = self.sections(&utterances, &done.language).await?;
        let object = self.object(&done)?;
        let object_key = format!("transcripts/{}.json", self.transcript);
        let stale = match self.of.objects.put(&object_key, object.clone()).await {
            Ok(()) => false,
            // An attempt before this one came as far as here.
            Err(ObjectError::Exists(_)) => {
                let limit = object.len() as u64;
                let there = self.of.objects.get(&object_key, limit).await;
                !there.is_ok_and(|bytes| bytes == object)
            }
            Err(error) => return Err(error.into()),
        };
        self.progress(Stage::Writing, 50).await?;
        let mut tx = self.of.pool.begin().await?;
        if !self.of.tasks.complete(&mut tx, self.claim).await? {
            return Err(RunError::Lost);
        }
        if stale {
            // Nobody was told of it yet, and nobody else writes while the transaction holds the task.
            self.of.objects.delete(&object_key).await?;
            self.of.objects.put(&object_key, object).await?;
        }
        // What people edited since is in the text; the object stays as it was recognised.
        let done = Done { text: text_of(&segment::texts(&mut tx, self.transcript).await?), ..done };
        let stale_keys = self.write(&mut tx, &done, &sections, &object_key).await?;
        tx.commit().await?;
        self.of.outbox.wake();
        self.of.cache.invalidate(&stale_keys).await;
        Ok(())
    }

    /// The rows and the event of a complete transcript; gives the cache keys that are out of date.
    async fn write(
        &self,
        tx: &mut sqlx::PgConnection,
        done: &Done,
        sections: &[rules::Section],
        object_key: &str,
    ) -> Result<Vec<String>, RunError> {
        let finished = Finished {
            text: &done.text,
            language: &done.language,
            duration_ms: done.duration_ms,
            object_key,
        };
        transcript::complete(tx, self.transcript, finished).await?;
        let sections: Vec<minutes::NewSection<'_>> = sections
            .iter()
            .map(|section| minutes::NewSection {
                key: &section.key,
                title: &section.title,
                body: &section.body,
            })
            .collect();
        let meeting_id = self.input.meeting_id;
        let minutes_id = minutes::replace(tx, meeting_id, self.transcript, &sections).await?;
        let cached: Kind<TranscriptRow> = transcripts(&self.of.cache);
        let cached_sections = loader::sections(&self.of.cache);
        let stale_keys = vec![cached.key(self.transcript), cached_sections.key(minutes_id)];
        let told = Created {
            meeting_id,
            transcript_id: self.transcript,
            minutes_id,
            recording_id: self.input.recording_id,
            task_id: self.claim.task.id,
            language: &done.language,
            duration_ms: done.duration_ms,
            segment_count: done.segments.len(),
            object_key,
            invalidates: stale_keys.clone(),
        };
        self.of.outbox.append(tx, events::transcript_created(told)).await?;
        Ok(stale_keys)
    }

    async fn sections(
        &self,
        utterances: &[Utterance],
        language: &str,
    ) -> Result<Vec<rules::Section>, RunError> {
        let stored = meeting::sections(&self.of.pool, self.input.meeting_id).await?;
        let template: Vec<TemplateSection> = match stored {
            Some(sections) => serde_json::from_value(sections).map_err(RunError::Json)?,
            None => Vec::new(),
        };
        Ok(rules::fill(&template, utterances, Some(language)))
    }

    /// The immutable transcript for other services. The same segments give the same bytes.
    fn object(&self, done: &Done) -> Result<bytes::Bytes, RunError> {
        let segments: Vec<serde_json::Value> = done
            .segments
            .iter()
            .enumerate()
            .map(|(ordinal, segment)| {
                json!({
                    "id": segment.id,
                    "ordinal": ordinal,
                    "speaker": segment.speaker_label,
                    "startMs": segment.start_ms,
                    "endMs": segment.end_ms,
                    "text": segment.text,
                    "confidence": segment.confidence,
                })
            })
            .collect();
        let object = json!({
            "version": OBJECT_VERSION,
            "transcriptId": self.transcript,
            "meetingId": self.input.meeting_id,
            "recordingId": self.input.recording_id,
            "language": done.language,
            "durationMs": done.duration_ms,
            "text": done.text,
            "segments": segments,
        });
        Ok(serde_json::to_vec(&object).map_err(RunError::Json)?.into())
    }
}

/// What a finished recognition gave.
struct Done {
    language: String,
    text: String,
    duration_ms: i64,
    segments: Vec<SegmentRow>,
}

fn utterance(segment: &SegmentRow) -> Utterance {
    Utterance { start_ms: segment.start_ms, end_ms: segment.end_ms, text: segment.text.clone() }
}

/// The whole text of segments with these words, in their order.
#[must_use]
pub fn text_of(words: &[String]) -> String {
    let utterances: Vec<Utterance> =
        words.iter().map(|text| Utterance { start_ms: 0, end_ms: 0, text: text.clone() }).collect();
    whole_text(&utterances)
}
