//! Events that this service listens to, and those that it tells.

use contract::event::{self, kind};
use contract::takes_part;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::{NewTask, Tasks};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::domain::across;
use crate::domain::kind::Kind;
use crate::request::new_task;
use crate::store::analysis::{AnalysisRow, PartRow};
use crate::store::insight::InsightRow;
use crate::store::meeting;
use crate::worker::{Input, TASK_TYPENAME};

/// The durable consumer of other services' events.
pub const CONSUMER: &str = "ai-events";

/// Handles other services' events.
#[derive(Debug, Clone)]
pub struct Listener {
    tasks: Tasks,
    revoking: Revoking,
}

impl Listener {
    /// A listener that opens tasks there.
    #[must_use]
    pub fn new(tasks: Tasks, outbox: Outbox) -> Self {
        Self { tasks, revoking: Revoking::new(outbox, NAME) }
    }

    /// Prepares the schedule: what it starts from.
    async fn planned(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::MeetingCreated = event.decode()?;
        let planned = meeting::Planned {
            id: told.meeting.meeting_id,
            title: &told.meeting.meeting_title,
            agenda: told.agenda.as_deref(),
            scheduled_at: told.scheduled_at,
            language: told.language.as_deref(),
        };
        Ok(meeting::plan(tx, planned).await?)
    }

    /// Prepares summary and analysis: they run when the text is there.
    async fn ended(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::MeetingEnded = event.decode()?;
        let id = told.meeting.meeting_id;
        meeting::rename(tx, id, &told.meeting.meeting_title).await?;
        meeting::end(tx, id, told.end_time.unwrap_or(event.time)).await?;
        // Without a recording there will be no text.
        if told.audio_file_url.is_some() {
            for kind in Kind::OF_EVERY_TEXT {
                let dedupe_key = Some(dedupe(kind, id));
                let new = NewTask { dedupe_key, ..new_task(kind, id, Value::Null) };
                self.tasks.open(tx, new).await?;
            }
        }
        Ok(())
    }

    async fn transcribed(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::TranscriptCreated = event.decode()?;
        let (meeting_id, transcript_id) = (told.meeting_id, told.transcript_id);
        meeting::transcribe(tx, meeting_id, transcript_id, &told.object_key).await?;
        let input = Input { meeting_id, transcript_id, object_key: told.object_key };
        let input = serde_json::to_value(input)?;
        for kind in Kind::OF_EVERY_TEXT {
            let opened = dedupe(kind, meeting_id);
            if self.tasks.submit(tx, &opened, input.clone()).await?.is_none() {
                // Another text of the same meeting, or one whose end wasn't heard of.
                let dedupe_key = Some(dedupe(kind, transcript_id));
                let new = NewTask { dedupe_key, ..new_task(kind, meeting_id, input.clone()) };
                self.tasks.create(tx, new).await?;
            }
        }
        Ok(())
    }

    /// A recording that gave no text: what waits for it is called off. If a text comes after all, since the
    /// transcription was retried, it gets tasks of its own.
    async fn untranscribed(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::TaskStateChanged = event.decode()?;
        if told.gave_no_text() {
            self.tasks.call_off_opened(tx, told.ordering_key).await?;
        }
        Ok(())
    }

    async fn cancelled(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::Meeting = event.decode()?;
        meeting::cancel(tx, told.meeting_id, event.time).await?;
        for open in self.tasks.open_of(tx, told.meeting_id, TASK_TYPENAME, None).await? {
            self.tasks.cancel(tx, open).await?;
        }
        Ok(())
    }

    async fn hear(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        takes_part::follow(&self.revoking, event, tx).await?;
        match event.kind.as_str() {
            kind::MEETING_CREATED => self.planned(event, tx).await,
            kind::MEETING_UPDATED => {
                let told: event::Meeting = event.decode()?;
                Ok(meeting::rename(tx, told.meeting_id, &told.meeting_title).await?)
            }
            kind::MEETING_ENDED => self.ended(event, tx).await,
            kind::MEETING_CANCELLED => self.cancelled(event, tx).await,
            kind::TRANSCRIPT_CREATED => self.transcribed(event, tx).await,
            kind::TASK_STATE_CHANGED => self.untranscribed(event, tx).await,
            _ => Ok(()),
        }
    }
}

impl Handler for Listener {
    fn wants(&self, event: &str) -> bool {
        let own = [
            kind::MEETING_UPDATED,
            kind::MEETING_ENDED,
            kind::MEETING_CANCELLED,
            kind::TRANSCRIPT_CREATED,
            kind::TASK_STATE_CHANGED,
        ];
        takes_part::concerns(event) || own.contains(&event)
    }

    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        self.hear(event, tx).boxed()
    }
}

fn dedupe(kind: Kind, of: Uuid) -> String {
    format!("{}:{of}", kind.job())
}

/// Tells that something was found in a meeting's text.
#[must_use]
pub fn found(row: &InsightRow) -> NewEvent {
    let (kind, entity, verb, typename) = match row.kind {
        Kind::Summary => (kind::SUMMARY_CREATED, "summary", "created", "Summary"),
        Kind::Schedule => (kind::SCHEDULE_PROPOSED, "schedule", "proposed", "ScheduleProposal"),
        Kind::Analysis => (kind::ANALYSIS_CREATED, "analysis", "created", "MeetingAnalysis"),
    };
    NewEvent {
        kind,
        source: NAME,
        ordering_key: row.meeting_id,
        entity,
        entity_id: row.id,
        verb,
        class: Class::Event,
        data: json!({
            "meetingId": row.meeting_id,
            (format!("{entity}Id")): row.id,
            "transcriptId": row.transcript_id,
            "taskId": row.task_id,
            "engine": row.engine,
            "version": row.version,
            "occurredAt": rfc3339(row.created_at),
        }),
        changed: json!({
            "meeting": { "__typename": "Meeting", "id": row.meeting_id },
            entity: { "__typename": typename, "id": row.id, "version": row.version },
        }),
        invalidates: Vec::new(),
    }
}

/// Tells that several meetings were analysed together. `meetingId` and `transcriptId` are those of the first.
#[must_use]
pub fn found_across(row: &AnalysisRow, parts: &[PartRow]) -> NewEvent {
    let first = parts.first();
    let (engine, _) = across::engine(
        parts.iter().filter_map(|part| Some((part.engine.as_deref()?, part.instead_of.as_deref()))),
    );
    let meetings: Vec<Uuid> = parts.iter().map(|part| part.meeting_id).collect();
    NewEvent {
        kind: kind::ANALYSIS_CREATED,
        source: NAME,
        ordering_key: row.id,
        entity: "analysis",
        entity_id: row.id,
        verb: "created",
        class: Class::Event,
        data: json!({
            "meetingId": first.map(|part| part.meeting_id),
            "meetingIds": meetings,
            "analysisId": row.id,
            "transcriptId": first.map(|part| part.transcript_id),
            "taskId": row.task_id,
            "requestedBy": row.requested_by,
            "engine": engine,
            "version": row.version,
            "occurredAt": rfc3339(row.completed_at.unwrap_or(row.created_at)),
        }),
        changed: json!({
            "analysis": {
                "__typename": "MeetingAnalysis", "id": row.id, "version": row.version,
            },
        }),
        invalidates: Vec::new(),
    }
}
