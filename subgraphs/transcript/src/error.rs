//! Inner errors of this service.

use platform::object::ObjectError;
use speech::SpeechError;

/// Why the service can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The recogniser can't be set up.
    #[error("the speech engine can't be set up")]
    Engine(#[source] SpeechError),
}

/// Why a transcription stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It can't succeed; the code is one of [`crate::domain::fault`].
    #[error("the recording can't be turned into text: {code}")]
    Fault {
        /// Stable code.
        code: &'static str,
        /// What is behind it.
        #[source]
        source: Option<SpeechError>,
    },
    /// The recogniser failed; another attempt may succeed.
    #[error("the speech engine failed")]
    Engine(#[source] SpeechError),
    /// Another attempt has taken over, or the task was called off.
    #[error("the task isn't this attempt's any more")]
    Lost,
    /// The worker is told to stop; the job will be delivered again.
    #[error("the attempt was interrupted")]
    Interrupted,
    /// The task doesn't say what to do.
    #[error("the task's input can't be read")]
    Input(#[source] serde_json::Error),
    /// The transcript can't be put into JSON.
    #[error("the transcript can't be written as JSON")]
    Json(#[source] serde_json::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Object storage failed.
    #[error("object storage failed")]
    Object(#[from] ObjectError),
    /// The folder for copies of recordings can't be used.
    #[error("no room for a copy of the recording")]
    Scratch(#[source] std::io::Error),
}

impl RunError {
    /// A failure for good.
    #[must_use]
    pub fn fault(code: &'static str) -> Self {
        Self::Fault { code, source: None }
    }
}
