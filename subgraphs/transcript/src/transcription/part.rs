//! One attempt at a recording in parts: the next part, or, when no more come, the end.
//!
//! The task is one from the first part to the minutes. A job recognises one part and puts the task
//! back: into the queue if there is another one, so that meetings take turns at the engine; else it
//! waits, only opened, for the next part's event. Both are decided under the meeting's ordering key,
//! as the event is handled, so that no part falls between.

use platform::queue::Progress;
use platform::task::Claim;
use speech::Outcome;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Attempt, Piece, Share, Transcriber};
use crate::domain::fault;
use crate::domain::part::{Next, Part, end_ms, first_ordinal, next};
use crate::domain::progress::Stage;
use crate::error::RunError;
use crate::events::{Input, dedupe_key};
use crate::store::transcript::{Position, Run};
use crate::store::{part, segment, transcript};

/// What there is to do.
enum Step {
    /// This part.
    Recognise(Box<Piece>, Position),
    /// Nothing until another part comes: the task waits.
    Wait,
    /// All parts are text.
    Finish(Position, Vec<Part>),
}

impl Transcriber {
    pub(super) async fn run_part(
        &self,
        claim: &Claim,
        input: &Input,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<(), RunError> {
        let (piece, position) = match self.begin(claim, input).await? {
            Step::Wait => return Ok(()),
            Step::Finish(position, parts) => {
                let piece = Piece::whole(input);
                let attempt = Attempt::new(self, claim, progress, input, position, piece);
                return finish(attempt, &parts).await;
            }
            Step::Recognise(piece, position) => (*piece, position),
        };
        let sequence = piece.sequence.unwrap_or_default();
        let key = piece.key.clone();
        let mut attempt = Attempt::new(self, claim, progress, input, position, piece);
        let outcome = match self.fetch(&key).await {
            Ok(file) => attempt.recognise(&file, cancel).await,
            Err(error) => Err(error),
        };
        let (duration_ms, problem) = match outcome {
            Ok(outcome) => (i64::try_from(outcome.duration_ms).unwrap_or(i64::MAX), None),
            // The others are good for a text: this one is told to be missing.
            Err(RunError::Fault { code, source }) if fault::is_of_file(code) => {
                let cause = source.map(|source| platform::error::chain(&source));
                tracing::warn!(code, cause, sequence, "a part of a recording can't be read");
                (0, Some(code))
            }
            Err(error) => return Err(error),
        };
        let duration_ms = duration_ms.max(attempt.heard_ms);
        let mut tx = self.pool.begin().await?;
        if !self.tasks.holds(&mut tx, claim).await? {
            return Err(RunError::Lost);
        }
        part::done(&mut tx, input.recording_id, sequence, duration_ms, problem).await?;
        let parts = part::of(&mut tx, input.recording_id).await?;
        let is_closed = part::is_closed(&mut tx, input.recording_id).await?;
        let rest = next(&parts, is_closed);
        if rest.is_none() && is_closed {
            tx.commit().await?;
            return finish(attempt, &parts).await;
        }
        if !self.tasks.pause(&mut tx, claim).await? {
            return Err(RunError::Lost);
        }
        if rest.is_some() {
            let again = claim.task.input.clone();
            self.tasks.submit(&mut tx, &dedupe_key(input.recording_id), again).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    /// Finds out what there is to do, and notes where the part lies that is begun.
    async fn begin(&self, claim: &Claim, input: &Input) -> Result<Step, RunError> {
        let recording_id = input.recording_id;
        let mut tx = self.pool.begin().await?;
        if !self.tasks.holds(&mut tx, claim).await? {
            return Err(RunError::Lost);
        }
        let parts = part::of(&mut tx, recording_id).await?;
        let is_closed = part::is_closed(&mut tx, recording_id).await?;
        let found = next(&parts, is_closed);
        if found.is_none() && !is_closed {
            if !self.tasks.pause(&mut tx, claim).await? {
                return Err(RunError::Lost);
            }
            tx.commit().await?;
            self.outbox.wake();
            return Ok(Step::Wait);
        }
        let run = Run {
            new_id: Uuid::now_v7(),
            meeting_id: input.meeting_id,
            task_id: claim.task.id,
            recording_id,
        };
        let mut position = transcript::open(&mut tx, run).await?;
        let Some(Next { sequence, offset_ms, ceiling_ms }) = found else {
            tx.commit().await?;
            return Ok(Step::Finish(position, parts));
        };
        let standing = part::place(&mut tx, recording_id, sequence, offset_ms).await?;
        let first = first_ordinal(sequence);
        let behind = first_ordinal(sequence + 1);
        let last = segment::last_ordinal(&mut tx, position.id, first, behind).await?;
        position.next_ordinal = last.map_or(first, |last| last + 1);
        position.end_ms = standing.heard_ms;
        tx.commit().await?;
        let done = parts.iter().filter(|part| part.is_done).count();
        Ok(Step::Recognise(
            Box::new(Piece {
                key: standing.object_key,
                sequence: Some(sequence),
                first_ordinal: first,
                offset_ms,
                ceiling_ms,
                share: Some(Share { done, known: parts.len(), is_closed }),
            }),
            position,
        ))
    }
}

/// Completes what has come.
async fn finish(mut attempt: Attempt<'_>, parts: &[Part]) -> Result<(), RunError> {
    let good = parts.iter().any(|part| part.problem.is_none());
    if !good {
        // Nothing came, or nothing that can be read.
        let code = parts.iter().find_map(|part| part.problem.as_deref());
        return Err(RunError::fault(code.map_or(fault::RECORDING_MISSING, fault::known)));
    }
    attempt.progress(Stage::Writing, 0).await?;
    let duration_ms = u64::try_from(end_ms(parts)).unwrap_or_default();
    attempt.finish(Outcome { language: None, duration_ms }).await
}
