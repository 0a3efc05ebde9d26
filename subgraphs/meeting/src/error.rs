//! What can go wrong in the meeting service.

use platform::{
    departure::BeginError,
    error::{ApiError, Code, Refused, UserError, internal},
    idempotency::BadKey,
    subgraph::PeerError,
};
use thiserror::Error;

use crate::domain::refusal::Refusal;

/// Another service is needed and doesn't answer; the same request may work in a moment.
pub const PEER_UNREACHABLE: Code = Code("SUBREQUEST_HTTP_ERROR");

/// The service can't start. There is nothing yet that could stop it.
#[derive(Debug, Error)]
pub enum StartError {}

/// Why a mutation didn't do what was asked.
#[derive(Debug, Error)]
pub enum MeetingError {
    /// The user can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Whether the participants exist can't be found out.
    #[error("the user service can't be asked")]
    Users(#[source] PeerError),
    /// The user service answered something else.
    #[error("the answer of the user service can't be read")]
    UsersAnswer(#[source] serde_json::Error),
}

impl From<BeginError> for MeetingError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Gone => Refusal::NoAccount.into(),
            BeginError::Database(error) => error.into(),
        }
    }
}

impl MeetingError {
    /// What the client is told: a user error for the payload, or an error of the request.
    ///
    /// # Errors
    /// The public form of what the user can't mend; inner causes are logged here.
    pub fn told(self) -> Result<UserError, async_graphql::Error> {
        match self {
            Self::Refused(refusal) => {
                let error = UserError::new(refusal.code(), refusal.to_string());
                Ok(error.about(refusal.field()))
            }
            Self::Key(bad) => Ok(bad.into()),
            Self::Users(cause) => {
                let error = platform::error::chain(&cause);
                tracing::warn!(error, "the user service can't be asked");
                let message = "the participants can't be checked right now; nothing was \
                               created, try again in a moment";
                Err(ApiError::new(PEER_UNREACHABLE, message).into_graphql())
            }
            error => Err(internal(error)),
        }
    }
}

impl From<MeetingError> for Refused {
    fn from(error: MeetingError) -> Self {
        match error.told() {
            Ok(error) => error.into(),
            Err(error) => error.into(),
        }
    }
}
