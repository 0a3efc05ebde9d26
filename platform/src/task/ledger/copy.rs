//! The latest state of tasks in Redis, under `task:<id>`, for a day. The truth is in the database:
//! each change drops the copy before it is told, and the next reader puts the new one there.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Task, Tasks, found};
use crate::cache::{Cache, Kind};

/// First part of the keys.
const NAME: &str = "task";

/// Key of a copy, without the installation's prefix.
pub(crate) fn key(id: Uuid) -> String {
    format!("{NAME}:{id}")
}

pub(super) fn kind(cache: &Cache) -> Kind<Task> {
    cache.kind(NAME).versioned(|task: &Task| task.version.unsigned_abs())
}

impl Tasks {
    /// Tasks by id, from the cache if there is one ([`Tasks::cached`]) and it has them; those that
    /// don't exist are missing in the answer. An empty or absent Redis changes no answer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn get(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>, sqlx::Error> {
        self.get_at_least(ids, |_| 0).await
    }

    /// The same for who knows of a change: a cached task older than `minimum` says of its id is a miss.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn get_at_least(
        &self,
        ids: &[Uuid],
        minimum: impl Fn(&Uuid) -> u64,
    ) -> Result<HashMap<Uuid, Task>, sqlx::Error> {
        match &self.copies {
            Some(copies) => {
                let load = async |missing: Vec<Uuid>| self.fresh(&missing).await;
                copies.get_many_at_least(ids, minimum, load).await
            }
            None => self.fresh(ids).await,
        }
    }

    /// Tasks by id as the database has them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fresh(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>, sqlx::Error> {
        let tasks = found!("WHERE id = ANY($1)", ids).fetch_all(&self.pool).await?;
        Ok(tasks.into_iter().map(|task| (task.id, task)).collect())
    }
}
