//! What can go wrong in the todo service.

use platform::departure::BeginError;
use platform::error::{UserError, internal};
use platform::idempotency::BadKey;
use thiserror::Error;

use crate::domain::refusal::Refusal;

/// The service can't start. There is nothing yet that could stop it.
#[derive(Debug, Error)]
pub enum StartError {}

/// Why a mutation didn't do what was asked.
#[derive(Debug, Error)]
pub enum TodoError {
    /// The user can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl From<BeginError> for TodoError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Gone => Refusal::NoAccount.into(),
            BeginError::Database(error) => error.into(),
        }
    }
}

impl TodoError {
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
            error => Err(internal(error)),
        }
    }
}
