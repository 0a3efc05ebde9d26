//! Lists of tasks.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Task, Tasks, found};
use crate::page::Page;
use crate::task::TaskStatus;

/// Which tasks a list shows. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct List<'a> {
    /// GraphQL type of the tasks.
    pub typename: &'a str,
    /// Whose tasks: those that this person asked for, and those of the groups that this service
    /// knows the person to belong to. `None`: everybody's (a service asks).
    pub viewer: Option<Uuid>,
    /// Of this group (their ordering key).
    pub group: Option<Uuid>,
    /// Of these kinds.
    pub kinds: Option<Vec<String>>,
    /// In one of these states.
    pub statuses: Option<Vec<TaskStatus>>,
}

impl Tasks {
    /// A page of a list, the newest first: up to [`Page::limit`] tasks, to be given to
    /// [`crate::page::Connection::new`].
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn list(&self, page: Page, list: &List<'_>) -> Result<Vec<Task>, sqlx::Error> {
        let statuses: Option<Vec<String>> = list
            .statuses
            .as_ref()
            .map(|statuses| statuses.iter().map(|status| status.as_str().to_owned()).collect());
        found!(
            "WHERE typename = $1
               AND ($2::uuid IS NULL OR id < $2)
               AND ($3::uuid IS NULL OR requested_by = $3
                    OR ordering_key IN (SELECT group_id FROM membership WHERE member_id = $3))
               AND ($4::uuid IS NULL OR ordering_key = $4)
               AND ($5::text[] IS NULL OR kind = ANY($5))
               AND ($6::text[] IS NULL OR status = ANY($6))
             ORDER BY id DESC
             LIMIT $7",
            list.typename,
            page.after,
            list.viewer,
            list.group,
            list.kinds.as_deref(),
            statuses.as_deref(),
            page.limit(),
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Tasks by ordering key, each key's oldest first; keys without tasks are missing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn of(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<Task>>, sqlx::Error> {
        let tasks = found!("WHERE ordering_key = ANY($1) ORDER BY created_at, id", keys)
            .fetch_all(&self.pool)
            .await?;
        let mut by_key: HashMap<Uuid, Vec<Task>> = HashMap::new();
        for task in tasks {
            by_key.entry(task.ordering_key).or_default().push(task);
        }
        Ok(by_key)
    }

    /// The unfinished tasks of this GraphQL type under an ordering key: of this kind, or of any.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn open_of(
        &self,
        tx: &mut PgConnection,
        key: Uuid,
        typename: &str,
        kind: Option<&str>,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar!(
            "SELECT id FROM tasks
             WHERE ordering_key = $1 AND typename = $2 AND status IN ('PENDING', 'PROCESSING')
               AND ($3::text IS NULL OR kind = $3)
             ORDER BY id",
            key,
            typename,
            kind,
        )
        .fetch_all(tx)
        .await
    }
}
