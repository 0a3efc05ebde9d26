//! The lines that parent and child exchange.

use serde::{Deserialize, Serialize};

use crate::engine::{Event, Job, Outcome};
use crate::error::{Code, SpeechError};

/// Longest line that either side accepts.
pub(super) const LINE_BYTES: usize = 1 << 20;

/// Parent → child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Request {
    /// Recognise; jobs run one after the other.
    Transcribe { id: u64, job: Job },
    /// Stop the job with this number.
    Cancel { id: u64 },
}

/// Child → parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Reply {
    /// Something of the running job.
    Event { id: u64, event: Event },
    /// The job's good end.
    Done { id: u64, outcome: Outcome },
    /// The job's bad end.
    Failed { id: u64, failure: Failure },
    /// A sign of life.
    Alive,
}

/// An error on its way between processes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Failure {
    code: Code,
    reason: String,
    retryable: bool,
}

impl From<&SpeechError> for Failure {
    fn from(error: &SpeechError) -> Self {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        Self { code: error.code(), reason, retryable: error.is_retryable() }
    }
}

impl From<Failure> for SpeechError {
    fn from(failure: Failure) -> Self {
        let Failure { code, reason, retryable } = failure;
        match code {
            Code::NotAudio => Self::NotAudio { reason },
            Code::RecordingEmpty => Self::Empty,
            Code::NoSpeech => Self::NoSpeech,
            Code::RecordingMissing => Self::Missing(std::io::Error::other(reason)),
            Code::Cancelled => Self::Cancelled,
            Code::EngineFailed => Self::Engine { reason, retryable },
        }
    }
}
