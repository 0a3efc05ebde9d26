//! Types.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::page::{Connection, Page};
use platform::task::{TaskReads, TasksOf};
use uuid::Uuid;

use super::input::TodoFilter;
use super::loader::{NewestOf, Reads, StatisticsOf, TodosOfMeeting};
use super::task::TodoTask;
use crate::domain::{priority::Priority, status::Status};
use crate::store::todo::{self, Statistics, TodoRow, Wanted};
use crate::todo::Todos;

/// A todo that the asker may see.
#[derive(Debug, Clone)]
pub struct Todo(pub TodoRow);

/// Something that somebody is to do.
#[Object]
impl Todo {
    /// Id of the todo.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The meeting that it belongs to; null when it is somebody's own.
    async fn meeting(&self) -> Option<Meeting> {
        self.0.meeting_id.map(Meeting)
    }

    /// What is to be done.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The same at length.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Where it stands.
    async fn status(&self) -> Status {
        self.0.status
    }

    /// Who is to do it; null: nobody in particular.
    async fn assignee(&self) -> Option<User> {
        self.0.assignee_id.map(User)
    }

    /// Who made it; null when it was found in a meeting's text.
    async fn created_by(&self) -> Option<User> {
        self.0.created_by.map(User)
    }

    /// By when.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// How pressing it is.
    async fn priority(&self) -> Priority {
        self.0.priority
    }

    /// What was said that it comes from.
    async fn evidence(&self) -> Vec<Segment> {
        self.0.evidence.iter().map(|id| Segment { id: (*id).into() }).collect()
    }

    /// Rises with every change; give it to `updateTodo` so that nobody's change gets lost.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// A piece of speech, as the recogniser cut it.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Segment {
    /// Id of the segment.
    pub id: ID,
}

/// A meeting that the asker takes part in.
#[derive(Debug, Clone, Copy)]
pub struct Meeting(pub Uuid);

/// A gathering of people.
#[Object]
impl Meeting {
    /// Id of the meeting.
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// What is to be done after it, in the order in which it came up.
    async fn todos(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many todos, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the todo after which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<TodoFilter>,
    ) -> Result<Connection<Todo>> {
        let page = Page::new(first, after.as_deref())?;
        let (after, limit) = (page.after, page.limit());
        let wanted = Arc::new(Wanted::from(filter.unwrap_or_default()));
        let key = TodosOfMeeting { meeting: self.0, wanted, after, limit };
        let rows = ctx.data::<Reads>()?.load_one(key).await.internal()?.unwrap_or_default();
        let todos = rows.into_iter().map(Todo).collect();
        Ok(Connection::new(page, todos, |todo: &Todo| todo.0.id))
    }

    /// The tasks that find todos in its text, the newest first.
    async fn todo_tasks(&self, ctx: &Context<'_>) -> Result<Vec<TodoTask>> {
        let tasks = ctx.data::<TaskReads>()?.load_one(TasksOf(self.0)).await.internal()?;
        Ok(tasks.unwrap_or_default().into_iter().map(TodoTask).collect())
    }
}

/// A person with an account.
#[derive(Debug, Clone, Copy)]
pub struct User(pub Uuid);

/// A person with an account.
#[Object]
impl User {
    /// The person's id.
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// What the person is to do, the newest first; null unless it is oneself.
    async fn todos(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many todos, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the todo after which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<TodoFilter>,
    ) -> Result<Option<Connection<Todo>>> {
        match Identity::from_ctx(ctx) {
            Identity::Viewer(viewer) if viewer.id == self.0 => {}
            _ => return Ok(None),
        }
        let page = Page::new(first, after.as_deref())?;
        let wanted = Wanted::from(filter.unwrap_or_default());
        // What is looked at most is cached; further pages and choices aren't.
        let rows = if page.after.is_none() && wanted == Wanted::default() {
            ctx.data::<Reads>()?.load_one(NewestOf(self.0)).await.internal()?
        } else {
            let pool = ctx.data::<Todos>()?.pool();
            let rows = todo::of_assignee(pool, self.0, &wanted, page.after, page.limit()).await;
            Some(rows.internal()?)
        };
        let todos = rows.unwrap_or_default().into_iter().take(page.first + 1).map(Todo).collect();
        Ok(Some(Connection::new(page, todos, |todo: &Todo| todo.0.id)))
    }

    /// How many todos the person has, by where they stand; null unless it is oneself.
    async fn todo_statistics(&self, ctx: &Context<'_>) -> Result<Option<TodoStatistics>> {
        match Identity::from_ctx(ctx) {
            Identity::Viewer(viewer) if viewer.id == self.0 => {}
            _ => return Ok(None),
        }
        let found = ctx.data::<Reads>()?.load_one(StatisticsOf(self.0)).await.internal()?;
        Ok(found.map(TodoStatistics))
    }
}

/// How many todos somebody has.
#[derive(Debug, Clone, Copy)]
pub struct TodoStatistics(Statistics);

/// How many todos somebody has, by where they stand.
#[Object]
impl TodoStatistics {
    /// Found in a meeting's text, and not agreed to yet.
    async fn proposed(&self) -> i64 {
        self.0.proposed
    }

    /// To be done.
    async fn open(&self) -> i64 {
        self.0.open
    }

    /// Being done.
    async fn in_progress(&self) -> i64 {
        self.0.in_progress
    }

    /// Done.
    async fn done(&self) -> i64 {
        self.0.done
    }

    /// Not wanted any more.
    async fn cancelled(&self) -> i64 {
        self.0.cancelled
    }

    /// All that count: open, in progress or done.
    async fn total(&self) -> i64 {
        self.0.open + self.0.in_progress + self.0.done
    }
}
