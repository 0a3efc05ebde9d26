//! Asking for a summary, a schedule or an analysis.

use async_graphql::Result;
use platform::error::{Internal as _, UserError};
use platform::kernel::Kernel;
use platform::outbox::Outbox;
use platform::queue::QueueError;
use platform::task::{NewTask, Priority, Task, Tasks};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::{meeting, task};
use crate::worker::{Input, QUEUE, TASK_TYPENAME};

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

    /// Asks for one of a meeting that `viewer` takes part in; while one is on its way, that is the
    /// answer. User error: `TRANSCRIPT_NOT_READY`.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn ask(
        &self,
        viewer: Uuid,
        meeting_id: Uuid,
        kind: Kind,
    ) -> Result<std::result::Result<Task, UserError>> {
        let mut tx = self.pool.begin().await.internal()?;
        // Two who ask at once get the same task.
        self.outbox.order(&mut tx, meeting_id).await.internal()?;
        let open = task::open_of_meeting(&mut tx, meeting_id, TASK_TYPENAME, Some(kind.as_str()));
        if let Some(open) = open.await.internal()?.first() {
            let mut found = self.tasks.get(&[*open]).await.internal()?;
            if let Some(task) = found.remove(open) {
                return Ok(Ok(task));
            }
        }
        let Some(text) = meeting::transcribed(&mut tx, meeting_id).await.internal()? else {
            let message = "the meeting's text isn't there yet";
            return Ok(Err(UserError::new("TRANSCRIPT_NOT_READY", message).on("meetingId")));
        };
        let input =
            Input { meeting_id, transcript_id: text.transcript_id, object_key: text.object_key };
        let new = new_task(kind, meeting_id, serde_json::to_value(input).internal()?);
        // Somebody waits for it: before what is done of every text.
        let new = NewTask { requested_by: Some(viewer), priority: Priority::High, ..new };
        let asked = self.tasks.request(&mut tx, new).await;
        let task = asked.map_err(QueueError::into_graphql)?;
        tx.commit().await.internal()?;
        self.outbox.wake();
        Ok(Ok(task))
    }
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
