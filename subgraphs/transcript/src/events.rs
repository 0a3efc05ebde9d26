//! Events that this service listens to, and those that it tells.

use chrono::{DateTime, Utc};
use contract::event::kind::{
    self, MEETING_CANCELLED, MEETING_CREATED, MEETING_ENDED, MEETING_UPDATED, USER_DELETED,
};
use contract::{event, takes_part};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::idempotency;
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::{NewTask, Priority, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::domain::minutes::TemplateSection;
use crate::schema::loader::TASK_TYPENAME;
use crate::store::minutes::{SectionRow, Settled};
use crate::store::segment::SegmentRow;
use crate::store::speaker::SpeakerRow;
use crate::store::{meeting, minutes, segment, share, speaker, task};

/// The durable consumer of other services' events.
pub const CONSUMER: &str = "transcript-events";
/// The queue of transcription jobs.
pub const QUEUE: &str = "transcript";
/// Kind of these jobs.
pub const JOB: &str = "transcription";
/// Kind of their tasks.
pub const TASK_KIND: &str = "TRANSCRIPTION";

/// Type of the event that tells that a transcript is complete.
pub const TRANSCRIPT_CREATED: &str = kind::TRANSCRIPT_CREATED;
/// Type of the live event that tells of a recognised segment.
pub const SEGMENT_RECOGNISED: &str = kind::SEGMENT_RECOGNISED;

/// What a transcription task is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its recording.
    pub recording_id: Uuid,
    /// The recording's key in object storage.
    pub recording_key: String,
    /// Language tag, if it was chosen.
    pub language: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeetingEnded {
    meeting_id: Uuid,
    host_id: Option<Uuid>,
    #[serde(default)]
    meeting_title: String,
    audio_file_url: Option<String>,
    recording_id: Option<Uuid>,
    language: Option<String>,
    #[serde(default)]
    template_sections: Vec<TemplateSection>,
    occurred_at: Option<DateTime<Utc>>,
}

/// Handles other services' events.
#[derive(Debug, Clone)]
pub struct Listener {
    tasks: Tasks,
    revoking: Revoking,
}

impl Listener {
    /// A listener that creates tasks there.
    #[must_use]
    pub fn new(tasks: Tasks, outbox: Outbox) -> Self {
        Self { tasks, revoking: Revoking::new(outbox, NAME) }
    }

    async fn planned(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::Meeting = event.decode()?;
        Ok(meeting::note(tx, told.meeting_id, &told.meeting_title, told.host_id).await?)
    }

    async fn ended(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: MeetingEnded = event.decode()?;
        let ended = meeting::Ended {
            id: told.meeting_id,
            host_id: told.host_id,
            title: &told.meeting_title,
            sections: serde_json::to_value(&told.template_sections)?,
            language: told.language.as_deref(),
            recording_id: told.recording_id,
            recording_key: told.audio_file_url.as_deref(),
            ended_at: told.occurred_at.unwrap_or(event.time),
        };
        meeting::end(tx, ended).await?;
        // A meeting without a recording has no text and no minutes of ours.
        let (Some(recording_id), Some(recording_key)) = (told.recording_id, told.audio_file_url)
        else {
            return Ok(());
        };
        let input = Input {
            meeting_id: told.meeting_id,
            recording_id,
            recording_key,
            language: told.language,
        };
        let new = NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            priority: Priority::Normal,
            ordering_key: told.meeting_id,
            requested_by: None,
            input: serde_json::to_value(input)?,
            dedupe_key: Some(format!("{JOB}:{recording_id}")),
            changed: json!({ "meeting": meeting_reference(told.meeting_id) }),
        };
        self.tasks.create(tx, new).await?;
        Ok(())
    }

    async fn forget(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::UserDeleted = event.decode()?;
        minutes::forget(tx, told.user_id).await?;
        segment::forget(tx, told.user_id).await?;
        speaker::forget(tx, told.user_id).await?;
        share::forget(tx, told.user_id).await?;
        Ok(idempotency::forget(tx, told.user_id).await?)
    }

    async fn cancelled(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::Meeting = event.decode()?;
        meeting::cancel(tx, told.meeting_id, event.time).await?;
        for open in task::open_of_meeting(tx, told.meeting_id, TASK_TYPENAME, None).await? {
            self.tasks.cancel(tx, open).await?;
        }
        Ok(())
    }
}

impl Handler for Listener {
    fn wants(&self, event: &str) -> bool {
        takes_part::concerns(event)
            || matches!(event, MEETING_UPDATED | MEETING_ENDED | MEETING_CANCELLED)
    }

    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        async move {
            takes_part::follow(&self.revoking, event, tx).await?;
            match event.kind.as_str() {
                MEETING_CREATED | MEETING_UPDATED => self.planned(event, tx).await,
                MEETING_ENDED => self.ended(event, tx).await,
                MEETING_CANCELLED => self.cancelled(event, tx).await,
                USER_DELETED => self.forget(event, tx).await,
                _ => Ok(()),
            }
        }
        .boxed()
    }
}

fn meeting_reference(id: Uuid) -> serde_json::Value {
    json!({ "__typename": "Meeting", "id": id })
}

/// A piece of speech that has become text.
#[derive(Debug, Clone, Copy)]
pub struct Recognised {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The transcript that it belongs to.
    pub transcript_id: Uuid,
    /// The segment.
    pub segment_id: Uuid,
    /// Place in the transcript, from 0.
    pub ordinal: i32,
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds.
    pub end_ms: i64,
}

/// Tells live that a segment was recognised.
#[must_use]
pub fn segment_recognised(told: Recognised) -> NewEvent {
    NewEvent {
        kind: SEGMENT_RECOGNISED,
        source: NAME,
        ordering_key: told.meeting_id,
        entity: "segment",
        entity_id: told.transcript_id,
        verb: "recognised",
        class: Class::Live,
        data: json!({
            "meetingId": told.meeting_id,
            "transcriptId": told.transcript_id,
            "segmentId": told.segment_id,
            "ordinal": told.ordinal,
            "startMs": told.start_ms,
            "endMs": told.end_ms,
        }),
        changed: json!({ "segment": { "__typename": "Segment", "id": told.segment_id } }),
        invalidates: Vec::new(),
    }
}

/// A transcript that is complete.
#[derive(Debug, Clone)]
pub struct Created<'a> {
    /// The meeting.
    pub meeting_id: Uuid,
    /// The transcript.
    pub transcript_id: Uuid,
    /// The minutes drafted from it.
    pub minutes_id: Uuid,
    /// The recording that it was made from.
    pub recording_id: Uuid,
    /// The task that made it.
    pub task_id: Uuid,
    /// Language tag.
    pub language: &'a str,
    /// Length of the recording, milliseconds.
    pub duration_ms: i64,
    /// How many segments it has.
    pub segment_count: usize,
    /// Key of the immutable transcript in object storage.
    pub object_key: &'a str,
    /// Cache keys that are out of date.
    pub invalidates: Vec<String>,
}

/// Tells that a transcript is complete.
#[must_use]
pub fn transcript_created(told: Created<'_>) -> NewEvent {
    NewEvent {
        kind: TRANSCRIPT_CREATED,
        source: NAME,
        ordering_key: told.meeting_id,
        entity: "transcript",
        entity_id: told.transcript_id,
        verb: "created",
        class: Class::Event,
        data: json!({
            "meetingId": told.meeting_id,
            "transcriptId": told.transcript_id,
            "minutesId": told.minutes_id,
            "recordingId": told.recording_id,
            "taskId": told.task_id,
            "language": told.language,
            "durationMs": told.duration_ms,
            "segmentCount": told.segment_count,
            "objectKey": told.object_key,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({
            "meeting": meeting_reference(told.meeting_id),
            "minutes": { "__typename": "Minutes", "id": told.minutes_id },
        }),
        invalidates: told.invalidates,
    }
}

/// What became of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionChange {
    /// Its words changed.
    Updated,
    /// It was verified and locked.
    Verified,
    /// The host reopened it.
    Reopened,
}

impl SectionChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "UPDATED",
            Self::Verified => "VERIFIED",
            Self::Reopened => "REOPENED",
        }
    }
}

fn minutes_reference(id: Uuid, version: i32) -> serde_json::Value {
    json!({ "__typename": "Minutes", "id": id, "version": version })
}

/// Tells that a section changed; `section` and `minutes` are as they are since.
#[must_use]
pub fn section_changed(
    section: &SectionRow,
    minutes: &Settled,
    change: SectionChange,
    actor_id: Uuid,
    invalidates: Vec<String>,
) -> NewEvent {
    NewEvent {
        kind: kind::SECTION_CHANGED,
        source: NAME,
        ordering_key: section.meeting_id,
        entity: "section",
        entity_id: section.id,
        verb: "changed",
        class: Class::Event,
        data: json!({
            "meetingId": section.meeting_id,
            "minutesId": section.minutes_id,
            "sectionId": section.id,
            "change": change.as_str(),
            "actorId": actor_id,
            "version": section.version,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({
            "meeting": meeting_reference(section.meeting_id),
            "minutes": minutes_reference(section.minutes_id, minutes.version),
        }),
        invalidates,
    }
}

/// Tells that all sections of a meeting's minutes are verified, and by whom; `last` is the one that
/// was missing.
#[must_use]
pub fn transcript_verified(last: &SectionRow, minutes: &Settled, by: &[Uuid]) -> NewEvent {
    NewEvent {
        kind: kind::TRANSCRIPT_VERIFIED,
        source: NAME,
        ordering_key: last.meeting_id,
        entity: "transcript",
        entity_id: minutes.transcript_id,
        verb: "verified",
        class: Class::Event,
        data: json!({
            "meetingId": last.meeting_id,
            "transcriptId": minutes.transcript_id,
            "minutesId": last.minutes_id,
            "verifiedBy": by,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({
            "meeting": meeting_reference(last.meeting_id),
            "minutes": minutes_reference(last.minutes_id, minutes.version),
        }),
        invalidates: Vec::new(),
    }
}

/// Tells that somebody edited a segment, which is as given since.
#[must_use]
pub fn segment_edited(segment: &SegmentRow, actor_id: Uuid, invalidates: Vec<String>) -> NewEvent {
    NewEvent {
        kind: kind::SEGMENT_EDITED,
        source: NAME,
        ordering_key: segment.meeting_id,
        entity: "segment",
        entity_id: segment.transcript_id,
        verb: "edited",
        class: Class::Event,
        data: json!({
            "meetingId": segment.meeting_id,
            "transcriptId": segment.transcript_id,
            "segmentId": segment.id,
            "revision": segment.revision,
            "actorId": actor_id,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({
            "meeting": meeting_reference(segment.meeting_id),
            "segment": { "__typename": "Segment", "id": segment.id },
        }),
        invalidates,
    }
}

/// Tells that a speaker came to be, or is called otherwise.
#[must_use]
pub fn speaker_changed(speaker: &SpeakerRow, is_new: bool, actor_id: Uuid) -> NewEvent {
    NewEvent {
        kind: kind::SPEAKER_CHANGED,
        source: NAME,
        ordering_key: speaker.meeting_id,
        entity: "speaker",
        entity_id: speaker.id,
        verb: "changed",
        class: Class::Event,
        data: json!({
            "meetingId": speaker.meeting_id,
            "transcriptId": speaker.transcript_id,
            "speakerId": speaker.id,
            "change": if is_new { "ADDED" } else { "UPDATED" },
            "userId": speaker.user_id,
            "actorId": actor_id,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({ "meeting": meeting_reference(speaker.meeting_id) }),
        invalidates: Vec::new(),
    }
}

/// With whom a transcript was shared.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its newest transcript.
    pub transcript_id: Uuid,
    /// Who shared it.
    pub shared_by: Uuid,
    /// With whom; with nobody in particular by a link.
    pub user_ids: &'a [Uuid],
    /// Until when, by a link.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Tells that a transcript was shared.
#[must_use]
pub fn transcript_shared(told: Shared<'_>) -> NewEvent {
    NewEvent {
        kind: kind::TRANSCRIPT_SHARED,
        source: NAME,
        ordering_key: told.meeting_id,
        entity: "transcript",
        entity_id: told.transcript_id,
        verb: "shared",
        class: Class::Event,
        data: json!({
            "meetingId": told.meeting_id,
            "transcriptId": told.transcript_id,
            "sharedBy": told.shared_by,
            "userIds": told.user_ids,
            "expiresAt": told.expires_at.map(rfc3339),
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({ "meeting": meeting_reference(told.meeting_id) }),
        invalidates: Vec::new(),
    }
}
