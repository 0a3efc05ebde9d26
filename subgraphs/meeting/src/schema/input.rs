//! Inputs.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use platform::task::TaskStatus;

use crate::domain::{response::Answer, role::Role, status::Status};

/// What is needed to plan a meeting. Its host is the one who creates it.
#[derive(InputObject)]
pub struct CreateMeetingInput {
    /// 1 to 200 characters; may be left out if the template has one.
    pub title: Option<String>,
    /// What it is to be about; the template's, if it has one, when left out.
    pub agenda: Option<String>,
    /// When it is to be.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Who takes part besides the host; at most 200.
    pub participant_ids: Option<Vec<ID>>,
    /// Which sections its minutes have; the general ones when left out.
    pub template_id: Option<ID>,
    /// Spoken language, `ko` or `en`; detected when left out.
    pub language: Option<String>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// The plan of one of many meetings. Its host is the one who asks for them.
#[derive(InputObject)]
pub struct MeetingPlanInput {
    /// 1 to 200 characters; may be left out if the template has one.
    pub title: Option<String>,
    /// What it is to be about; the template's, if it has one, when left out.
    pub agenda: Option<String>,
    /// When it is to be.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Who takes part besides the host; at most 200.
    pub participant_ids: Option<Vec<ID>>,
    /// Which sections its minutes have; the general ones when left out.
    pub template_id: Option<ID>,
    /// Spoken language, `ko` or `en`; detected when left out.
    pub language: Option<String>,
}

/// Many meetings that are to be created.
#[derive(InputObject)]
pub struct CreateMeetingsInput {
    /// The meetings, 1 to 100.
    pub meetings: Vec<MeetingPlanInput>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which task to call off.
#[derive(InputObject)]
pub struct CancelMeetingTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which failed task to try again.
#[derive(InputObject)]
pub struct RetryMeetingTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which meetings a list shows. Everything that is given must fit.
#[derive(Default, InputObject)]
pub struct MeetingFilter {
    /// In one of these states.
    pub status: Option<Vec<Status>>,
    /// In which one has this role.
    pub role: Option<Role>,
    /// Planned for this moment or later.
    pub scheduled_from: Option<DateTime<Utc>>,
    /// Planned for before this moment.
    pub scheduled_before: Option<DateTime<Utc>>,
    /// Part of the title, however it is written; at most 100 characters.
    pub search: Option<String>,
}

/// Which tasks a list shows. Everything that is given must fit.
#[derive(Default, InputObject)]
pub struct MeetingTaskFilter {
    /// In one of these states.
    pub status: Option<Vec<TaskStatus>>,
}

/// What is to change of a meeting that hasn't ended; what is left out stays.
#[derive(InputObject)]
pub struct UpdateMeetingInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// The version that the editor saw; refused when it isn't the latest.
    pub version: Option<i32>,
    /// New title.
    pub title: Option<String>,
    /// New agenda; an empty one removes it.
    pub agenda: Option<String>,
    /// New time.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// A section of a template of one's own.
#[derive(InputObject)]
pub struct TemplateSectionInput {
    /// Heading, 1 to 100 characters. What it is about decides what is drafted into it.
    pub title: String,
    /// Stable name, at most 40 of `a-z`, `0-9` and `_`, and no other's in the template; made up when
    /// left out.
    pub key: Option<String>,
}

/// A template of one's own.
#[derive(InputObject)]
pub struct CreateMeetingTemplateInput {
    /// Display name, 1 to 100 characters.
    pub name: String,
    /// What it is for, at most 1,000 characters.
    pub description: Option<String>,
    /// Title of meetings that name none, at most 200 characters.
    pub title: Option<String>,
    /// Agenda of meetings that name none.
    pub agenda: Option<String>,
    /// The sections of the minutes in order, 1 to 20.
    pub sections: Vec<TemplateSectionInput>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is to change of a template of one's own; what is left out stays, an empty text is removed.
#[derive(InputObject)]
pub struct UpdateMeetingTemplateInput {
    /// Which template.
    pub template_id: ID,
    /// The version that one saw; refused when it isn't the latest.
    pub version: i32,
    /// New display name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New title of meetings that name none.
    pub title: Option<String>,
    /// New agenda of meetings that name none.
    pub agenda: Option<String>,
    /// New sections, all of them.
    pub sections: Option<Vec<TemplateSectionInput>>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which template of one's own to delete.
#[derive(InputObject)]
pub struct DeleteMeetingTemplateInput {
    /// Which template.
    pub template_id: ID,
    /// The version that one saw; refused when it isn't the latest.
    pub version: Option<i32>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which meeting to start.
#[derive(InputObject)]
pub struct StartMeetingInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which meeting to end, and with which recording.
#[derive(InputObject)]
pub struct EndMeetingInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// The uploaded recording that becomes the minutes. When it is left out, a recording that came in
    /// parts is taken, if there is one.
    pub recording_id: Option<ID>,
    /// How many parts the recording in parts has, 1 to 2,000: so that parts are noticed that are missing at its
    /// end, and waited for up to a minute. Means nothing for a recording in one piece.
    pub part_count: Option<i32>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Who is to take part in a meeting.
#[derive(InputObject)]
pub struct AddParticipantsInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// Who; who takes part already stays. At most 200 take part in a meeting.
    pub participant_ids: Vec<ID>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Who is to take part no more.
#[derive(InputObject)]
pub struct RemoveParticipantInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// Who.
    pub user_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What one answers to an invitation.
#[derive(InputObject)]
pub struct RespondToInvitationInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// Whether one comes.
    pub response: Answer,
    /// The same key gives the same answer for 24 hours: a late repetition undoes nothing.
    pub idempotency_key: Option<String>,
}

/// Which meeting to call off.
#[derive(InputObject)]
pub struct CancelMeetingInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which file is to be uploaded.
#[derive(InputObject)]
pub struct RequestRecordingUploadInput {
    /// Whose recording it is.
    pub meeting_id: ID,
    /// Media type: WAV, MP3, M4A, WebM, Ogg or FLAC, like `audio/webm;codecs=opus`.
    pub content_type: String,
    /// Exact size in bytes, 1 to 2,000,000,000.
    pub size_bytes: i64,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which part of a recording is to be uploaded while the meeting runs.
#[derive(InputObject)]
pub struct RequestRecordingPartUploadInput {
    /// Whose recording it is; each meeting has at most one in parts.
    pub meeting_id: ID,
    /// Place of the part in the recording: 0, 1, 2, …, below 2,000. Parts may be asked for and arrive in any
    /// order; the same place again is the same part.
    pub sequence: i32,
    /// Where the part begins, in milliseconds from the recording's beginning; when left out: where the part
    /// before it ends.
    pub start_ms: Option<i64>,
    /// Media type: WAV, MP3, M4A, WebM, Ogg or FLAC, like `audio/webm;codecs=opus`. Each part is a whole file,
    /// which can be decoded without the others.
    pub content_type: String,
    /// Exact size in bytes, 1 to 100,000,000; of all parts together at most 2,000,000,000.
    pub size_bytes: i64,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// For how long the recordings of a meeting are kept.
#[derive(InputObject)]
pub struct SetRecordingRetentionInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// Days after the meeting's end, 1 to 3,650; the installation's own time, where that is shorter. Null:
    /// as long as the installation says.
    pub days: Option<i32>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}
