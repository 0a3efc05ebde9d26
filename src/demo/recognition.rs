//! Texts of the demo's past meetings. There is no recording of them, so the recogniser is one that says what is
//! written here; all else that happens to a transcription happens to these.

use anyhow::{Context, Result, bail};
use futures::{FutureExt as _, future::BoxFuture};
use platform::{
    kernel::Kernel,
    object::ObjectError,
    queue::Progress,
    task::{NewTask, Priority, TaskStatus},
};
use serde_json::json;
use speech::{Engine, Event, Job, Outcome, Segment, Sink, SpeechError};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::story::Past;

/// How often a text is tried that a start that died has left half done.
const ATTEMPTS_MAX: usize = 5;
/// Silence between two pieces of speech, in milliseconds.
const PAUSE_MS: u64 = 400;
/// How long a letter takes to say, in milliseconds: of Hangul, and of Latin letters.
const LETTER_MS: [u64; 2] = [180, 65];

/// When something that is said from this millisecond on is over.
fn said_by(past: &Past, at_ms: u64, text: &str) -> u64 {
    at_ms + text.chars().count() as u64 * LETTER_MS[usize::from(past.language == "en")]
}

/// How long a meeting took, as far as it was recorded.
pub(super) fn length(past: &Past) -> Duration {
    let end_ms = past.lines.iter().fold(0, |at, line| said_by(past, at, line.text) + PAUSE_MS);
    Duration::from_millis(end_ms)
}

/// Says what was written down.
struct Written(&'static Past);

impl Engine for Written {
    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        _: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>> {
        async move {
            let tag = self.0.language.to_owned();
            let mut at = 0;
            let mut events = vec![Event::Language { tag: tag.clone() }];
            for line in self.0.lines {
                let end_ms = said_by(self.0, at, line.text);
                let text = line.text.to_owned();
                if end_ms > job.resume_from_ms {
                    let confidence = Some(line.confidence);
                    events.push(Event::Segment(Segment { start_ms: at, end_ms, text, confidence }));
                }
                at = end_ms + PAUSE_MS;
            }
            for event in events {
                sink.send(event).await.map_err(|_| SpeechError::Cancelled)?;
            }
            Ok(Outcome { language: Some(tag), duration_ms: at })
        }
        .boxed()
    }
}

/// Gives a meeting the text that it would have from a recording; one that has it keeps it.
///
/// # Errors
/// When the transcript service's database or object storage fails.
pub(super) async fn transcribe(kernel: &Kernel, meeting: Uuid, past: &'static Past) -> Result<()> {
    let config = transcript::Config::default().engine(Arc::new(Written(past)));
    let service = transcript::Service::new(kernel.clone(), config).await?;
    let key = format!("demo/{meeting}");
    match kernel.objects.put(&key, "There is no recording of the demo's meetings.").await {
        Ok(()) | Err(ObjectError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let tasks = kernel.tasks();
    for attempt in 1..=ATTEMPTS_MAX {
        let input = json!({
            "meetingId": meeting, "recordingId": meeting, "recordingKey": key,
            "language": past.language,
        });
        let new = NewTask {
            kind: "TRANSCRIPTION",
            typename: "TranscriptTask",
            queue: "transcript",
            job_kind: "transcription",
            priority: Priority::Normal,
            ordering_key: meeting,
            requested_by: None,
            input,
            dedupe_key: Some(format!("demo:{meeting}:{attempt}")),
            changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting } }),
        };
        // Opened, and not in the queue: its worker would look for speech in the recording.
        let mut tx = kernel.pool.begin().await?;
        let task = tasks.open(&mut tx, new).await?;
        tx.commit().await?;
        if let Some(claim) = tasks.claim(task.id).await? {
            let progress = Progress::new(tasks, claim.clone());
            let cancel = CancellationToken::new();
            service.transcriber().run(&claim, &progress, &cancel).await.context("a demo text")?;
            return Ok(());
        }
        let ended = tasks.uncached().get(&[task.id]).await?.remove(&task.id);
        if ended.is_some_and(|task| task.status == TaskStatus::Completed) {
            return Ok(());
        }
        // The process ended in the middle of it, and a worker has tried it since, in vain.
    }
    bail!("the demo's texts can't be made")
}
