//! The worker of the queue `ai`: asks the engine, and writes down what it finds.

use std::sync::Arc;

use chrono::Utc;
use contract::attendance::Attendance;
use contract::spoken::{Spoken, SpokenError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::kernel::Kernel;
use platform::object::ObjectError;
use platform::queue::{Job, Progress, Work, WorkError};
use platform::task::Tasks;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use text::{By, Engine, EngineError, Said};
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::events;
use crate::store::insight::{self, NewInsight};
use crate::store::meeting;

/// The queue of this service.
pub const QUEUE: &str = "ai";
/// GraphQL type of its tasks.
pub const TASK_TYPENAME: &str = "AiTask";
/// Heavy jobs at once in this process: none of them is.
pub const HEAVY_MAX: usize = 1;

/// Code of a task whose text isn't there any more.
const TEXT_MISSING: &str = "TEXT_MISSING";

/// What a task is to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The meeting.
    pub meeting_id: Uuid,
    /// Its text.
    pub transcript_id: Uuid,
    /// The text's key in object storage.
    pub object_key: String,
}

/// Does the queue's jobs.
pub struct Worker {
    /// Its database, its outbox, where texts are, and the ways to other services.
    pub kernel: Kernel,
    /// The service's tasks.
    pub tasks: Tasks,
    /// What finds something in a text.
    pub engine: Arc<dyn Engine>,
}

impl Worker {
    async fn find(&self, job: &Job, progress: &Progress) -> Result<(), WorkError> {
        let claim = &job.claim;
        let kind = Kind::of(&claim.task.kind);
        let input = Input::deserialize(&claim.task.input).map_err(WorkError::retry)?;
        let spoken = match Spoken::read(&self.kernel.objects, &input.object_key).await {
            Ok(spoken) => spoken,
            Err(SpokenError::Object(ObjectError::NotFound(_))) => {
                return Err(WorkError::fail(TEXT_MISSING, "The text can't be found any more."));
            }
            Err(error) => return Err(WorkError::retry(error)),
        };
        if !progress.report(20).await {
            return Err(WorkError::Cancelled);
        }
        let held_at = meeting::ended_at(&self.kernel.pool, input.meeting_id).await?;
        let attendance = Attendance::for_job(&self.kernel, input.meeting_id, job.last).await;
        let attendance = attendance.map_err(WorkError::retry)?;
        let said = spoken.said(held_at.unwrap_or_else(Utc::now), attendance);
        let by = self.ask(kind, &said).await?;
        let mut tx = self.kernel.pool.begin().await?;
        if !self.tasks.complete(&mut tx, claim).await? {
            return Err(WorkError::Cancelled);
        }
        let new = NewInsight {
            meeting_id: input.meeting_id,
            kind,
            transcript_id: input.transcript_id,
            task_id: claim.task.id,
            engine: by.engine,
            instead_of: by.instead_of,
            content: by.found,
        };
        let row = insight::put(&mut tx, new).await?;
        self.kernel.outbox.append(&mut tx, events::found(&row)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What is found, as JSON.
    async fn ask(&self, kind: Kind, said: &Said) -> Result<By<Value>, WorkError> {
        fn json<T: Serialize>(found: Result<By<T>, EngineError>) -> Result<By<Value>, WorkError> {
            let By { found, engine, instead_of } = found.map_err(WorkError::retry)?;
            let found = serde_json::to_value(found).map_err(WorkError::retry)?;
            Ok(By { found, engine, instead_of })
        }
        match kind {
            Kind::Summary => json(self.engine.summarise(said).await),
            Kind::Schedule => json(self.engine.schedule(said).await),
            Kind::Analysis => json(self.engine.analyse(said).await),
        }
    }
}

impl Work for Worker {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        self.find(job, progress).boxed()
    }
}
