//! What people answer to an invitation.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use super::{refusal::Refusal, role::Role, status::Status};

/// Whether somebody comes to a meeting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[graphql(name = "ParticipantResponse")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Response {
    /// Hasn't answered yet.
    #[default]
    Pending,
    /// Comes.
    Accepted,
    /// Doesn't come.
    Declined,
    /// May come.
    Tentative,
}

/// What can be answered to an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "InvitationAnswer")]
pub enum Answer {
    /// One comes.
    Accepted,
    /// One doesn't come.
    Declined,
    /// One may come.
    Tentative,
}

impl Response {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Accepted, Self::Declined, Self::Tentative];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Accepted => "ACCEPTED",
            Self::Declined => "DECLINED",
            Self::Tentative => "TENTATIVE",
        }
    }

    /// Reads the name back; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|response| response.as_str() == name)
    }

    /// The response as it counts: whoever leads a meeting comes to it, whatever they answered before.
    #[must_use]
    pub fn of(self, role: Role) -> Self {
        match role {
            Role::Host => Self::Accepted,
            Role::Attendee => self,
        }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted => Self::Accepted,
            Answer::Declined => Self::Declined,
            Answer::Tentative => Self::Tentative,
        }
    }
}

/// May somebody with this role answer the invitation to a meeting in this status?
///
/// # Errors
/// [`Refusal::NotInvited`] for the host, [`Refusal::IllegalStatus`] once it ended or was called off.
pub fn check(role: Role, status: Status) -> Result<(), Refusal> {
    if role == Role::Host {
        return Err(Refusal::NotInvited);
    }
    if !status.is_open() {
        return Err(Refusal::IllegalStatus { from: status, step: "be answered" });
    }
    Ok(())
}
