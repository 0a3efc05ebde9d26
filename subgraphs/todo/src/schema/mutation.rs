//! Changes that people ask for.

use async_graphql::{Context, ID, MaybeUndefined, Object, Result, SimpleObject};
use platform::error::{Refused, UserError};
use platform::idempotency::Once;
use platform::identity::Identity;
use platform::task::{Requests, Task};
use uuid::Uuid;

use super::input::{
    CancelTodoTaskInput, CreateTodoInput, RetryTodoTaskInput, SetTodoStatusInput, UpdateTodoInput,
};
use super::object::Todo;
use super::query;
use super::task::TodoTask;
use crate::error::TodoError;
use crate::store::todo::TodoRow;
use crate::todo::{Change, Plan, Todos};

/// A todo as it stands after a mutation, or why nothing changed.
#[derive(Debug, SimpleObject)]
pub struct TodoPayload {
    /// The todo; null when refused.
    pub todo: Option<Todo>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl TodoPayload {
    fn tell(outcome: std::result::Result<TodoRow, TodoError>) -> Result<Self> {
        Ok(match outcome {
            Ok(row) => Self { todo: Some(Todo(row)), user_errors: Vec::new() },
            Err(error) => Self { todo: None, user_errors: vec![error.told()?] },
        })
    }
}

/// A task as it stands after a mutation, or why nothing changed.
#[derive(Debug, SimpleObject)]
pub struct TodoTaskPayload {
    /// The task; null when refused.
    pub task: Option<TodoTask>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl TodoTaskPayload {
    fn tell(outcome: std::result::Result<Task, Refused>) -> Result<Self> {
        Ok(match outcome {
            Ok(task) => Self { task: Some(TodoTask(task)), user_errors: Vec::new() },
            Err(refused) => Self { task: None, user_errors: refused.told()? },
        })
    }
}

/// Changes that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Makes a todo: for a meeting that one takes part in, or for oneself.
    /// User errors: INVALID_TITLE, INVALID_DESCRIPTION, MEETING_NOT_FOUND, INVALID_ASSIGNEE,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn create_todo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The todo.")] input: CreateTodoInput,
    ) -> Result<TodoPayload> {
        let (todos, viewer) = desk(ctx)?;
        let plan = Plan {
            title: input.title,
            description: input.description,
            meeting_id: input.meeting_id.map(String::from),
            assignee_id: input.assignee_id.map(String::from),
            due_at: input.due_at,
            priority: input.priority,
        };
        let key = input.idempotency_key.as_deref();
        TodoPayload::tell(
            Once::ask(viewer, "createTodo", key, |once| todos.create(once, plan)).await,
        )
    }

    /// Changes a todo that isn't finished; for everybody who may see it.
    /// User errors: TODO_NOT_FOUND, VERSION_CONFLICT, ILLEGAL_STATUS, INVALID_TITLE,
    /// INVALID_DESCRIPTION, INVALID_ASSIGNEE, INVALID_IDEMPOTENCY_KEY.
    async fn update_todo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateTodoInput,
    ) -> Result<TodoPayload> {
        let (todos, viewer) = desk(ctx)?;
        let change = Change {
            title: input.title,
            description: input.description,
            assignee_id: match input.assignee_id {
                MaybeUndefined::Value(id) => MaybeUndefined::Value(id.into()),
                MaybeUndefined::Null => MaybeUndefined::Null,
                MaybeUndefined::Undefined => MaybeUndefined::Undefined,
            },
            due_at: input.due_at,
            priority: input.priority,
        };
        let key = input.idempotency_key.as_deref();
        let update = |once| todos.update(once, &input.todo_id, input.version, change);
        TodoPayload::tell(Once::ask(viewer, "updateTodo", key, update).await)
    }

    /// Moves a todo on; for everybody who may see it. One that is there already is answered as it is.
    /// User errors: TODO_NOT_FOUND, VERSION_CONFLICT, ILLEGAL_STATUS.
    async fn set_todo_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which todo, and where to.")] input: SetTodoStatusInput,
    ) -> Result<TodoPayload> {
        let (todos, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let set = |once| todos.set_status(once, &input.todo_id, input.version, input.status);
        TodoPayload::tell(Once::ask(viewer, "setTodoStatus", key, set).await)
    }

    /// Puts a failed extraction back into the queue. User errors: TASK_NOT_FOUND,
    /// TASK_NOT_RETRYABLE.
    async fn retry_todo_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryTodoTaskInput,
    ) -> Result<TodoTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let key = input.idempotency_key.as_deref();
        let retry = |once| requests.retry(once, id);
        TodoTaskPayload::tell(Once::ask(viewer, "retryTodoTask", key, retry).await)
    }

    /// Calls an extraction off that isn't finished. User errors: TASK_NOT_FOUND, ILLEGAL_STATUS.
    async fn cancel_todo_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelTodoTaskInput,
    ) -> Result<TodoTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let key = input.idempotency_key.as_deref();
        let cancel = |once| requests.cancel(once, id);
        TodoTaskPayload::tell(Once::ask(viewer, "cancelTodoTask", key, cancel).await)
    }
}

/// The todos, and who wants something of them.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Todos, Uuid)> {
    Ok((ctx.data::<Todos>()?, Identity::from_ctx(ctx).viewer()?.id))
}

/// A task of a meeting that the viewer takes part in.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Ok(query::task(ctx, task).await?.map(|task| task.0.id))
}
