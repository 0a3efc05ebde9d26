//! The worker of the queue `todo`: finds todos in what was said.

use std::sync::Arc;

use chrono::Utc;
use chrono_tz::Tz;
use contract::attendance::Attendance;
use contract::spoken::{Spoken, end_of_day};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::departure;
use platform::kernel::Kernel;
use platform::queue::{Job, Progress, Work, WorkError};
use platform::task::Tasks;
use serde::{Deserialize, Serialize};
use text::{Action, Engine};
use uuid::Uuid;

use crate::domain::plan::title_of;
use crate::domain::priority::Priority;
use crate::domain::status::Status;
use crate::store::todo::TodoRow;
use crate::store::{extraction, meeting};
use crate::todo::Todos;

/// The queue of this service.
pub const QUEUE: &str = "todo";
/// Kind of its jobs.
pub const JOB: &str = "extraction";
/// Kind of their tasks.
pub const TASK_KIND: &str = "EXTRACTION";
/// GraphQL type of their tasks.
pub const TASK_TYPENAME: &str = "TodoTask";
/// Heavy jobs at once in this process: none of them is.
pub const HEAVY_MAX: usize = 1;

/// Code of a task whose text isn't there any more.
const TEXT_MISSING: &str = "TEXT_MISSING";

/// What an extraction is to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Key of its transcript in object storage.
    pub object_key: String,
}

/// Does extractions.
pub struct Extractor {
    /// Its database, where transcripts are, and the ways to other services.
    pub kernel: Kernel,
    /// The service's tasks.
    pub tasks: Tasks,
    /// Its todos.
    pub todos: Todos,
    /// What finds them.
    pub engine: Arc<dyn Engine>,
}

impl Extractor {
    async fn extract(&self, job: &Job, progress: &Progress) -> Result<(), WorkError> {
        let claim = &job.claim;
        let input = Input::deserialize(&claim.task.input).map_err(WorkError::retry)?;
        let spoken = match Spoken::read(&self.kernel.objects, &input.object_key).await {
            Ok(spoken) => spoken,
            Err(contract::spoken::SpokenError::Object(
                platform::object::ObjectError::NotFound(_),
            )) => return Err(WorkError::fail(TEXT_MISSING, "The text can't be found any more.")),
            Err(error) => return Err(WorkError::retry(error)),
        };
        if !progress.report(20).await {
            return Err(WorkError::Cancelled);
        }
        let held_at = meeting::ended_at(&self.kernel.pool, input.meeting_id).await?;
        let attendance = Attendance::for_job(&self.kernel, input.meeting_id, job.last).await;
        let attendance = attendance.map_err(WorkError::retry)?;
        let zone = attendance.zone;
        let said = spoken.said(held_at.unwrap_or_else(Utc::now), attendance);
        let by = self.engine.actions(&said).await.map_err(WorkError::retry)?;
        let mut found: Vec<TodoRow> = by
            .found
            .into_iter()
            .map(|action| proposed(input.meeting_id, claim.task.id, zone, action))
            .collect();
        let mut tx = self.kernel.pool.begin().await?;
        // Nobody is named whose account was deleted meanwhile.
        let named: Vec<Uuid> = found.iter().filter_map(|row| row.assignee_id).collect();
        let gone = departure::gone_among(&mut tx, &named).await?;
        for row in &mut found {
            row.assignee_id = row.assignee_id.filter(|assignee| !gone.contains(assignee));
        }
        if !self.tasks.complete(&mut tx, claim).await? {
            return Err(WorkError::Cancelled);
        }
        extraction::insert(&mut tx, claim.task.id, by.engine, by.instead_of).await?;
        self.todos.propose(&mut tx, &found).await?;
        tx.commit().await?;
        self.todos.drop_cached(found.iter().filter_map(|row| row.assignee_id)).await;
        Ok(())
    }
}

fn proposed(meeting: Uuid, task: Uuid, zone: Tz, action: Action) -> TodoRow {
    let now = Utc::now();
    let title = title_of(&action.text);
    TodoRow {
        id: Uuid::now_v7(),
        meeting_id: Some(meeting),
        // A title that had to be cut stands whole in the description.
        description: (title != action.text).then_some(action.text),
        title,
        status: Status::Proposed,
        assignee_id: action.assignee,
        created_by: None,
        due_at: action.due.map(|day| end_of_day(day, zone)),
        priority: Priority::Normal,
        evidence: action.segment_ids,
        task_id: Some(task),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

impl Work for Extractor {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        self.extract(job, progress).boxed()
    }
}
