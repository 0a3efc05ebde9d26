//! What the meeting service tells the others, and what it hears from them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use platform::{
    event::{Class, Event, NewEvent, rfc3339},
    inbox::{HandleError, Handler},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    NAME,
    domain::{plan::DEFAULT_LANGUAGE, status::Status, template},
    meeting::Meetings,
    store::{self, meeting::MeetingRecord, recording::RecordingRecord},
};

/// The consumer of this service, as nats/ defines it.
pub const CONSUMER: &str = "meeting-events";

/// The event that says that a meeting's minutes are there.
pub const TRANSCRIPT_CREATED: &str = "moim.transcript.created.v1";

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
            Self::Created => ("moim.meeting.created.v1", "created"),
            Self::Updated { .. } => ("moim.meeting.updated.v1", "updated"),
            Self::Started => ("moim.meeting.started.v1", "started"),
            Self::Ended { .. } => ("moim.meeting.ended.v1", "ended"),
            Self::Cancelled => ("moim.meeting.cancelled.v1", "cancelled"),
            Self::MinutesReady { .. } => ("moim.meeting.minutesReady.v1", "minutesReady"),
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
                "language": meeting.language,
                "templateSections": sections(meeting),
            }),
            Self::Cancelled => json!({}),
            Self::MinutesReady { transcript_id } => json!({ "transcriptId": transcript_id }),
        }
    }
}

fn sections(meeting: &MeetingRecord) -> Vec<Value> {
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
        changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting.id } }),
        invalidates,
    }
}

/// What this service reads of a transcript's creation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TranscriptCreated {
    meeting_id: Uuid,
    #[serde(default)]
    transcript_id: Option<Uuid>,
}

/// Moves meetings on when their minutes are there.
pub struct MeetingEvents(Meetings);

impl MeetingEvents {
    /// The handler over these meetings.
    #[must_use]
    pub fn new(meetings: Meetings) -> Arc<Self> {
        Arc::new(Self(meetings))
    }

    async fn minutes_ready(
        &self,
        created: &TranscriptCreated,
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
        let happening = Happening::MinutesReady { transcript_id: created.transcript_id };
        self.0.write(tx, &meeting, happening).await?;
        Ok(())
    }
}

impl Handler for MeetingEvents {
    fn wants(&self, kind: &str) -> bool {
        kind == TRANSCRIPT_CREATED
    }

    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        async move {
            if event.kind == TRANSCRIPT_CREATED {
                let created: TranscriptCreated = event.decode()?;
                self.minutes_ready(&created, tx).await?;
            }
            Ok(())
        }
        .boxed()
    }
}
