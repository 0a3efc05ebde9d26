//! The events of SPEC section 5: their names, and what each carries as far as somebody listens.
//!
//! What a listener doesn't know it passes over; what was added after the first version is optional,
//! so that the oldest stored example can still be read.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

/// Names of all events: CloudEvents types.
pub mod kind {
    /// All of them.
    pub const ALL: [&str; 34] = [
        USER_CREATED,
        USER_UPDATED,
        USER_DELETED,
        MEETING_CREATED,
        MEETING_UPDATED,
        MEETING_STARTED,
        MEETING_ENDED,
        MEETING_CANCELLED,
        MINUTES_READY,
        RECORDING_PART_UPLOADED,
        RECORDING_CLOSED,
        RECORDING_DELETED,
        PARTICIPANT_ADDED,
        PARTICIPANT_REMOVED,
        PARTICIPANT_RESPONDED,
        TEMPLATE_CHANGED,
        TRANSCRIPT_CREATED,
        TRANSCRIPT_VERIFIED,
        TRANSCRIPT_SHARED,
        SECTION_CHANGED,
        SEGMENT_EDITED,
        SPEAKER_CHANGED,
        SEGMENT_RECOGNISED,
        TODO_CREATED,
        TODO_UPDATED,
        TODO_STATUS_CHANGED,
        TODO_COMPLETED,
        SUMMARY_CREATED,
        SCHEDULE_PROPOSED,
        ANALYSIS_CREATED,
        NOTIFICATION_CREATED,
        TASK_STATE_CHANGED,
        TASK_PROGRESS,
        ACCESS_REVOKED,
    ];
    /// Somebody opened an account.
    pub const USER_CREATED: &str = "moim.user.created.v1";
    /// Somebody changed their profile.
    pub const USER_UPDATED: &str = "moim.user.updated.v1";
    /// Somebody deleted their account: who holds personal data erases it.
    pub const USER_DELETED: &str = "moim.user.deleted.v1";
    /// A meeting was planned.
    pub const MEETING_CREATED: &str = "moim.meeting.created.v1";
    /// Something about a meeting changed.
    pub const MEETING_UPDATED: &str = "moim.meeting.updated.v1";
    /// A meeting began.
    pub const MEETING_STARTED: &str = "moim.meeting.started.v1";
    /// A meeting ended, or got its recording after its end.
    pub const MEETING_ENDED: &str = "moim.meeting.ended.v1";
    /// A meeting was called off.
    pub const MEETING_CANCELLED: &str = "moim.meeting.cancelled.v1";
    /// A meeting's minutes can be read.
    pub const MINUTES_READY: &str = "moim.meeting.minutesReady.v1";
    /// A part of a recording can be recognised, while the meeting runs or just after.
    pub const RECORDING_PART_UPLOADED: &str = "moim.recording.partUploaded.v1";
    /// No part of a recording comes any more.
    pub const RECORDING_CLOSED: &str = "moim.recording.closed.v1";
    /// The file of a recording isn't kept any longer.
    pub const RECORDING_DELETED: &str = "moim.recording.deleted.v1";
    /// Somebody takes part in a meeting from now on.
    pub const PARTICIPANT_ADDED: &str = "moim.participant.added.v1";
    /// Somebody doesn't take part any more.
    pub const PARTICIPANT_REMOVED: &str = "moim.participant.removed.v1";
    /// Somebody answered the invitation to a meeting.
    pub const PARTICIPANT_RESPONDED: &str = "moim.participant.responded.v1";
    /// Somebody's own template was made, changed or deleted.
    pub const TEMPLATE_CHANGED: &str = "moim.template.changed.v1";
    /// A recording is text.
    pub const TRANSCRIPT_CREATED: &str = "moim.transcript.created.v1";
    /// All sections of a meeting's minutes are verified.
    pub const TRANSCRIPT_VERIFIED: &str = "moim.transcript.verified.v1";
    /// A transcript was shared with others.
    pub const TRANSCRIPT_SHARED: &str = "moim.transcript.shared.v1";
    /// A section of minutes changed.
    pub const SECTION_CHANGED: &str = "moim.section.changed.v1";
    /// Somebody mended the text of a segment.
    pub const SEGMENT_EDITED: &str = "moim.segment.edited.v1";
    /// Somebody named a voice in a recording, or calls it otherwise.
    pub const SPEAKER_CHANGED: &str = "moim.speaker.changed.v1";
    /// Speech became text (live traffic).
    pub const SEGMENT_RECOGNISED: &str = "moim.segment.recognised.v1";
    /// A todo came to be.
    pub const TODO_CREATED: &str = "moim.todo.created.v1";
    /// A todo changed, but not its status.
    pub const TODO_UPDATED: &str = "moim.todo.updated.v1";
    /// A todo has another status.
    pub const TODO_STATUS_CHANGED: &str = "moim.todo.statusChanged.v1";
    /// A todo is done.
    pub const TODO_COMPLETED: &str = "moim.todo.completed.v1";
    /// A summary was written.
    pub const SUMMARY_CREATED: &str = "moim.summary.created.v1";
    /// Follow-up meetings and deadlines were found.
    pub const SCHEDULE_PROPOSED: &str = "moim.schedule.proposed.v1";
    /// A meeting was analysed.
    pub const ANALYSIS_CREATED: &str = "moim.analysis.created.v1";
    /// Somebody has a notification.
    pub const NOTIFICATION_CREATED: &str = "moim.notification.created.v1";
    /// A task has another state.
    pub const TASK_STATE_CHANGED: &str = platform::task::STATE_CHANGED;
    /// A task came on (live traffic).
    pub const TASK_PROGRESS: &str = platform::task::PROGRESS;
    /// A service's view doesn't hold somebody any more (live traffic).
    pub const ACCESS_REVOKED: &str = platform::membership::REVOKED;
}

/// [`kind::USER_CREATED`] and [`kind::USER_UPDATED`]: a profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Who it is.
    pub user_id: Uuid,
    /// Email address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Language tag.
    pub locale: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Telephone number in international form.
    pub phone: Option<String>,
}

/// [`kind::USER_DELETED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDeleted {
    /// Who it was.
    pub user_id: Uuid,
}

/// What all events about a meeting carry, [`kind::MEETING_STARTED`] and [`kind::MEETING_CANCELLED`]
/// no more than that.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meeting {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its title.
    #[serde(default)]
    pub meeting_title: String,
    /// Who leads it.
    pub host_id: Uuid,
    /// Who takes part, the host among them.
    pub participant_ids: Vec<Uuid>,
}

/// [`kind::MEETING_CREATED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeetingCreated {
    /// What all events about meetings carry.
    #[serde(flatten)]
    pub meeting: Meeting,
    /// What it is to be about.
    pub agenda: Option<String>,
    /// When it is to be.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Spoken language, if it was chosen.
    pub language: Option<String>,
}

/// [`kind::MEETING_ENDED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeetingEnded {
    /// What all events about meetings carry.
    #[serde(flatten)]
    pub meeting: Meeting,
    /// When it began.
    pub start_time: Option<DateTime<Utc>>,
    /// When it ended.
    pub end_time: Option<DateTime<Utc>>,
    /// The recording's key in object storage; none when nothing was recorded.
    pub audio_file_url: Option<String>,
}

/// [`kind::RECORDING_PART_UPLOADED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingPart {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The recording in parts.
    pub recording_id: Uuid,
    /// The part.
    pub part_id: Uuid,
    /// Its place in the recording, from 0.
    pub sequence: i32,
    /// Where it begins in the recording, milliseconds; none: where the part before it ends.
    pub start_ms: Option<i64>,
    /// Its key in object storage.
    pub object_key: String,
    /// Language tag of the meeting, if it was chosen.
    pub language: Option<String>,
}

/// [`kind::RECORDING_CLOSED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingClosed {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The recording in parts.
    pub recording_id: Uuid,
    /// Places of the parts that never came, in their order.
    pub missing_parts: Vec<i32>,
    /// Language tag of the meeting, if it was chosen.
    pub language: Option<String>,
}

/// [`kind::RECORDING_DELETED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingDeleted {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The recording.
    pub recording_id: Uuid,
}

/// [`kind::PARTICIPANT_ADDED`] and [`kind::PARTICIPANT_REMOVED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its title.
    #[serde(default)]
    pub meeting_title: String,
    /// Who it is about.
    pub user_id: Uuid,
}

/// [`kind::TRANSCRIPT_CREATED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptCreated {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The transcript.
    pub transcript_id: Uuid,
    /// Key of the immutable [`crate::spoken::Spoken`] in object storage.
    pub object_key: String,
}

/// [`kind::TRANSCRIPT_VERIFIED`] and [`kind::TRANSCRIPT_SHARED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptStep {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The transcript.
    pub transcript_id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// [`kind::TODO_CREATED`], [`kind::TODO_UPDATED`], [`kind::TODO_STATUS_CHANGED`] and
/// [`kind::TODO_COMPLETED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Todo {
    /// The todo.
    pub todo_id: Uuid,
    /// The meeting that it comes from, if it comes from one.
    pub meeting_id: Option<Uuid>,
    /// What is to be done.
    pub title: String,
    /// Its status since.
    pub status: String,
    /// Who is to do it.
    pub assignee_id: Option<Uuid>,
    /// Who changed it; nobody when a worker did.
    pub actor_id: Option<Uuid>,
    /// How far the meeting's todos are since; none without a meeting.
    pub meeting_progress: Option<TodoProgress>,
}

/// How far the todos of a meeting are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TodoProgress {
    /// How many are done.
    pub done: i32,
    /// How many there are: open, in progress or done.
    pub total: i32,
}

/// [`kind::TASK_STATE_CHANGED`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStateChanged {
    /// The task.
    pub task_id: Uuid,
    /// Kind of work.
    pub kind: String,
    /// Its state since.
    pub status: String,
    /// Ordering key of its events: the meeting's id where there is one.
    pub ordering_key: Uuid,
    /// Who asked for it; nobody if an event did.
    pub requested_by: Option<Uuid>,
}

impl TaskStateChanged {
    /// Whether it says that a recording gave no text: its transcription failed or was called off.
    #[must_use]
    pub fn gave_no_text(&self) -> bool {
        self.kind == "TRANSCRIPTION" && matches!(self.status.as_str(), "FAILED" | "CANCELLED")
    }
}
