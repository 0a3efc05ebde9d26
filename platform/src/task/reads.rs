//! Tasks as resolvers read them, gathered: one look into the cache, or one statement, per kind of key and
//! request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::{Context, ID, Request};
use uuid::Uuid;

use super::{List, Task, Tasks};
use crate::access;
use crate::cache::AtLeast;
use crate::error::Internal as _;
use crate::identity::Identity;
use crate::page::Page;

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

/// A task that the asker may see, since they may see its group (its ordering key). The request's data must hold
/// [`TaskReads`].
///
/// # Errors
/// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
pub async fn visible(ctx: &Context<'_>, task: &ID) -> async_graphql::Result<Option<Task>> {
    access::known(ctx)?;
    let Some(task) = access::id(task) else { return Ok(None) };
    let found = ctx.data::<TaskReads>()?.load_one(TaskById(task)).await.internal()?;
    let Some(task) = found else { return Ok(None) };
    Ok(access::may_see(ctx, task.ordering_key).await?.then_some(task))
}

impl Tasks {
    /// A page of a list, the newest first: of a group's tasks, for who may see the group; else of those that the
    /// viewer asked for or sees. All is right for a service.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
    pub async fn listed(
        &self,
        ctx: &Context<'_>,
        page: Page,
        mut list: List<'_>,
        group: Option<&ID>,
    ) -> async_graphql::Result<Vec<Task>> {
        access::known(ctx)?;
        match (group, Identity::from_ctx(ctx)) {
            (Some(group), _) => {
                let Some(group) = access::id(group) else { return Ok(Vec::new()) };
                if !access::may_see(ctx, group).await? {
                    return Ok(Vec::new());
                }
                list.group = Some(group);
            }
            (None, Identity::Viewer(viewer)) => list.viewer = Some(viewer.id),
            (None, Identity::Group { id }) => list.group = Some(*id),
            (None, Identity::Service { .. } | Identity::Anonymous) => {}
        }
        self.list(page, &list).await.internal()
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
