//! What the user can mend, with the stable code that clients branch on.

use thiserror::Error;

use super::{edit, share};

/// Why a mutation is refused; the texts are shown to the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such section, or one of a meeting the viewer doesn't take part in: never told apart.
    #[error("there is no such section")]
    SectionNotFound,
    /// The viewer takes part, but doesn't lead the meeting.
    #[error("only the host of the meeting may do this")]
    NotHost,
    /// It is verified, and stays as it is until the host reopens it.
    #[error("the section is verified and locked; the host can reopen it")]
    SectionLocked,
    /// Empty, too long, or several lines.
    #[error("the title needs 1 to {} characters on one line", edit::TITLE_MAX_CHARS)]
    InvalidTitle,
    /// Too long, or not text.
    #[error("the body may have at most {} bytes of text", edit::BODY_MAX_BYTES)]
    InvalidBody,
    /// No such segment, or one that isn't the viewer's to see: never told apart.
    #[error("there is no such segment")]
    SegmentNotFound,
    /// Empty, too long, or not text.
    #[error("the text needs 1 to {} characters", edit::TEXT_MAX_CHARS)]
    InvalidText,
    /// No such transcript, or one that isn't the viewer's to see: never told apart.
    #[error("there is no such transcript")]
    TranscriptNotFound,
    /// No such speaker in that transcript, or one that isn't the viewer's to see: never told apart.
    #[error("there is no such speaker")]
    SpeakerNotFound,
    /// Empty, too long, or several lines.
    #[error("the label needs 1 to {} characters on one line", edit::LABEL_MAX_CHARS)]
    InvalidLabel,
    /// Another speaker of the transcript is called so.
    #[error("another speaker is called so")]
    LabelTaken,
    /// More than anybody can tell apart.
    #[error("a transcript has at most {} speakers", edit::SPEAKERS_MAX)]
    TooManySpeakers,
    /// Whose voice it is said to be doesn't take part.
    #[error("a speaker is somebody who takes part in the meeting")]
    InvalidPerson,
    /// No such meeting, or one the viewer doesn't take part in: never told apart.
    #[error("there is no such meeting")]
    MeetingNotFound,
    /// Its text isn't there yet.
    #[error("the meeting's text isn't there yet")]
    TranscriptNotReady,
    /// Nobody, or too many at once.
    #[error("share with 1 to {} people at once", share::PEOPLE_AT_ONCE_MAX)]
    InvalidPeople,
    /// An account that doesn't exist.
    #[error("one of these people has no account here")]
    UnknownPerson,
    /// More than anybody shares with.
    #[error("a transcript is shared with at most {} people", share::PEOPLE_MAX)]
    TooManyPeople,
    /// Too soon, too late, or past.
    #[error("a link ends in a minute to {} days", share::LINK_TTL_MAX_S / 86_400)]
    InvalidExpiry,
    /// As many links as there may be.
    #[error("a meeting has at most {} links; revoke one", share::LINKS_MAX)]
    TooManyLinks,
    /// No such link, or one of a meeting the viewer doesn't take part in: never told apart.
    #[error("there is no such link")]
    LinkNotFound,
    /// The account was deleted, while a token of it was still good.
    #[error("this account doesn't exist any more")]
    NoAccount,
    /// Kept as long as it was to be, and needed again.
    #[error("the recording has been deleted: it can't be turned into text any more")]
    RecordingDeleted,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SectionNotFound => "SECTION_NOT_FOUND",
            Self::NotHost => "NOT_HOST",
            Self::SectionLocked => "SECTION_LOCKED",
            Self::InvalidTitle => "INVALID_TITLE",
            Self::InvalidBody => "INVALID_BODY",
            Self::SegmentNotFound => "SEGMENT_NOT_FOUND",
            Self::InvalidText => "INVALID_TEXT",
            Self::TranscriptNotFound => "TRANSCRIPT_NOT_FOUND",
            Self::SpeakerNotFound => "SPEAKER_NOT_FOUND",
            Self::InvalidLabel => "INVALID_LABEL",
            Self::LabelTaken => "LABEL_TAKEN",
            Self::TooManySpeakers => "TOO_MANY_SPEAKERS",
            Self::InvalidPerson => "INVALID_PERSON",
            Self::MeetingNotFound => "MEETING_NOT_FOUND",
            Self::InvalidPeople => "INVALID_PEOPLE",
            Self::UnknownPerson => "UNKNOWN_PERSON",
            Self::TooManyPeople => "TOO_MANY_PEOPLE",
            Self::InvalidExpiry => "INVALID_EXPIRY",
            Self::TooManyLinks => "TOO_MANY_LINKS",
            Self::LinkNotFound => "SHARE_LINK_NOT_FOUND",
            Self::NoAccount => "NO_ACCOUNT",
            Self::RecordingDeleted => "RECORDING_DELETED",
            Self::TranscriptNotReady => "TRANSCRIPT_NOT_READY",
        }
    }

    /// The input field to mend, if it is one.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::SectionNotFound | Self::SectionLocked => Some("sectionId"),
            Self::NotHost | Self::NoAccount => None,
            Self::InvalidTitle => Some("title"),
            Self::InvalidBody => Some("body"),
            Self::SegmentNotFound => Some("segmentId"),
            Self::InvalidText => Some("text"),
            Self::TranscriptNotFound | Self::TooManySpeakers => Some("transcriptId"),
            Self::SpeakerNotFound => Some("speakerId"),
            Self::InvalidLabel | Self::LabelTaken => Some("label"),
            Self::InvalidPerson => Some("userId"),
            Self::MeetingNotFound | Self::TranscriptNotReady | Self::TooManyLinks => {
                Some("meetingId")
            }
            Self::InvalidPeople | Self::UnknownPerson | Self::TooManyPeople => Some("userIds"),
            Self::InvalidExpiry => Some("expiresAt"),
            Self::LinkNotFound => Some("linkId"),
            Self::RecordingDeleted => Some("taskId"),
        }
    }
}

/// The code of a change that somebody else was faster with.
pub const VERSION_CONFLICT: &str = "VERSION_CONFLICT";
