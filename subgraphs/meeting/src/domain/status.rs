//! The life of a meeting:
//! `SCHEDULED → IN_PROGRESS → ENDED → MINUTES_READY`, or `CANCELLED`.

use std::fmt;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// Where a meeting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[graphql(name = "MeetingStatus")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Planned; nothing has happened yet.
    Scheduled,
    /// Being held now.
    InProgress,
    /// Over; its minutes are not there yet.
    Ended,
    /// Over, and its minutes can be read.
    MinutesReady,
    /// Called off before it ended.
    Cancelled,
}

/// What a host can do with a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin it.
    Start,
    /// Finish it.
    End,
    /// Call it off.
    Cancel,
}

/// What a step does to a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It moves on to this status.
    Move(Status),
    /// It is there already: answer the same again, change nothing.
    Already,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Scheduled, Self::InProgress, Self::Ended, Self::MinutesReady, Self::Cancelled];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::Ended => "ENDED",
            Self::MinutesReady => "MINUTES_READY",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the name back; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// What a step does to a meeting in this status.
    ///
    /// # Errors
    /// [`Refusal::IllegalStatus`].
    pub fn after(self, step: Step) -> Result<Outcome, Refusal> {
        match (step, self) {
            (Step::Start, Self::Scheduled) => Ok(Outcome::Move(Self::InProgress)),
            (Step::Start, Self::InProgress)
            | (Step::End, Self::Ended | Self::MinutesReady)
            | (Step::Cancel, Self::Cancelled) => Ok(Outcome::Already),
            (Step::End, Self::InProgress) => Ok(Outcome::Move(Self::Ended)),
            (Step::Cancel, Self::Scheduled | Self::InProgress) => {
                Ok(Outcome::Move(Self::Cancelled))
            }
            (step, from) => Err(Refusal::IllegalStatus { from, step: step.verb() }),
        }
    }

    /// May the plan (title, agenda, time) still be changed?
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::InProgress)
    }

    /// May a recording be uploaded? While the meeting runs, and after it ended
    /// as long as it has no recording.
    #[must_use]
    pub fn takes_recording(self, has_recording: bool) -> bool {
        match self {
            Self::InProgress => true,
            Self::Ended => !has_recording,
            Self::Scheduled | Self::MinutesReady | Self::Cancelled => false,
        }
    }

    /// Does the arrival of the minutes change this status?
    #[must_use]
    pub fn takes_minutes(self) -> bool {
        self == Self::Ended
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Start, Self::End, Self::Cancel];

    fn verb(self) -> &'static str {
        match self {
            Self::Start => "be started",
            Self::End => "be ended",
            Self::Cancel => "be cancelled",
        }
    }
}
