//! What the user can mend, with the stable code that clients branch on.

use thiserror::Error;

use super::{plan, status::Status};

/// Why a mutation is refused; the texts are shown to the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such todo, or one that isn't the viewer's to see: never told apart.
    #[error("there is no such todo")]
    TodoNotFound,
    /// No such meeting, or one the viewer doesn't take part in: never told apart.
    #[error("there is no such meeting")]
    MeetingNotFound,
    /// Empty, too long, or several lines.
    #[error("the title needs 1 to {} characters on one line", plan::TITLE_MAX_CHARS)]
    InvalidTitle,
    /// Too long.
    #[error("the description may have at most {} bytes", plan::DESCRIPTION_MAX_BYTES)]
    InvalidDescription,
    /// Who is to do it doesn't take part in the meeting; or it is of no meeting, and not for oneself.
    #[error("it can be given to somebody who takes part in its meeting; without one, to yourself")]
    InvalidAssignee,
    /// The status doesn't allow this step.
    #[error("a todo that is {from} cannot become {to}")]
    IllegalStatus {
        /// The status now.
        from: Status,
        /// The status asked for.
        to: Status,
    },
    /// It is done or cancelled, and stays as it is.
    #[error("a todo that is done or cancelled cannot be changed")]
    Finished,
    /// The account was deleted, while a token of it was still good.
    #[error("this account doesn't exist any more")]
    NoAccount,
    /// Somebody changed it in between.
    #[error("the todo was changed by someone else; load it again")]
    VersionConflict,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TodoNotFound => "TODO_NOT_FOUND",
            Self::MeetingNotFound => "MEETING_NOT_FOUND",
            Self::InvalidTitle => "INVALID_TITLE",
            Self::InvalidDescription => "INVALID_DESCRIPTION",
            Self::InvalidAssignee => "INVALID_ASSIGNEE",
            Self::IllegalStatus { .. } | Self::Finished => "ILLEGAL_STATUS",
            Self::NoAccount => "NO_ACCOUNT",
            Self::VersionConflict => "VERSION_CONFLICT",
        }
    }

    /// The input field to mend, if it is one.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::TodoNotFound | Self::Finished => Some("todoId"),
            Self::MeetingNotFound => Some("meetingId"),
            Self::InvalidTitle => Some("title"),
            Self::InvalidDescription => Some("description"),
            Self::InvalidAssignee => Some("assigneeId"),
            Self::IllegalStatus { .. } => Some("status"),
            Self::NoAccount => None,
            Self::VersionConflict => Some("version"),
        }
    }
}
