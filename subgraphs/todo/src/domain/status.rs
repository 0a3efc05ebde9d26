//! The life of a todo: `PROPOSED → OPEN → IN_PROGRESS → DONE`, or `CANCELLED`.

use std::fmt;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// Where a todo stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[graphql(name = "TodoStatus")]
pub enum Status {
    /// Found in a meeting's text; people still have to say that they want it.
    Proposed,
    /// To be done.
    Open,
    /// Somebody is at it.
    InProgress,
    /// Done.
    Done,
    /// Not wanted, or not wanted any more.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Proposed, Self::Open, Self::InProgress, Self::Done, Self::Cancelled];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Open => "OPEN",
            Self::InProgress => "IN_PROGRESS",
            Self::Done => "DONE",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing can change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// Moves on to another status; `false` when it is there already.
    ///
    /// # Errors
    /// [`Refusal::IllegalStatus`].
    pub fn go(self, to: Self) -> Result<bool, Refusal> {
        match (self, to) {
            (from, to) if from == to => Ok(false),
            (Self::Proposed, Self::Open | Self::Cancelled)
            | (Self::Open, Self::InProgress | Self::Done | Self::Cancelled)
            | (Self::InProgress, Self::Open | Self::Done | Self::Cancelled) => Ok(true),
            (from, to) => Err(Refusal::IllegalStatus { from, to }),
        }
    }
}

impl From<String> for Status {
    /// Reads a status of the database, which holds no others.
    fn from(name: String) -> Self {
        Self::ALL.into_iter().find(|one| one.as_str() == name).unwrap_or(Self::Proposed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
