//! Inner errors of this service.

use platform::departure::BeginError;
use platform::error::{UserError, internal};
use platform::idempotency::BadKey;
use platform::object::ObjectError;
use speech::SpeechError;

use crate::domain::refusal::{Refusal, VERSION_CONFLICT};

/// Why the service can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The recogniser can't be set up.
    #[error("the speech engine can't be set up")]
    Engine(#[source] SpeechError),
    /// The client of a speech-to-text server can't be set up.
    #[error("the speech-to-text server can't be asked")]
    Server(#[source] openai::SetupError),
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
    #[error(transparent)]
    Engine(SpeechError),
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

/// Why a mutation didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EditError<T> {
    /// The user can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else was faster; this is what they left.
    #[error("it was changed by someone else: look at it again")]
    Conflict(Box<T>),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl<T> From<BeginError> for EditError<T> {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Gone => Refusal::NoAccount.into(),
            BeginError::Database(error) => error.into(),
        }
    }
}

impl<T> EditError<T> {
    /// What the client is told: a user error for the payload, with what others left if they were
    /// faster; or an error of the request. `version` is the field that names what the editor saw.
    ///
    /// # Errors
    /// The public form of what the user can't mend; inner causes are logged here.
    pub fn told(self, version: &str) -> Result<(Option<T>, UserError), async_graphql::Error> {
        match self {
            Self::Refused(refusal) => Ok((None, refusal.into())),
            Self::Conflict(now) => {
                let message = "somebody else was faster: this is how it is now";
                Ok((Some(*now), UserError::new(VERSION_CONFLICT, message).on(version)))
            }
            Self::Key(bad) => Ok((None, bad.into())),
            Self::Database(error) => Err(internal(error)),
        }
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string()).about(refusal.field())
    }
}
