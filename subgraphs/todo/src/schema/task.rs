//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};

use super::loader::{Reads, TodosOfTask};
use super::object::Todo;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskKind {
    /// Todos are found in what was said.
    Extraction,
}

/// What an extraction came to.
#[derive(Debug, Clone, SimpleObject)]
pub struct TodoExtraction {
    /// The todos that were found, in the order of the text; as they are now.
    pub todos: Vec<Todo>,
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct TodoTask(pub platform::task::Task);

/// Finds todos in what was said in a meeting.
#[Object]
impl TodoTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, TaskKind::Extraction)
    }

    /// The meeting that it belongs to.
    async fn meeting_id(&self) -> ID {
        self.0.ordering_key.into()
    }

    /// What it came to, once it is completed.
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<TodoExtraction>> {
        if self.0.status != TaskStatus::Completed {
            return Ok(None);
        }
        let rows = ctx.data::<Reads>()?.load_one(TodosOfTask(self.0.id)).await.internal()?;
        let todos = rows.unwrap_or_default().into_iter().map(Todo).collect();
        Ok(Some(TodoExtraction { todos }))
    }
}
