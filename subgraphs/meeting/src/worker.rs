//! The worker of the queue `meeting`: creates the meetings that were asked for together.

use std::collections::HashSet;

use futures::{FutureExt as _, future::BoxFuture};
use platform::queue::{Job, Progress, Work, WorkError};
use serde::Deserialize as _;
use uuid::Uuid;

use crate::{
    bulk::{Input, everybody},
    meeting::{Checked, Meetings},
    store,
};

/// The queue of this service.
pub const QUEUE: &str = "meeting";
/// Kind of its jobs.
pub const JOB: &str = "bulkCreation";
/// Kind of their tasks.
pub const TASK_KIND: &str = "BULK_CREATE";
/// GraphQL type of their tasks.
pub const TASK_TYPENAME: &str = "MeetingTask";
/// Heavy jobs at once in this process: none of them is.
pub const HEAVY_MAX: usize = 1;

/// Percent done once all meetings are there: only the completion is missing.
const ALL_THERE_PERCENT: usize = 99;

/// Creates meetings.
pub struct Creator(Meetings);

impl Creator {
    /// A worker for these meetings.
    #[must_use]
    pub fn new(meetings: Meetings) -> Self {
        Self(meetings)
    }

    /// Creates what isn't there yet, one meeting per transaction: that one is there says that it is
    /// done, whoever goes on with the task.
    async fn create(&self, job: &Job, progress: &Progress) -> Result<(), WorkError> {
        let meetings = &self.0;
        let input = Input::deserialize(&job.claim.task.input).map_err(WorkError::retry)?;
        let ids: Vec<Uuid> = input.meetings.iter().map(|plan| plan.id).collect();
        // Read under this claim: whoever had it before writes nothing any more.
        let there = store::meeting::by_ids(meetings.pool(), &ids).await?;
        // The task may have waited long, and some may have deleted their accounts meanwhile.
        let known = meetings.users_among(&everybody(&input.meetings)).await;
        let known = known.map_err(WorkError::retry)?;
        for (place, plan) in input.meetings.iter().enumerate() {
            if !there.contains_key(&plan.id) {
                self.create_one(job, input.host_id, plan, &known).await?;
            }
            let percent = (place + 1) * ALL_THERE_PERCENT / input.meetings.len();
            if !progress.report(u8::try_from(percent).unwrap_or_default()).await {
                return Err(WorkError::Cancelled);
            }
        }
        let mut tx = meetings.pool().begin().await?;
        if !meetings.tasks.complete(&mut tx, &job.claim).await? {
            return Err(WorkError::Cancelled);
        }
        tx.commit().await?;
        meetings.kernel.outbox.wake();
        Ok(())
    }

    async fn create_one(
        &self,
        job: &Job,
        host: Uuid,
        plan: &Checked,
        known: &HashSet<Uuid>,
    ) -> Result<(), WorkError> {
        let mut plan = plan.clone();
        plan.attendees.retain(|who| known.contains(who));
        let mut tx = self.0.pool().begin().await?;
        if !self.0.tasks.holds(&mut tx, &job.claim).await? {
            return Err(WorkError::Cancelled);
        }
        self.0.put(&mut tx, host, &plan).await?;
        self.0.commit(tx, plan.id).await?;
        Ok(())
    }
}

impl Work for Creator {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        self.create(job, progress).boxed()
    }
}
