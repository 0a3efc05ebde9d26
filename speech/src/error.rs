//! What can go wrong between a recording and its text, with stable codes.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::weights::WeightsError;

/// Stable code of a failed recognition, as it appears in a task's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The file holds no audio that can be read.
    NotAudio,
    /// The file is audio, but not one sample is in it.
    RecordingEmpty,
    /// There is audio, but nobody speaks in it.
    NoSpeech,
    /// The file isn't there.
    RecordingMissing,
    /// The engine itself failed; the recording may be fine.
    EngineFailed,
    /// The caller asked to stop.
    Cancelled,
}

impl Code {
    /// The code as clients see it, e.g. `NOT_AUDIO`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAudio => "NOT_AUDIO",
            Self::RecordingEmpty => "RECORDING_EMPTY",
            Self::NoSpeech => "NO_SPEECH",
            Self::RecordingMissing => "RECORDING_MISSING",
            Self::EngineFailed => "ENGINE_FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a recognition didn't give a text. [`SpeechError::code`] is for clients,
/// the message and its causes are for the log.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// No known container, or none with an audio track.
    #[error("the file is not audio: {reason}")]
    NotAudio {
        /// What the demuxer said.
        reason: String,
    },
    /// A known container with a codec that we can't decode.
    #[error("the recording's codec is not supported: {codec}")]
    Unsupported {
        /// The codec, as the container names it.
        codec: String,
    },
    /// Nothing to decode: zero bytes, or a header without samples.
    #[error("the recording is empty")]
    Empty,
    /// Audio without speech.
    #[error("no speech in the recording")]
    NoSpeech,
    /// The recording isn't where it should be.
    #[error("the recording is missing")]
    Missing(#[source] io::Error),
    /// The recording can't be read (disk, permissions): worth another try.
    #[error("the recording cannot be read")]
    Read(#[source] io::Error),
    /// The caller cancelled.
    #[error("recognition was cancelled")]
    Cancelled,
    /// The model's weights are not there and can't be fetched.
    #[error("the speech weights are not available")]
    Weights(#[from] WeightsError),
    /// The engine refused or failed.
    #[error("the speech engine failed: {reason}")]
    Engine {
        /// What the engine said.
        reason: String,
        /// Whether another attempt may succeed.
        retryable: bool,
    },
    /// The engine's server can't be reached, or gives no answer that can be used now: it may be back later.
    #[error("the speech engine is away: {reason}")]
    Away {
        /// What is known of it.
        reason: String,
    },
    /// The engine's process could not be started or spoken to.
    #[error("the speech engine's process failed")]
    Process(#[source] io::Error),
}

impl SpeechError {
    /// An engine failure that another attempt may mend.
    pub(crate) fn engine(reason: impl fmt::Display) -> Self {
        Self::Engine { reason: reason.to_string(), retryable: true }
    }

    /// A language that was chosen and that the engine can't hear.
    #[must_use]
    pub fn unknown_language(chosen: Option<&str>) -> Self {
        let reason = format!("language {:?} is not known", chosen.unwrap_or_default());
        Self::Engine { reason, retryable: false }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotAudio { .. } | Self::Unsupported { .. } => Code::NotAudio,
            Self::Empty => Code::RecordingEmpty,
            Self::NoSpeech => Code::NoSpeech,
            Self::Missing(_) => Code::RecordingMissing,
            Self::Cancelled => Code::Cancelled,
            Self::Read(_)
            | Self::Weights(_)
            | Self::Engine { .. }
            | Self::Away { .. }
            | Self::Process(_) => Code::EngineFailed,
        }
    }

    /// Whether another attempt with the same recording may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(_) | Self::Weights(_) | Self::Away { .. } | Self::Process(_) => true,
            Self::Engine { retryable, .. } => *retryable,
            _ => false,
        }
    }
}
