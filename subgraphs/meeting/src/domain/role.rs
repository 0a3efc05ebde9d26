//! What somebody is in a meeting.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// What somebody is in a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[graphql(name = "ParticipantRole")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Leads it: starts, ends and cancels it.
    Host,
    /// Takes part in it.
    Attendee,
}

impl Role {
    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "HOST",
            Self::Attendee => "ATTENDEE",
        }
    }

    /// Reads the name back; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Host, Self::Attendee].into_iter().find(|role| role.as_str() == name)
    }
}
