//! A verification: asked for by a person, done by the queue's worker.

use async_graphql::Result;
use platform::error::{Internal as _, UserError};
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::outbox::Outbox;
use platform::queue::{Job, Progress, QueueError, WorkError};
use platform::task::{NewTask, Priority, Requests, Task, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::fault;
use crate::domain::part::missing;
use crate::domain::refusal::Refusal;
use crate::domain::verification::{Drafted, Heard, verify};
use crate::events::QUEUE;
use crate::schema::loader::TASK_TYPENAME;
use crate::store::verification::VerificationRow;
use crate::store::{minutes, part, segment, task, transcript, verification};

/// Kind of verification jobs.
pub const JOB: &str = "verification";
/// Kind of their tasks.
pub const TASK_KIND: &str = "VERIFICATION";

/// What a verification is to look at.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its text.
    pub transcript_id: Uuid,
}

/// Takes requests for verifications, and does them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    pool: PgPool,
    outbox: Outbox,
    tasks: Tasks,
}

impl Verifier {
    /// Over the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, tasks: Tasks) -> Self {
        Self { pool: kernel.pool.clone(), outbox: kernel.outbox.clone(), tasks }
    }

    /// Asks for a verification of a meeting that the viewer takes part in; while one is on its way, that is
    /// the answer. User error: `TRANSCRIPT_NOT_READY`.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn ask(
        &self,
        once: Once<'_>,
        meeting_id: Uuid,
    ) -> Result<std::result::Result<Task, UserError>> {
        let once = once.of(meeting_id);
        let mut tx = self.pool.begin().await.internal()?;
        // Two who ask at once get the same task.
        self.outbox.order(&mut tx, meeting_id).await.internal()?;
        if let Some(earlier) = once.answered(&mut tx).await.internal()? {
            return self.known(earlier).await;
        }
        let open = task::open_of_meeting(&mut tx, meeting_id, TASK_TYPENAME, Some(TASK_KIND));
        let open = match open.await.internal()?.first() {
            Some(open) => self.tasks.get(&[*open]).await.internal()?.remove(open),
            None => None,
        };
        let task = if let Some(open) = open {
            open
        } else {
            let newest = transcript::newest_complete(&mut tx, meeting_id).await.internal()?;
            let Some(transcript_id) = newest else {
                return Ok(Err(Refusal::TranscriptNotReady.into()));
            };
            let input = Input { meeting_id, transcript_id };
            let new = NewTask {
                kind: TASK_KIND,
                typename: TASK_TYPENAME,
                queue: QUEUE,
                job_kind: JOB,
                // Somebody waits for it.
                priority: Priority::High,
                ordering_key: meeting_id,
                requested_by: Some(once.viewer()),
                input: serde_json::to_value(input).internal()?,
                dedupe_key: None,
                changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting_id } }),
            };
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

    /// A task that was answered before, as it is now.
    async fn known(&self, id: Uuid) -> Result<std::result::Result<Task, UserError>> {
        let task = self.tasks.uncached().get(&[id]).await.internal()?.remove(&id);
        Ok(task.ok_or_else(Requests::not_found))
    }

    /// Does the claimed task to its end. It reads, judges and writes once: another attempt begins anew.
    ///
    /// # Errors
    /// See [`WorkError`].
    pub async fn run(&self, job: &Job, progress: &Progress) -> std::result::Result<(), WorkError> {
        let claim = &job.claim;
        let input = Input::deserialize(&claim.task.input).map_err(WorkError::retry)?;
        let Some(duration_ms) = transcript::duration(&self.pool, input.transcript_id).await? else {
            return Err(WorkError::fail(fault::TEXT_MISSING, fault::message(fault::TEXT_MISSING)));
        };
        let heard: Vec<Heard> = segment::of_transcript(&self.pool, input.transcript_id)
            .await?
            .into_iter()
            .map(|row| Heard {
                id: row.id,
                start_ms: row.start_ms,
                end_ms: row.end_ms,
                confidence: row.confidence,
                is_edited: row.revision > 0,
            })
            .collect();
        self.report(progress, READ_PERCENT).await?;
        let drafts = minutes::by_meetings(&self.pool, &[input.meeting_id]).await?;
        let drafts: Vec<Uuid> = drafts.into_iter().map(|row| row.id).collect();
        let drafted: Vec<Drafted> = minutes::sections_of(&self.pool, &drafts)
            .await?
            .into_iter()
            .map(|row| Drafted { id: row.id, is_empty: row.body.trim().is_empty() })
            .collect();
        let mut parts = part::of_transcripts(&self.pool, &[input.transcript_id]).await?;
        let (parts, never_came) = parts.remove(&input.transcript_id).unwrap_or_default();
        let found = verify(&heard, duration_ms, &missing(&parts, &never_came), &drafted);
        self.report(progress, JUDGED_PERCENT).await?;
        let row = VerificationRow {
            task_id: claim.task.id,
            findings: serde_json::to_value(&found.findings).map_err(WorkError::retry)?,
            finding_count: i32::try_from(found.count).unwrap_or(i32::MAX),
        };
        let mut tx = self.pool.begin().await?;
        if !self.tasks.complete(&mut tx, claim).await? {
            return Err(WorkError::Cancelled);
        }
        verification::insert(&mut tx, input.transcript_id, &row).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    async fn report(&self, progress: &Progress, percent: u8) -> std::result::Result<(), WorkError> {
        match progress.report(percent).await {
            true => Ok(()),
            false => Err(WorkError::Cancelled),
        }
    }
}

/// Percent at which text is read and minutes come next.
const READ_PERCENT: u8 = 40;
/// Percent at which all is judged and only has to be written.
const JUDGED_PERCENT: u8 = 80;
