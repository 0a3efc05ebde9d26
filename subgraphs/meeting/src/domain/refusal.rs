//! What the user can mend, with the stable code that clients branch on.

use thiserror::Error;

use super::{
    media::{MAX_RECORDING_BYTES, MAX_RECORDINGS},
    part::{MAX_PART_BYTES, MAX_PARTS, MAX_START_MS},
    plan,
    retention::RETENTION_MAX_DAYS,
    status::Status,
    template,
};

/// Why a mutation is refused; the texts are shown to the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such meeting, or one the viewer doesn't take part in: never told apart.
    #[error("there is no such meeting")]
    MeetingNotFound,
    /// The viewer takes part, but isn't the host.
    #[error("only the host of the meeting may do this")]
    NotHost,
    /// The meeting's status doesn't allow this step.
    #[error("a meeting that is {from} cannot {step}")]
    IllegalStatus {
        /// The status now.
        from: Status,
        /// What was asked for, as a verb.
        step: &'static str,
    },
    /// The meeting has ended with another recording.
    #[error("the meeting has already ended with another recording")]
    OtherRecording,
    /// Empty, too long, or several lines.
    #[error("the title needs 1 to {} characters on one line", plan::MAX_TITLE_CHARS)]
    InvalidTitle,
    /// Too long.
    #[error("the agenda may have at most {} bytes", plan::MAX_AGENDA_BYTES)]
    InvalidAgenda,
    /// Neither Korean nor English.
    #[error("the language must be \"ko\" or \"en\"")]
    InvalidLanguage,
    /// Not an account.
    #[error("a participant is not a user of this system")]
    UnknownParticipant,
    /// Doesn't take part.
    #[error("this person doesn't take part in the meeting")]
    NotParticipant,
    /// A meeting needs somebody who leads it.
    #[error("the host can't be removed from the meeting")]
    HostStays,
    /// Leads the meeting: nobody invited them.
    #[error("the host of a meeting has no invitation to answer")]
    NotInvited,
    /// More than a meeting holds.
    #[error("a meeting may have at most {} participants", plan::MAX_PARTICIPANTS)]
    TooManyParticipants,
    /// None, or more than are taken at once.
    #[error("1 to {} meetings can be created at once", plan::MAX_MEETINGS_AT_ONCE)]
    WrongNumberOfMeetings,
    /// No template has this id.
    #[error("there is no such template")]
    TemplateNotFound,
    /// Empty, too long, or several lines.
    #[error("the name needs 1 to {} characters on one line", template::MAX_NAME_CHARS)]
    InvalidName,
    /// Too long.
    #[error("the description may have at most {} characters", template::MAX_DESCRIPTION_CHARS)]
    InvalidDescription,
    /// None, too many, or one that can't be used.
    #[error(
        "a template needs 1 to {} sections with titles of 1 to {} characters, and keys of their own \
         of at most {} of a-z, 0-9 and _",
        template::MAX_SECTIONS,
        template::MAX_NAME_CHARS,
        template::MAX_KEY_CHARS
    )]
    InvalidSections,
    /// As many as one may have.
    #[error("one may have at most {} templates", template::MAX_TEMPLATES)]
    TooManyTemplates,
    /// The account was deleted, while a token of it was still good.
    #[error("this account doesn't exist any more")]
    NoAccount,
    /// Somebody changed the meeting or the template in between.
    #[error("it was changed by someone else; load it again")]
    VersionConflict,
    /// No such recording of this meeting.
    #[error("the meeting has no such recording")]
    RecordingNotFound,
    /// Its file hasn't arrived.
    #[error("the recording's file has not been uploaded yet")]
    RecordingNotUploaded,
    /// Beyond the bound.
    #[error("a recording needs 1 to {MAX_RECORDING_BYTES} bytes")]
    RecordingTooLarge,
    /// Nothing to upload.
    #[error("a recording needs at least 1 byte")]
    RecordingEmpty,
    /// The meeting has as many as it can hold.
    #[error("a meeting may have at most {MAX_RECORDINGS} recordings")]
    TooManyRecordings,
    /// There was a file, and it isn't kept any more; or it never came.
    #[error("the recording's file has been deleted")]
    RecordingDeleted,
    /// No more parts come.
    #[error("the recording is complete and takes no more parts")]
    RecordingClosed,
    /// Not a place of a part.
    #[error("the sequence of a part must be from 0 to {}", MAX_PARTS - 1)]
    InvalidSequence,
    /// Somebody else has that part.
    #[error("somebody else sends this part; take another sequence")]
    SequenceTaken,
    /// The file of the part is on its way.
    #[error("this part is being uploaded by another request")]
    PartInProgress,
    /// Not a number of parts.
    #[error("a recording has 1 to {MAX_PARTS} parts")]
    InvalidPartCount,
    /// Not between its neighbours.
    #[error(
        "a part begins after the parts before it and before those behind it, at {MAX_START_MS} ms at the latest"
    )]
    InvalidStart,
    /// Beyond the bound of parts.
    #[error("a part may have at most {MAX_PART_BYTES} bytes")]
    PartTooLarge,
    /// Not a number of days.
    #[error("recordings are kept for 1 to {RETENTION_MAX_DAYS} days")]
    InvalidRetention,
    /// Not sound as we decode it.
    #[error("recordings are accepted as WAV, MP3, M4A, WebM, Ogg or FLAC")]
    UnsupportedMediaType,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MeetingNotFound => "MEETING_NOT_FOUND",
            Self::NotHost => "NOT_HOST",
            Self::IllegalStatus { .. } | Self::OtherRecording => "ILLEGAL_STATUS",
            Self::InvalidTitle => "INVALID_TITLE",
            Self::InvalidAgenda => "INVALID_AGENDA",
            Self::InvalidLanguage => "INVALID_LANGUAGE",
            Self::UnknownParticipant => "UNKNOWN_PARTICIPANT",
            Self::NotParticipant => "NOT_PARTICIPANT",
            Self::HostStays => "HOST_STAYS",
            Self::NotInvited => "NOT_INVITED",
            Self::TooManyParticipants => "TOO_MANY_PARTICIPANTS",
            Self::WrongNumberOfMeetings => "WRONG_NUMBER_OF_MEETINGS",
            Self::TemplateNotFound => "TEMPLATE_NOT_FOUND",
            Self::NoAccount => "NO_ACCOUNT",
            Self::InvalidName => "INVALID_NAME",
            Self::InvalidDescription => "INVALID_DESCRIPTION",
            Self::InvalidSections => "INVALID_SECTIONS",
            Self::TooManyTemplates => "TOO_MANY_TEMPLATES",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::RecordingNotFound => "RECORDING_NOT_FOUND",
            Self::RecordingNotUploaded => "RECORDING_NOT_UPLOADED",
            Self::RecordingTooLarge | Self::PartTooLarge => "RECORDING_TOO_LARGE",
            Self::RecordingDeleted => "RECORDING_DELETED",
            Self::RecordingClosed => "RECORDING_CLOSED",
            Self::InvalidSequence => "INVALID_SEQUENCE",
            Self::SequenceTaken => "SEQUENCE_TAKEN",
            Self::PartInProgress => "UPLOAD_IN_PROGRESS",
            Self::InvalidPartCount => "INVALID_PART_COUNT",
            Self::InvalidStart => "INVALID_START",
            Self::InvalidRetention => "INVALID_RETENTION",
            Self::RecordingEmpty => "RECORDING_EMPTY",
            Self::TooManyRecordings => "TOO_MANY_RECORDINGS",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        }
    }

    /// The input field to mend.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::TooManyTemplates | Self::NoAccount => None,
            Self::InvalidName => Some("name"),
            Self::InvalidDescription => Some("description"),
            Self::InvalidSections => Some("sections"),
            Self::MeetingNotFound
            | Self::NotHost
            | Self::NotInvited
            | Self::IllegalStatus { .. }
            | Self::TooManyRecordings
            | Self::RecordingClosed => Some("meetingId"),
            Self::OtherRecording
            | Self::RecordingNotFound
            | Self::RecordingNotUploaded
            | Self::RecordingDeleted => Some("recordingId"),
            Self::InvalidSequence | Self::SequenceTaken | Self::PartInProgress => Some("sequence"),
            Self::InvalidPartCount => Some("partCount"),
            Self::InvalidStart => Some("startMs"),
            Self::InvalidRetention => Some("days"),
            Self::NotParticipant | Self::HostStays => Some("userId"),
            Self::InvalidTitle => Some("title"),
            Self::InvalidAgenda => Some("agenda"),
            Self::InvalidLanguage => Some("language"),
            Self::UnknownParticipant | Self::TooManyParticipants => Some("participantIds"),
            Self::WrongNumberOfMeetings => Some("meetings"),
            Self::TemplateNotFound => Some("templateId"),
            Self::VersionConflict => Some("version"),
            Self::RecordingTooLarge | Self::PartTooLarge | Self::RecordingEmpty => {
                Some("sizeBytes")
            }
            Self::UnsupportedMediaType => Some("contentType"),
        }
    }
}
