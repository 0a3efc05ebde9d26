//! Asking for a summary, a schedule or an analysis, of one meeting or over several.

use platform::error::{Internal as _, Refused, UserError};
use platform::idempotency::Once;
use platform::task::{Asked, NewTask, Priority, Requests, Task, Tasks};
use serde_json::json;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::{analysis, meeting};
use crate::worker::{Across, Input, QUEUE, TASK_TYPENAME};

/// Takes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk(Requests);

impl Desk {
    /// A desk that opens tasks there.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        Self(Requests::new(tasks))
    }

    /// Asks for one of a meeting that the viewer takes part in; while one is on its way, that is the
    /// answer.
    ///
    /// # Errors
    /// `TRANSCRIPT_NOT_READY`, `NO_ACCOUNT`, `QUEUE_FULL`; inner ones, masked.
    pub async fn ask(&self, once: Once<'_>, meeting_id: Uuid, kind: Kind) -> Result<Task, Refused> {
        let asked = self.0.ask_of(once, meeting_id, TASK_TYPENAME, kind.as_str()).await?;
        let mut asking = match asked {
            Asked::There(task) => return Ok(task),
            Asked::New(asking) => asking,
        };
        let text = meeting::transcribed(asking.tx(), meeting_id).await?;
        let text = text.ok_or_else(|| not_ready("meetingId"))?;
        let input =
            Input { meeting_id, transcript_id: text.transcript_id, object_key: text.object_key };
        let new = new_task(kind, meeting_id, serde_json::to_value(input).internal()?);
        // Somebody waits for it: before what is done of every text.
        let task = asking.request(NewTask { priority: Priority::High, ..new }).await?;
        asking.answer(task).await
    }

    /// Asks for an analysis over several meetings, all of which the viewer takes part in.
    ///
    /// # Errors
    /// `TRANSCRIPT_NOT_READY`, `NO_ACCOUNT`, `QUEUE_FULL`; inner ones, masked.
    pub async fn ask_across(&self, once: Once<'_>, meetings: &[Uuid]) -> Result<Task, Refused> {
        let viewer = once.viewer();
        let mut asking = match self.0.ask(once).await? {
            Asked::There(task) => return Ok(task),
            Asked::New(asking) => asking,
        };
        let known = analysis::texts(asking.tx(), meetings).await?;
        let text = |meeting: &Uuid| known.iter().find(|text| text.meeting_id == *meeting).cloned();
        let texts: Option<Vec<analysis::Text>> = meetings.iter().map(text).collect();
        let texts = texts.ok_or_else(|| not_ready("meetingIds"))?;
        let id = Uuid::now_v7();
        let input = Across { analysis_id: id, meeting_ids: meetings.to_vec() };
        let new = NewTask {
            priority: Priority::High,
            // It belongs to no meeting: who follows one of them hears nothing of it.
            changed: json!({}),
            ..new_task(Kind::Analysis, id, serde_json::to_value(input).internal()?)
        };
        let task = asking.request(new).await?;
        analysis::insert(asking.tx(), id, task.id, viewer, &texts).await?;
        asking.answer(task).await
    }
}

fn not_ready(field: &str) -> UserError {
    let message = match field {
        "meetingId" => "the meeting's text isn't there yet",
        _ => "the text of one of the meetings isn't there yet",
    };
    UserError::new("TRANSCRIPT_NOT_READY", message).on(field)
}

/// A task of a kind.
#[must_use]
pub fn new_task(kind: Kind, meeting_id: Uuid, input: serde_json::Value) -> NewTask<'static> {
    NewTask {
        kind: kind.as_str(),
        typename: TASK_TYPENAME,
        queue: QUEUE,
        job_kind: kind.job(),
        ordering_key: meeting_id,
        requested_by: None,
        input,
        dedupe_key: None,
        changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting_id } }),
        priority: Priority::Normal,
    }
}
