//! What the meeting service tells the others, and what it hears from them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contract::event::{self, kind};
use futures::{FutureExt as _, future::BoxFuture};
use platform::{
    event::{Class, Event, NewEvent, rfc3339},
    inbox::{HandleError, Handler},
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    NAME,
    domain::{
        plan::DEFAULT_LANGUAGE,
        response::Response,
        role::Role,
        status::Status,
        template::{self, OwnSection},
    },
    meeting::Meetings,
    store::{self, meeting::MeetingRecord, recording::RecordingRecord, template::TemplateRecord},
};

/// The consumer of this service, as nats/ defines it.
pub const CONSUMER: &str = "meeting-events";

/// The event that says that a meeting's minutes are there.
pub const TRANSCRIPT_CREATED: &str = kind::TRANSCRIPT_CREATED;

/// What happened to a meeting.
#[derive(Debug, Clone, Copy)]
pub enum Happening<'a> {
    /// It was planned.
    Created,
    /// Its plan changed, or a recording arrived.
    Updated {
        /// What changed, in capitals.
        change: &'static str,
        /// The recording that arrived.
        recording_id: Option<Uuid>,
    },
    /// It began.
    Started,
    /// It ended, or got its recording after its end.
    Ended {
        /// The recording it ended with.
        recording: Option<&'a RecordingRecord>,
    },
    /// It was called off.
    Cancelled,
    /// Its minutes can be read.
    MinutesReady {
        /// The transcript they come from.
        transcript_id: Option<Uuid>,
    },
}

impl Happening<'_> {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Created => (kind::MEETING_CREATED, "created"),
            Self::Updated { .. } => (kind::MEETING_UPDATED, "updated"),
            Self::Started => (kind::MEETING_STARTED, "started"),
            Self::Ended { .. } => (kind::MEETING_ENDED, "ended"),
            Self::Cancelled => (kind::MEETING_CANCELLED, "cancelled"),
            Self::MinutesReady { .. } => (kind::MINUTES_READY, "minutesReady"),
        }
    }

    /// What this kind of event says beyond what all of them say.
    fn details(self, meeting: &MeetingRecord) -> Value {
        match self {
            Self::Created => json!({
                "agenda": meeting.agenda,
                "scheduledAt": meeting.scheduled_at.map(rfc3339),
                "language": meeting.language,
                "templateId": meeting.template_id,
            }),
            Self::Updated { change, recording_id } => {
                json!({ "change": change, "recordingId": recording_id })
            }
            Self::Started => json!({ "startTime": meeting.started_at.map(rfc3339) }),
            Self::Ended { recording } => json!({
                "startTime": meeting.started_at.map(rfc3339),
                "endTime": meeting.ended_at.map(rfc3339),
                "recordingId": recording.map(|recording| recording.id),
                // The key in object storage: readers of it have the storage configured.
                "audioFileUrl": recording.map(|recording| &recording.object_key),
                // Then there is no object of that key, but parts told by events of their own.
                "recordingParted": recording.is_some_and(|recording| recording.parted),
                "language": meeting.language,
                "templateSections": sections(meeting),
            }),
            Self::Cancelled => json!({}),
            Self::MinutesReady { transcript_id } => json!({ "transcriptId": transcript_id }),
        }
    }
}

fn sections(meeting: &MeetingRecord) -> Vec<Value> {
    // Of somebody's own: in the language that they wrote it in.
    if let Some(own) = &meeting.template {
        let told = |section: &OwnSection| json!({ "key": section.key, "title": section.title });
        return own.sections.iter().map(told).collect();
    }
    let language = meeting.language.as_deref().unwrap_or(DEFAULT_LANGUAGE);
    let template = template::by_id(meeting.template_id).unwrap_or(&template::GENERAL);
    template
        .sections
        .iter()
        .map(|section| {
            let title = section.title;
            let mut told = json!({ "key": section.key, "title": title.in_language(language) });
            // Not chosen: whoever hears the recording knows the language.
            if meeting.language.is_none() {
                told["titles"] = json!({ "ko": title.ko, "en": title.en });
            }
            told
        })
        .collect()
}

/// The event that tells what happened to a meeting.
#[must_use]
pub fn about(
    meeting: &MeetingRecord,
    happening: Happening<'_>,
    participants: &[Uuid],
    at: DateTime<Utc>,
    invalidates: Vec<String>,
) -> NewEvent {
    let (kind, verb) = happening.names();
    let mut data = json!({
        "meetingId": meeting.id,
        "meetingTitle": meeting.title,
        "status": meeting.status.as_str(),
        "hostId": meeting.host_id,
        "participantIds": participants,
        "version": meeting.version,
        "occurredAt": rfc3339(at),
    });
    if let (Value::Object(data), Value::Object(details)) = (&mut data, happening.details(meeting)) {
        data.extend(details);
    }
    NewEvent {
        kind,
        source: NAME,
        ordering_key: meeting.id,
        entity: "meeting",
        entity_id: meeting.id,
        verb,
        class: Class::Event,
        data,
        changed: changed(meeting),
        invalidates,
    }
}

/// The meeting as what changed, with the version that whoever reads it must see.
fn changed(meeting: &MeetingRecord) -> Value {
    let version = meeting.version;
    json!({ "meeting": { "__typename": "Meeting", "id": meeting.id, "version": version } })
}

/// The event that tells that a part of a recording can be recognised.
#[must_use]
pub fn part_uploaded(
    meeting: &MeetingRecord,
    recording_id: Uuid,
    part: &RecordingRecord,
) -> NewEvent {
    let details = json!({
        "partId": part.id,
        "sequence": part.sequence,
        "startMs": part.start_ms,
        "objectKey": part.object_key,
        "contentType": part.content_type,
        "sizeBytes": part.size_bytes,
        "language": meeting.language,
    });
    let told = (kind::RECORDING_PART_UPLOADED, "partUploaded");
    of_recording(meeting, recording_id, told, details)
}

/// The event that tells that no part of a recording comes any more, and which are missing.
#[must_use]
pub fn recording_closed(
    meeting: &MeetingRecord,
    recording_id: Uuid,
    part_count: i32,
    missing: &[i32],
) -> NewEvent {
    let details = json!({
        "partCount": part_count,
        "missingParts": missing,
        "language": meeting.language,
    });
    of_recording(meeting, recording_id, (kind::RECORDING_CLOSED, "closed"), details)
}

/// The event that tells that the file of a recording isn't kept any longer.
#[must_use]
pub fn recording_deleted(meeting: &MeetingRecord, recording_id: Uuid) -> NewEvent {
    of_recording(meeting, recording_id, (kind::RECORDING_DELETED, "deleted"), json!({}))
}

/// An event about a recording; told as its type and verb.
fn of_recording(
    meeting: &MeetingRecord,
    recording_id: Uuid,
    (kind, verb): (&'static str, &'static str),
    details: Value,
) -> NewEvent {
    let mut data = json!({
        "meetingId": meeting.id,
        "meetingTitle": meeting.title,
        "recordingId": recording_id,
        "occurredAt": rfc3339(Utc::now()),
    });
    if let (Value::Object(data), Value::Object(details)) = (&mut data, details) {
        data.extend(details);
    }
    NewEvent {
        kind,
        source: NAME,
        ordering_key: meeting.id,
        entity: "recording",
        entity_id: recording_id,
        verb,
        class: Class::Event,
        data,
        changed: changed(meeting),
        invalidates: Vec::new(),
    }
}

/// Somebody who comes to a meeting, or goes.
#[derive(Debug, Clone, Copy)]
pub struct Coming {
    /// Who it is.
    pub user_id: Uuid,
    /// What they are there, or were.
    pub role: Role,
    /// Who did it; nobody when the account was deleted.
    pub actor_id: Option<Uuid>,
}

/// The event that tells that somebody comes to a meeting, or goes. `people` take part since.
#[must_use]
pub fn participation(
    meeting: &MeetingRecord,
    coming: Coming,
    comes: bool,
    people: &[Uuid],
    invalidates: Vec<String>,
) -> NewEvent {
    let (kind, verb) = match comes {
        true => (kind::PARTICIPANT_ADDED, "added"),
        false => (kind::PARTICIPANT_REMOVED, "removed"),
    };
    NewEvent {
        kind,
        source: NAME,
        ordering_key: meeting.id,
        entity: "participant",
        entity_id: coming.user_id,
        verb,
        class: Class::Event,
        data: json!({
            "meetingId": meeting.id,
            "meetingTitle": meeting.title,
            "hostId": meeting.host_id,
            "userId": coming.user_id,
            "role": coming.role.as_str(),
            "actorId": coming.actor_id,
            "participantIds": people,
            "version": meeting.version,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: changed(meeting),
        invalidates,
    }
}

/// The event that tells what somebody answered to the invitation.
#[must_use]
pub fn response(
    meeting: &MeetingRecord,
    who: Uuid,
    response: Response,
    invalidates: Vec<String>,
) -> NewEvent {
    NewEvent {
        kind: kind::PARTICIPANT_RESPONDED,
        source: NAME,
        ordering_key: meeting.id,
        entity: "participant",
        entity_id: who,
        verb: "responded",
        class: Class::Event,
        data: json!({
            "meetingId": meeting.id,
            "meetingTitle": meeting.title,
            "hostId": meeting.host_id,
            "userId": who,
            "response": response.as_str(),
            "actorId": who,
            "version": meeting.version,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: changed(meeting),
        invalidates,
    }
}

/// The event that tells that somebody's own template was made, changed or deleted.
#[must_use]
pub fn template(
    template: &TemplateRecord,
    change: &'static str,
    invalidates: Vec<String>,
) -> NewEvent {
    NewEvent {
        kind: kind::TEMPLATE_CHANGED,
        source: NAME,
        ordering_key: template.owner_id,
        entity: "template",
        entity_id: template.id,
        verb: "changed",
        class: Class::Event,
        data: json!({
            "templateId": template.id,
            "ownerId": template.owner_id,
            "change": change,
            "version": template.version,
            "occurredAt": rfc3339(Utc::now()),
        }),
        changed: json!({}),
        invalidates,
    }
}

/// Moves meetings on as what comes after them does.
pub struct MeetingEvents(Meetings);

impl MeetingEvents {
    /// The handler over these meetings.
    #[must_use]
    pub fn new(meetings: Meetings) -> Arc<Self> {
        Arc::new(Self(meetings))
    }

    async fn minutes_ready(
        &self,
        created: &event::TranscriptCreated,
        tx: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let Some(mut meeting) = store::meeting::lock(tx, created.meeting_id).await? else {
            return Ok(());
        };
        // Told twice, or late: the meeting stays as it is.
        if !meeting.status.takes_minutes() {
            return Ok(());
        }
        meeting.status = Status::MinutesReady;
        let happening = Happening::MinutesReady { transcript_id: Some(created.transcript_id) };
        self.0.write(tx, &meeting, happening).await?;
        Ok(())
    }

    /// Notes what came after a meeting, and tells it if that is news.
    async fn follow(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        change: &'static str,
        apply: impl FnOnce(&mut MeetingRecord),
    ) -> Result<(), sqlx::Error> {
        let Some(before) = store::meeting::lock(tx, id).await? else { return Ok(()) };
        let mut after = before.clone();
        apply(&mut after);
        if after == before {
            return Ok(());
        }
        store::meeting::follow_up(tx, &after).await?;
        self.0.tell(tx, &after, Happening::Updated { change, recording_id: None }).await
    }

    async fn hear(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        match event.kind.as_str() {
            kind::TRANSCRIPT_CREATED => self.minutes_ready(&event.decode()?, tx).await?,
            kind::TRANSCRIPT_VERIFIED => {
                let told: event::TranscriptStep = event.decode()?;
                let at = Some(told.occurred_at);
                let note = |meeting: &mut MeetingRecord| meeting.minutes_verified_at = at;
                self.follow(tx, told.meeting_id, "MINUTES_VERIFIED", note).await?;
            }
            kind::TRANSCRIPT_SHARED => {
                let told: event::TranscriptStep = event.decode()?;
                let at = Some(told.occurred_at);
                let note = |meeting: &mut MeetingRecord| meeting.minutes_shared_at = at;
                self.follow(tx, told.meeting_id, "MINUTES_SHARED", note).await?;
            }
            kind::TODO_CREATED | kind::TODO_STATUS_CHANGED | kind::TODO_COMPLETED => {
                let told: event::Todo = event.decode()?;
                let (Some(id), Some(progress)) = (told.meeting_id, told.meeting_progress) else {
                    return Ok(());
                };
                let note = |meeting: &mut MeetingRecord| {
                    (meeting.todo_done, meeting.todo_total) = (progress.done, progress.total);
                };
                self.follow(tx, id, "TODO_PROGRESS", note).await?;
            }
            kind::USER_DELETED => {
                let told: event::UserDeleted = event.decode()?;
                self.0.forget(tx, told.user_id).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Handler for MeetingEvents {
    fn wants(&self, kind: &str) -> bool {
        matches!(
            kind,
            kind::TRANSCRIPT_CREATED
                | kind::TRANSCRIPT_VERIFIED
                | kind::TRANSCRIPT_SHARED
                | kind::TODO_CREATED
                | kind::TODO_STATUS_CHANGED
                | kind::TODO_COMPLETED
                | kind::USER_DELETED
        )
    }

    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        self.hear(event, tx).boxed()
    }
}
