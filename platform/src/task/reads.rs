//! Tasks as resolvers read them, gathered: one look into the cache, or one statement, per kind of key and
//! request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Request;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use uuid::Uuid;

use super::{Task, Tasks};
use crate::cache::AtLeast;

/// A task by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskById(pub Uuid);
/// The tasks under an ordering key (a group's), the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TasksOf(pub Uuid);

/// Reads the tasks of one GraphQL type.
#[derive(Debug, Clone)]
pub struct TaskReader {
    tasks: Tasks,
    typename: &'static str,
    at_least: AtLeast,
}

/// The loader of one request.
pub type TaskReads = DataLoader<TaskReader, HashMapCache>;

type Failure = Arc<sqlx::Error>;

impl Tasks {
    /// A loader of the tasks of this GraphQL type, for one request, which may know of their versions.
    #[must_use]
    pub fn reads(&self, typename: &'static str, request: &Request) -> TaskReads {
        let reader = TaskReader { tasks: self.clone(), typename, at_least: AtLeast::of(request) };
        DataLoader::with_cache(reader, tokio::spawn, HashMapCache::default())
    }
}

impl Loader<TaskById> for TaskReader {
    type Value = Task;
    type Error = Failure;

    async fn load(&self, keys: &[TaskById]) -> Result<HashMap<TaskById, Task>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let minimum = |id: &Uuid| self.at_least.version(self.typename, id);
        let tasks = self.tasks.get_at_least(&ids, minimum).await?;
        let ours = tasks.into_iter().filter(|(_, task)| task.typename == self.typename);
        Ok(ours.map(|(id, task)| (TaskById(id), task)).collect())
    }
}

impl Loader<TasksOf> for TaskReader {
    type Value = Vec<Task>;
    type Error = Failure;

    async fn load(&self, keys: &[TasksOf]) -> Result<HashMap<TasksOf, Vec<Task>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let newest_first = |(key, mut tasks): (Uuid, Vec<Task>)| {
            tasks.retain(|task| task.typename == self.typename);
            tasks.reverse();
            (TasksOf(key), tasks)
        };
        Ok(self.tasks.of(&ids).await?.into_iter().map(newest_first).collect())
    }
}
