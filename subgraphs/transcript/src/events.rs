//! Events that this service listens to, and those that it tells.

use chrono::{DateTime, Utc};
use contract::event::kind::{
    self, MEETING_CANCELLED, MEETING_CREATED, MEETING_ENDED, MEETING_UPDATED, RECORDING_CLOSED,
    RECORDING_DELETED, RECORDING_PART_UPLOADED,
};
use contract::{event, takes_part};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::{NewTask, Priority, TaskStatus, Tasks};
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
use crate::store::{meeting, part, task};

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
    /// The recording's key in object storage; empty when it comes in parts.
    #[serde(default)]
    pub recording_key: String,
    /// Language tag, if it was chosen.
    pub language: Option<String>,
    /// Whether the recording comes in parts, each with a key of its own.
    #[serde(default)]
    pub parted: bool,
}

impl Input {
    /// The task that does this. The same recording is one task.
    fn task(&self) -> Result<NewTask<'static>, serde_json::Error> {
        Ok(NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            priority: Priority::Normal,
            ordering_key: self.meeting_id,
            requested_by: None,
            input: serde_json::to_value(self)?,
            dedupe_key: Some(dedupe_key(self.recording_id)),
            changed: json!({ "meeting": meeting_reference(self.meeting_id) }),
        })
    }
}

/// What tells the transcription of a recording from others.
#[must_use]
pub fn dedupe_key(recording_id: Uuid) -> String {
    format!("{JOB}:{recording_id}")
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
    #[serde(default)]
    recording_parted: bool,
    language: Option<String>,
    #[serde(default)]
    template_sections: Vec<TemplateSection>,
    occurred_at: Option<DateTime<Utc>>,
}

/// Handles other services' events.
#[derive(Debug, Clone)]
pub struct Listener {
    tasks: Tasks,
    outbox: Outbox,
    revoking: Revoking,
}

impl Listener {
    /// A listener that creates tasks there.
    #[must_use]
    pub fn new(tasks: Tasks, outbox: Outbox) -> Self {
        Self { tasks, outbox: outbox.clone(), revoking: Revoking::new(outbox, NAME) }
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
        // Parts of another recording don't become text any more.
        let key = dedupe_key(recording_id);
        for other in task::open_transcriptions_but(tx, told.meeting_id, TASK_KIND, &key).await? {
            self.tasks.cancel(tx, other).await?;
        }
        if told.recording_parted {
            // Its parts are told one by one, and that they are all.
            return Ok(());
        }
        let input = Input {
            meeting_id: told.meeting_id,
            recording_id,
            recording_key,
            language: told.language,
            parted: false,
        };
        self.tasks.create(tx, input.task()?).await?;
        Ok(())
    }

    async fn part_uploaded(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::RecordingPart = event.decode()?;
        // Before anything is read: whether the task waits for this part is decided under this lock.
        self.outbox.order(tx, told.meeting_id).await?;
        if !meeting::takes(tx, told.meeting_id, told.recording_id).await? {
            return Ok(());
        }
        let new = part::NewPart {
            meeting_id: told.meeting_id,
            recording_id: told.recording_id,
            sequence: told.sequence,
            object_key: &told.object_key,
            start_ms: told.start_ms,
        };
        part::insert(tx, new).await?;
        let input = Input {
            meeting_id: told.meeting_id,
            recording_id: told.recording_id,
            recording_key: String::new(),
            language: told.language,
            parted: true,
        };
        self.go_on(tx, &input, false).await
    }

    async fn closed(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::RecordingClosed = event.decode()?;
        self.outbox.order(tx, told.meeting_id).await?;
        if !meeting::takes(tx, told.meeting_id, told.recording_id).await? {
            return Ok(());
        }
        let (recording, meeting) = (told.recording_id, told.meeting_id);
        part::close(tx, recording, meeting, &told.missing_parts, event.time).await?;
        let input = Input {
            meeting_id: meeting,
            recording_id: recording,
            recording_key: String::new(),
            language: told.language,
            parted: true,
        };
        self.go_on(tx, &input, true).await
    }

    /// Has the one task of a recording in parts go on, if it waits. What failed while the meeting ran is
    /// tried once more when it is over.
    async fn go_on(
        &self,
        tx: &mut PgConnection,
        input: &Input,
        is_over: bool,
    ) -> Result<(), HandleError> {
        let new = input.task()?;
        let (again, key) = (new.input.clone(), dedupe_key(input.recording_id));
        let task = self.tasks.open(tx, new).await?;
        if is_over && task.status == TaskStatus::Failed {
            self.tasks.retry(tx, task.id).await?;
        } else {
            self.tasks.submit(tx, &key, again).await?;
        }
        Ok(())
    }

    async fn deleted(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::RecordingDeleted = event.decode()?;
        Ok(part::delete(tx, told.recording_id, told.meeting_id, event.time).await?)
    }

    async fn cancelled(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::Meeting = event.decode()?;
        meeting::cancel(tx, told.meeting_id, event.time).await?;
        for open in self.tasks.open_of(tx, told.meeting_id, TASK_TYPENAME, None).await? {
            self.tasks.cancel(tx, open).await?;
        }
        Ok(())
    }
}

impl Handler for Listener {
    fn wants(&self, event: &str) -> bool {
        takes_part::concerns(event)
            || matches!(
                event,
                MEETING_UPDATED
                    | MEETING_ENDED
                    | MEETING_CANCELLED
                    | RECORDING_PART_UPLOADED
                    | RECORDING_CLOSED
                    | RECORDING_DELETED
            )
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
                RECORDING_PART_UPLOADED => self.part_uploaded(event, tx).await,
                RECORDING_CLOSED => self.closed(event, tx).await,
                RECORDING_DELETED => self.deleted(event, tx).await,
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
    /// Place in the transcript: they rise, with gaps between the parts of a recording.
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
