//! The worker of the queue `transcript`.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::queue::{Job, Progress, Work, WorkError};
use platform::topology::Backoff;
use speech::SpeechError;
use tokio_util::sync::CancellationToken;

use crate::domain::fault;
use crate::error::RunError;
use crate::events::JOB;
use crate::transcription::Transcriber;
use crate::verification::{self, Verifier};

/// The pauses before a server of somebody else's that was away is asked again: the first, and the longest.
/// Meanwhile the recording waits outside the queue, and no try is lost.
pub const AWAY_PAUSES: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60) };
/// How long ago a recording may have come into the queue for it to wait so; older ones are given up.
pub const AWAY_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Does the queue's jobs.
#[derive(Clone)]
pub struct Worker {
    transcriber: Transcriber,
    verifier: Verifier,
}

impl Worker {
    /// A worker that transcribes and verifies with these.
    #[must_use]
    pub fn new(transcriber: Transcriber, verifier: Verifier) -> Self {
        Self { transcriber, verifier }
    }
}

impl Work for Worker {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        async move {
            if job.kind == verification::JOB {
                return self.verifier.run(job, progress).await;
            }
            if job.kind != JOB {
                return Err(WorkError::fail(
                    fault::UNKNOWN_WORK,
                    fault::message(fault::UNKNOWN_WORK),
                ));
            }
            // The future is dropped when the task is called off or the process ends: the engine too
            // must stop then.
            let cancel = CancellationToken::new();
            let _stop = cancel.clone().drop_guard();
            let done = self.transcriber.run(&job.claim, progress, &cancel).await;
            done.map_err(|error| judge(error, job.claim.attempt))
        }
        .boxed()
    }
}

/// What an attempt's error means for its job.
fn judge(error: RunError, attempt: i32) -> WorkError {
    match error {
        RunError::Fault { code, source } => {
            if let Some(source) = source {
                let cause = platform::error::chain(&source);
                tracing::warn!(code, cause, "a recording can't be turned into text");
            }
            WorkError::fail(code, fault::message(code))
        }
        RunError::Lost => WorkError::Cancelled,
        RunError::Engine(away @ SpeechError::Away { .. }) => {
            WorkError::put_off(away, AWAY_PAUSES.after(attempt), AWAY_LONGEST)
        }
        error => WorkError::retry(error),
    }
}
