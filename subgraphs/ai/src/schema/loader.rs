//! What resolvers read, gathered: one statement per kind of key and request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use platform::cache::AtLeast;
use platform::task::{Task, Tasks};
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::insight::{self, InsightRow};
use crate::worker::TASK_TYPENAME;

/// What was found, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsightById(pub Uuid);
/// What was found in a meeting's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsightOf {
    /// The meeting.
    pub meeting: Uuid,
    /// What it is.
    pub kind: Kind,
}
/// A task by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskById(pub Uuid);
/// A meeting's tasks, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TasksOfMeeting(pub Uuid);

/// Where resolvers read from.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: PgPool,
    tasks: Tasks,
    at_least: AtLeast,
}

/// The loader of one request.
pub type Reads = DataLoader<Reader, HashMapCache>;

type Failure = Arc<sqlx::Error>;

impl Reader {
    /// A reader over the service's own database.
    #[must_use]
    pub fn new(pool: PgPool, tasks: Tasks) -> Self {
        Self { pool, tasks, at_least: AtLeast::default() }
    }

    /// A loader that lives as long as one request, which wants to see at least these versions.
    #[must_use]
    pub fn for_request(&self, at_least: AtLeast) -> Reads {
        let reader = Self { at_least, ..self.clone() };
        DataLoader::with_cache(reader, tokio::spawn, HashMapCache::default())
    }
}

impl Loader<InsightById> for Reader {
    type Value = InsightRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[InsightById],
    ) -> Result<HashMap<InsightById, InsightRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = insight::by_ids(&self.pool, &ids).await?;
        Ok(rows.into_iter().map(|row| (InsightById(row.id), row)).collect())
    }
}

impl Loader<InsightOf> for Reader {
    type Value = InsightRow;
    type Error = Failure;

    async fn load(&self, keys: &[InsightOf]) -> Result<HashMap<InsightOf, InsightRow>, Failure> {
        let mut meetings: Vec<Uuid> = keys.iter().map(|key| key.meeting).collect();
        meetings.sort_unstable();
        meetings.dedup();
        let rows = insight::of_meetings(&self.pool, &meetings).await?;
        let key = |row: &InsightRow| InsightOf { meeting: row.meeting_id, kind: row.kind };
        Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
    }
}

impl Loader<TaskById> for Reader {
    type Value = Task;
    type Error = Failure;

    async fn load(&self, keys: &[TaskById]) -> Result<HashMap<TaskById, Task>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let minimum = |id: &Uuid| self.at_least.version(TASK_TYPENAME, id);
        let tasks = self.tasks.get_at_least(&ids, minimum).await?;
        let ours = tasks.into_iter().filter(|(_, task)| task.typename == TASK_TYPENAME);
        Ok(ours.map(|(id, task)| (TaskById(id), task)).collect())
    }
}

impl Loader<TasksOfMeeting> for Reader {
    type Value = Vec<Task>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[TasksOfMeeting],
    ) -> Result<HashMap<TasksOfMeeting, Vec<Task>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let newest_first = |(meeting, mut tasks): (Uuid, Vec<Task>)| {
            tasks.retain(|task| task.typename == TASK_TYPENAME);
            tasks.reverse();
            (TasksOfMeeting(meeting), tasks)
        };
        Ok(self.tasks.of(&ids).await?.into_iter().map(newest_first).collect())
    }
}
