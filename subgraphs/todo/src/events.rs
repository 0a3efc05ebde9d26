//! Events that this service listens to, and those that it tells.

use chrono::Utc;
use contract::event::{self, kind};
use contract::takes_part;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::{NewTask, Priority, Tasks};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::domain::status::Status;
use crate::store::meeting;
use crate::store::todo::TodoRow;
use crate::worker::{Input, JOB, QUEUE, TASK_KIND, TASK_TYPENAME};

/// The durable consumer of other services' events.
pub const CONSUMER: &str = "todo-events";

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

    /// Opens the extraction: it runs when the text is there.
    async fn ended(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::MeetingEnded = event.decode()?;
        let id = told.meeting.meeting_id;
        meeting::note(tx, id, &told.meeting.meeting_title).await?;
        meeting::end(tx, id, told.end_time.unwrap_or(event.time)).await?;
        // Without a recording there will be no text.
        if told.audio_file_url.is_some() {
            self.tasks.open(tx, extraction(id, Value::Null, dedupe(id))).await?;
        }
        Ok(())
    }

    async fn transcribed(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        let told: event::TranscriptCreated = event.decode()?;
        let meeting_id = told.meeting_id;
        let input = Input { meeting_id, object_key: told.object_key };
        let input = serde_json::to_value(input)?;
        if self.tasks.submit(tx, &dedupe(meeting_id), input.clone()).await?.is_none() {
            // Another text of the same meeting, or one whose end wasn't heard of.
            let new = extraction(meeting_id, input, dedupe(told.transcript_id));
            self.tasks.create(tx, new).await?;
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
            kind::MEETING_CREATED | kind::MEETING_UPDATED => {
                let told: event::Meeting = event.decode()?;
                meeting::note(tx, told.meeting_id, &told.meeting_title).await?;
                Ok(())
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

fn dedupe(of: Uuid) -> String {
    format!("{JOB}:{of}")
}

fn extraction(meeting: Uuid, input: Value, dedupe_key: String) -> NewTask<'static> {
    NewTask {
        kind: TASK_KIND,
        typename: TASK_TYPENAME,
        queue: QUEUE,
        job_kind: JOB,
        ordering_key: meeting,
        requested_by: None,
        input,
        dedupe_key: Some(dedupe_key),
        changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting } }),
        priority: Priority::Normal,
    }
}

/// What happened to a todo.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// It came to be.
    Created,
    /// It changed, but not its status.
    Updated {
        /// Whether somebody else is to do it since.
        assignee_changed: bool,
    },
    /// It has another status.
    StatusChanged {
        /// The one it had.
        from: Status,
    },
    /// It is done.
    Completed,
}

/// Events about a todo come in order with those about its meeting; without one, in its own.
#[must_use]
pub fn ordering_key(row: &TodoRow) -> Uuid {
    row.meeting_id.unwrap_or(row.id)
}

/// A todo, and what happened to it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The todo since.
    pub row: &'a TodoRow,
    /// What happened.
    pub happening: Happening,
    /// Who did it; nobody if a worker did.
    pub actor_id: Option<Uuid>,
    /// How many of the meeting's todos are done, of how many; none without a meeting.
    pub progress: Option<(i64, i64)>,
    /// Keys of what the cache holds of those whose own it is or was.
    pub invalidates: &'a [String],
}

impl Told<'_> {
    fn names(&self) -> (&'static str, &'static str) {
        match self.happening {
            Happening::Created => (kind::TODO_CREATED, "created"),
            Happening::Updated { .. } => (kind::TODO_UPDATED, "updated"),
            Happening::StatusChanged { .. } => (kind::TODO_STATUS_CHANGED, "statusChanged"),
            Happening::Completed => (kind::TODO_COMPLETED, "completed"),
        }
    }

    fn data(&self) -> Value {
        let row = self.row;
        let mut data = json!({
            "todoId": row.id,
            "meetingId": row.meeting_id,
            "title": row.title,
            "status": row.status.as_str(),
            "assigneeId": row.assignee_id,
            "actorId": self.actor_id,
            "dueAt": row.due_at.map(rfc3339),
            "priority": row.priority.as_str(),
            "evidence": row.evidence,
            "meetingProgress": self.progress.map(|(done, total)| json!({
                "done": done,
                "total": total,
            })),
            "version": row.version,
            "occurredAt": rfc3339(Utc::now()),
        });
        match self.happening {
            Happening::Updated { assignee_changed } => {
                data["assigneeChanged"] = json!(assignee_changed);
            }
            Happening::StatusChanged { from } => data["from"] = json!(from.as_str()),
            Happening::Created | Happening::Completed => {}
        }
        data
    }

    fn changed(&self) -> Value {
        let row = self.row;
        let todo = json!({ "__typename": "Todo", "id": row.id, "version": row.version });
        match row.meeting_id {
            Some(id) => {
                json!({ "todo": todo, "meeting": { "__typename": "Meeting", "id": id } })
            }
            None => json!({ "todo": todo }),
        }
    }

    /// The event for other services, and for those who watch the meeting.
    #[must_use]
    pub fn event(&self) -> NewEvent {
        let (kind, verb) = self.names();
        NewEvent {
            kind,
            source: NAME,
            ordering_key: ordering_key(self.row),
            entity: "todo",
            entity_id: self.row.id,
            verb,
            class: Class::Event,
            data: self.data(),
            changed: self.changed(),
            invalidates: self.invalidates.to_vec(),
        }
    }

    /// The same live, for somebody who watches their own todos.
    #[must_use]
    pub fn live(&self, owner: Uuid) -> NewEvent {
        let mut changed = self.changed();
        changed["me"] = json!({ "__typename": "User", "id": owner });
        NewEvent { class: Class::Live, ordering_key: owner, changed, ..self.event() }
    }
}
