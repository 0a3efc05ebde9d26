//! Why an upload is refused, as HTTP tells it: a status, and `{"code", "message"}`.

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use platform::{error::chain, object::ObjectError};
use serde_json::json;
use thiserror::Error;

use super::body::{IDLE_MAX_MS, Interruption};

/// When to come back if there is no place, in seconds.
pub(super) const RETRY_AFTER_S: u64 = 5;

/// Why an upload is refused.
#[derive(Debug, Error)]
pub(super) enum UploadRefusal {
    #[error("this upload address is not one of ours")]
    Forged,
    #[error("this upload address has expired; ask for a new one")]
    Expired,
    #[error("there is no such recording")]
    Unknown,
    #[error("this recording has been uploaded already")]
    Replayed,
    #[error("this recording is being uploaded by another request")]
    InProgress,
    #[error(
        "the file came too late: another request wrote it, or the recording is complete without it"
    )]
    Late,
    #[error("the meeting was cancelled")]
    Cancelled,
    #[error("the content-type must be {announced}, as announced")]
    WrongType { announced: String },
    #[error("the file is larger than the {size} bytes that were announced")]
    TooLarge { size: u64 },
    #[error("only {received} of {size} bytes arrived; send the file again")]
    Truncated { size: u64, received: u64 },
    #[error("nothing arrived for {IDLE_MAX_MS} ms; send the file again")]
    Silent,
    #[error("too many uploads at once; try again in a few seconds")]
    Busy,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("object storage failed")]
    Objects(#[from] ObjectError),
}

impl UploadRefusal {
    pub(super) fn interrupted(interruption: Interruption, size: u64) -> Self {
        match interruption {
            Interruption::Truncated { received } | Interruption::Broken { received, .. } => {
                Self::Truncated { size, received }
            }
            Interruption::TooLarge => Self::TooLarge { size },
            Interruption::Silent => Self::Silent,
            Interruption::LeaseLost => Self::InProgress,
            Interruption::Lease(error) => Self::Database(error),
        }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Forged => (StatusCode::FORBIDDEN, "INVALID_SIGNATURE"),
            Self::Expired => (StatusCode::GONE, "UPLOAD_EXPIRED"),
            Self::Unknown => (StatusCode::NOT_FOUND, "RECORDING_NOT_FOUND"),
            Self::Replayed => (StatusCode::CONFLICT, "ALREADY_UPLOADED"),
            Self::InProgress => (StatusCode::CONFLICT, "UPLOAD_IN_PROGRESS"),
            Self::Late => (StatusCode::CONFLICT, "UPLOAD_LATE"),
            Self::Cancelled => (StatusCode::CONFLICT, "ILLEGAL_STATUS"),
            Self::WrongType { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE")
            }
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RECORDING_TOO_LARGE"),
            Self::Truncated { .. } => (StatusCode::BAD_REQUEST, "RECORDING_TRUNCATED"),
            Self::Silent => (StatusCode::REQUEST_TIMEOUT, "UPLOAD_TOO_SLOW"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "SERVER_BUSY"),
            Self::Database(_) | Self::Objects(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR")
            }
        }
    }
}

impl IntoResponse for UploadRefusal {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let message = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = chain(&self), "an upload failed");
            platform::error::INTERNAL_MESSAGE.to_owned()
        } else {
            self.to_string()
        };
        let mut response =
            (status, Json(json!({ "code": code, "message": message }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S.into());
        }
        response
    }
}
