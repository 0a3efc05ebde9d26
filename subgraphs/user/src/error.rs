//! What can go wrong in the user service.

use platform::{
    error::{ApiError, Code, UserError, internal},
    idempotency::BadKey,
    throttle::Closed,
};
use thiserror::Error;

use crate::{
    administration::StepError, domain::account::Refusal, password::PasswordError, token::TokenError,
};

/// The service can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The signing key can't be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Passwords can't be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Why an account operation gave no session.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The user can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// Too many attempts.
    #[error(transparent)]
    Throttled(#[from] Closed),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Hashing failed.
    #[error("hashing a password failed")]
    Password(#[from] PasswordError),
    /// Signing failed.
    #[error("making a token failed")]
    Token(#[from] TokenError),
}

impl From<StepError> for AccountError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Refused(refusal) => Self::Refused(refusal),
            StepError::Key(bad) => Self::Key(bad),
            StepError::Database(error) => Self::Database(error),
        }
    }
}

impl AccountError {
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
            Self::Throttled(closed) => {
                let seconds = closed.seconds();
                let message = format!("too many attempts; try again in {seconds} s");
                let mut error = ApiError::new(Code::RATE_LIMITED, message).into_graphql();
                error.extensions.get_or_insert_default().set("retryAfter", seconds);
                Err(error)
            }
            Self::Password(PasswordError::Busy) => {
                let message = "too many log-ins at once; try again in a few seconds";
                Err(ApiError::new(Code::QUEUE_FULL, message).into_graphql())
            }
            error => Err(internal(error)),
        }
    }
}
