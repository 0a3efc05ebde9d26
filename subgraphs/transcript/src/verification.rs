//! A verification: asked for by a person, done by the queue's worker.

use platform::error::{Internal as _, Refused, UserError};
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::outbox::Outbox;
use platform::queue::{Job, Progress, WorkError};
use platform::task::{Asked, NewTask, Priority, Requests, Task, Tasks};
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
use crate::store::{minutes, part, segment, transcript, verification};

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
    /// the answer.
    ///
    /// # Errors
    /// `TRANSCRIPT_NOT_READY`, `NO_ACCOUNT`, `QUEUE_FULL`; inner ones, masked.
    pub async fn ask(&self, once: Once<'_>, meeting_id: Uuid) -> Result<Task, Refused> {
        let requests = Requests::new(self.tasks.clone());
        let mut asking = match requests.ask_of(once, meeting_id, TASK_TYPENAME, TASK_KIND).await? {
            Asked::There(task) => return Ok(task),
            Asked::New(asking) => asking,
        };
        let newest = transcript::newest_complete(asking.tx(), meeting_id).await?;
        let transcript_id = newest.ok_or_else(|| UserError::from(Refusal::TranscriptNotReady))?;
        let input = Input { meeting_id, transcript_id };
        let new = NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            // Somebody waits for it.
            priority: Priority::High,
            ordering_key: meeting_id,
            requested_by: None,
            input: serde_json::to_value(input).internal()?,
            dedupe_key: None,
            changed: json!({ "meeting": { "__typename": "Meeting", "id": meeting_id } }),
        };
        let task = asking.request(new).await?;
        asking.answer(task).await
    }

    /// Does the claimed task to its end. It reads, judges and writes once: another attempt begins anew.
    ///
    /// # Errors
    /// See [`WorkError`].
    pub async fn run(&self, job: &Job, progress: &Progress) -> Result<(), WorkError> {
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

    async fn report(&self, progress: &Progress, percent: u8) -> Result<(), WorkError> {
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
