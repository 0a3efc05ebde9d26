//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use platform::error::Internal as _;
use platform::task::{TaskFields, TaskStatus};
use text::{Engine as _, Extractive};

use super::loader::{ExtractionOfTask, Reads, TodosOfTask};
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
    /// The engine that found them: `builtin`, or the one that the operator chose.
    pub engine: String,
    /// The engine that the operator chose, when it gave nothing that can be used and the built-in one
    /// stood in; null otherwise.
    pub instead_of: Option<String>,
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
        let reads = ctx.data::<Reads>()?;
        let rows = reads.load_one(TodosOfTask(self.0.id)).await.internal()?;
        let todos = rows.unwrap_or_default().into_iter().map(Todo).collect();
        let found = reads.load_one(ExtractionOfTask(self.0.id)).await.internal()?;
        // Without a row it is of the time when there was only the built-in engine.
        let (engine, instead_of) = match found {
            Some(found) => (found.engine, found.instead_of),
            None => (Extractive.name().to_owned(), None),
        };
        Ok(Some(TodoExtraction { todos, engine, instead_of }))
    }
}
