//! What clients are told when a subscription can't start or go on.

use crate::error::{GraphQLError, code};

use super::{cursor::InvalidCursor, hub::Unavailable, mailbox::End, subject::FillError};

/// What is listened to doesn't exist, or isn't the viewer's.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// The cursor is not one of ours.
pub const INVALID_CURSOR: &str = "INVALID_CURSOR";
/// Events after the cursor are gone; query the state anew and subscribe without it.
pub const SUBSCRIPTION_GAP: &str = "SUBSCRIPTION_GAP";
/// The client reads too slowly; subscribe again with the last cursor.
pub const SUBSCRIPTION_SLOW_CLIENT: &str = "SUBSCRIPTION_SLOW_CLIENT";

pub(super) fn unauthenticated(message: &str) -> GraphQLError {
    GraphQLError::new(code::UNAUTHENTICATED, message)
}

pub(super) fn not_found() -> GraphQLError {
    GraphQLError::new(NOT_FOUND, "There is nothing of yours here to listen to.")
}

pub(super) fn internal(message: &str) -> GraphQLError {
    GraphQLError::new(code::INTERNAL_SERVER_ERROR, message)
}

impl From<InvalidCursor> for GraphQLError {
    fn from(_: InvalidCursor) -> Self {
        Self::new(INVALID_CURSOR, "`after` is not a cursor that was given out here.")
    }
}

impl From<FillError> for GraphQLError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::NoViewer => unauthenticated("Sign in to listen to this."),
            FillError::Argument(_) => Self::new(code::BAD_USER_INPUT, error.to_string()),
        }
    }
}

impl From<Unavailable> for GraphQLError {
    fn from(error: Unavailable) -> Self {
        internal(&error.to_string())
    }
}

impl From<End> for GraphQLError {
    fn from(end: End) -> Self {
        match end {
            End::SlowClient => Self::new(
                SUBSCRIPTION_SLOW_CLIENT,
                "Events came faster than they were read. Subscribe again after the last cursor.",
            ),
            End::Gap => Self::new(
                SUBSCRIPTION_GAP,
                "Events after this cursor may be lost. Subscribe again without a cursor.",
            ),
            End::Unavailable => internal("Live updates can't be reached at the moment."),
            End::Shutdown => internal("The router stops. Subscribe again after the last cursor."),
        }
    }
}
