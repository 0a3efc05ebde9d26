//! Asking for a summary, a schedule or an analysis, of one meeting or over several.

use async_graphql::Result;
use platform::error::{Internal as _, UserError};
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::outbox::Outbox;
use platform::queue::QueueError;
use platform::task::{NewTask, Priority, Requests, Task, Tasks};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::{analysis, meeting, task};
use crate::worker::{Across, Input, QUEUE, TASK_TYPENAME};

/// Takes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    pool: PgPool,
    outbox: Outbox,
    tasks: Tasks,
}

impl Desk {
    /// A desk over the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, tasks: Tasks) -> Self {
        Self { pool: kernel.pool.clone(), outbox: kernel.outbox.clone(), tasks }
    }

    /// Asks for one of a meeting that the viewer takes part in; while one is on its way, that is the
    /// answer. User error: `TRANSCRIPT_NOT_READY`.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn ask(
        &self,
        once: Once<'_>,
        meeting_id: Uuid,
        kind: Kind,
    ) -> Result<std::result::Result<Task, UserError>> {
        let once = once.of(meeting_id);
        let mut tx = self.pool.begin().await.internal()?;
        // Two who ask at once get the same task.
        self.outbox.order(&mut tx, meeting_id).await.internal()?;
        if let Some(earlier) = once.answered(&mut tx).await.internal()? {
            return self.known(earlier).await;
        }
        let open = task::open_of_meeting(&mut tx, meeting_id, TASK_TYPENAME, Some(kind.as_str()));
        let task = match open.await.internal()?.first() {
            Some(open) => self.tasks.get(&[*open]).await.internal()?.remove(open),
            None => None,
        };
        let task = if let Some(open) = task {
            open
        } else {
            let text = meeting::transcribed(&mut tx, meeting_id).await.internal()?;
            let Some(text) = text else { return Ok(Err(not_ready("meetingId"))) };
            let input = Input {
                meeting_id,
                transcript_id: text.transcript_id,
                object_key: text.object_key,
            };
            let new = new_task(kind, meeting_id, serde_json::to_value(input).internal()?);
            // Somebody waits for it: before what is done of every text.
            let requested_by = Some(once.viewer());
            let new = NewTask { requested_by, priority: Priority::High, ..new };
            let asked = self.tasks.request(&mut tx, new).await;
            asked.map_err(QueueError::into_graphql)?
        };
        if let Some(earlier) = once.answer(&mut tx, task.id).await.internal()? {
            drop(tx);
            return self.known(earlier).await;
        }
        tx.commit().await.internal()?;
        self.outbox.wake();
        Ok(Ok(task))
    }

    /// Asks for an analysis over several meetings, all of which the viewer takes part in. User error:
    /// `TRANSCRIPT_NOT_READY`.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn ask_across(
        &self,
        once: Once<'_>,
        meetings: &[Uuid],
    ) -> Result<std::result::Result<Task, UserError>> {
        let mut tx = self.pool.begin().await.internal()?;
        if let Some(earlier) = once.answered(&mut tx).await.internal()? {
            return self.known(earlier).await;
        }
        let known = analysis::texts(&mut tx, meetings).await.internal()?;
        let text = |meeting: &Uuid| known.iter().find(|text| text.meeting_id == *meeting).cloned();
        let texts: Option<Vec<analysis::Text>> = meetings.iter().map(text).collect();
        let Some(texts) = texts else { return Ok(Err(not_ready("meetingIds"))) };
        let id = Uuid::now_v7();
        let input = Across { analysis_id: id, meeting_ids: meetings.to_vec() };
        let new = NewTask {
            requested_by: Some(once.viewer()),
            priority: Priority::High,
            // It belongs to no meeting: who follows one of them hears nothing of it.
            changed: json!({}),
            ..new_task(Kind::Analysis, id, serde_json::to_value(input).internal()?)
        };
        let asked = self.tasks.request(&mut tx, new).await;
        let task = asked.map_err(QueueError::into_graphql)?;
        analysis::insert(&mut tx, id, task.id, once.viewer(), &texts).await.internal()?;
        if let Some(earlier) = once.answer(&mut tx, task.id).await.internal()? {
            drop(tx);
            return self.known(earlier).await;
        }
        tx.commit().await.internal()?;
        self.outbox.wake();
        Ok(Ok(task))
    }

    /// A task that was answered before, as it is now.
    async fn known(&self, id: Uuid) -> Result<std::result::Result<Task, UserError>> {
        let task = self.tasks.uncached().get(&[id]).await.internal()?.remove(&id);
        Ok(task.ok_or_else(Requests::not_found))
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
