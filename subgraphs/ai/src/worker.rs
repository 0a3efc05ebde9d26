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
use platform::task::{Task, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use text::{By, Engine, EngineError, Extractive, Said};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::analysis::{self, FoundPart, PartRow};
use crate::store::insight::{self, NewInsight};
use crate::store::meeting;
use crate::{events, peer};

/// The queue of this service.
pub const QUEUE: &str = "ai";
/// GraphQL type of its tasks.
pub const TASK_TYPENAME: &str = "AiTask";
/// Heavy jobs at once in this process: none of them is.
pub const HEAVY_MAX: usize = 1;

/// How much of its longest run an analysis over several meetings may take until the built-in engine stands in for
/// the chosen one, in percent.
pub const ENGINE_SHARE_PERCENT: u32 = 80;
/// Progress when all meetings are analysed: completion alone says 100.
const ALMOST_PERCENT: u8 = 99;

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

/// What a task over several meetings is to read: the parts that stand in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Across {
    /// The analysis.
    pub analysis_id: Uuid,
    /// Its meetings, in the order in which they were named.
    pub meeting_ids: Vec<Uuid>,
}

impl Across {
    /// What a task is to read, if it is over several meetings.
    #[must_use]
    pub fn of(task: &Task) -> Option<Self> {
        Self::deserialize(&task.input).ok()
    }
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
        let said = self.said(job, &input, async || progress.report(20).await).await?;
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

    /// Analyses several meetings, one after the other. Each part is written down when it is found, so that
    /// another try goes on from there.
    async fn find_across(&self, job: &Job, progress: &Progress, id: Uuid) -> Result<(), WorkError> {
        let claim = &job.claim;
        // What is left after it is for the built-in engine, which is quick.
        let patience = Instant::now() + job.longest_run * ENGINE_SHARE_PERCENT / 100;
        let parts = analysis::parts(&self.kernel.pool, &[id]).await?;
        for (done, part) in (1..).zip(&parts) {
            if part.content.is_none() {
                self.find_part(job, part, patience).await?;
            }
            if !progress.report(overall(done, parts.len())).await {
                return Err(WorkError::Cancelled);
            }
        }
        let parts = analysis::parts(&self.kernel.pool, &[id]).await?;
        let mut tx = self.kernel.pool.begin().await?;
        if !self.tasks.complete(&mut tx, claim).await? {
            return Err(WorkError::Cancelled);
        }
        let row = analysis::complete(&mut tx, id).await?;
        self.kernel.outbox.append(&mut tx, events::found_across(&row, &parts)).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn find_part(
        &self,
        job: &Job,
        part: &PartRow,
        patience: Instant,
    ) -> Result<(), WorkError> {
        let input = Input {
            meeting_id: part.meeting_id,
            transcript_id: part.transcript_id,
            object_key: part.object_key.clone(),
        };
        let said = self.said(job, &input, async || true).await?;
        let by = match timeout_at(patience, self.engine.analyse(&said)).await {
            Ok(found) => found.map_err(WorkError::retry)?,
            Err(_) => {
                tracing::warn!(task = %job.claim.task.id, "no time left: the built-in engine stands in");
                let stood_in = Extractive.analyse(&said).await.map_err(WorkError::retry)?;
                By { instead_of: Some(self.engine.name()), ..stood_in }
            }
        };
        // Rather another try than an analysis that says there is nothing left to do.
        let todos = peer::open_todos(&self.kernel, part.meeting_id).await;
        let open_todos = todos.map_err(WorkError::retry)?;
        let mut tx = self.kernel.pool.begin().await?;
        if !self.tasks.holds(&mut tx, &job.claim).await? {
            return Err(WorkError::Cancelled);
        }
        let found = FoundPart {
            analysis_id: part.analysis_id,
            ordinal: part.ordinal,
            engine: by.engine,
            instead_of: by.instead_of,
            content: serde_json::to_value(by.found).map_err(WorkError::retry)?,
            open_todos: serde_json::to_value(open_todos).map_err(WorkError::retry)?,
        };
        analysis::find(&mut tx, found).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What was said in a meeting; `read` is called when the text is there, and says whether to go on.
    async fn said(
        &self,
        job: &Job,
        input: &Input,
        read: impl AsyncFnOnce() -> bool,
    ) -> Result<Said, WorkError> {
        let mut spoken = match Spoken::read(&self.kernel.objects, &input.object_key).await {
            Ok(spoken) => spoken,
            Err(SpokenError::Object(ObjectError::NotFound(_))) => {
                return Err(WorkError::fail(TEXT_MISSING, "The text can't be found any more."));
            }
            Err(error) => return Err(WorkError::retry(error)),
        };
        if !read().await {
            return Err(WorkError::Cancelled);
        }
        // Right after the text came nobody has named a speaker yet.
        if job.claim.task.requested_by.is_some() {
            self.name(job, &mut spoken).await?;
        }
        let held_at = meeting::ended_at(&self.kernel.pool, input.meeting_id).await?;
        let attendance = Attendance::for_job(&self.kernel, input.meeting_id, job.last).await;
        let attendance = attendance.map_err(WorkError::retry)?;
        Ok(spoken.said(held_at.unwrap_or_else(Utc::now), attendance))
    }

    /// Gives the speakers the labels that they have now; on its last try a job rather does without.
    async fn name(&self, job: &Job, spoken: &mut Spoken) -> Result<(), WorkError> {
        match peer::labels(&self.kernel, spoken.transcript_id).await {
            Ok(mut labels) => {
                for piece in &mut spoken.segments {
                    if let Some(label) = labels.remove(&piece.id) {
                        piece.speaker = label;
                    }
                }
            }
            Err(error) if job.last => {
                let error = platform::error::chain(&error);
                tracing::warn!(task = %job.claim.task.id, error, "done without the speakers' labels");
            }
            Err(error) => return Err(WorkError::retry(error)),
        }
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

/// Percent of the whole when so many of its meetings are done.
fn overall(done: usize, of: usize) -> u8 {
    let percent = done * usize::from(ALMOST_PERCENT) / of.max(1);
    u8::try_from(percent).unwrap_or(ALMOST_PERCENT).min(ALMOST_PERCENT)
}

impl Work for Worker {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        async move {
            match Across::of(&job.claim.task) {
                Some(across) => self.find_across(job, progress, across.analysis_id).await,
                None => self.find(job, progress).await,
            }
        }
        .boxed()
    }
}
