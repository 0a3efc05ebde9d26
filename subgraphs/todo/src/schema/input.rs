//! Inputs.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, Utc};

use crate::domain::{priority::Priority, status::Status};
use crate::store::todo::Wanted;

/// What is needed to make a todo.
#[derive(Debug, InputObject)]
pub struct CreateTodoInput {
    /// What is to be done: 1 to 200 characters.
    pub title: String,
    /// The same at length.
    pub description: Option<String>,
    /// The meeting that it belongs to; left out: it is one's own.
    pub meeting_id: Option<ID>,
    /// Who is to do it: somebody who takes part in the meeting. One's own are for oneself.
    pub assignee_id: Option<ID>,
    /// By when.
    pub due_at: Option<DateTime<Utc>>,
    /// How pressing it is; NORMAL when left out.
    pub priority: Option<Priority>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is to change of a todo that isn't finished; what is left out stays.
#[derive(Debug, InputObject)]
pub struct UpdateTodoInput {
    /// Which todo.
    pub todo_id: ID,
    /// The version that the editor saw; refused when it isn't the latest.
    pub version: i32,
    /// New title.
    pub title: Option<String>,
    /// New description; an empty one removes it.
    pub description: Option<String>,
    /// Who is to do it; null: nobody in particular.
    pub assignee_id: MaybeUndefined<ID>,
    /// By when; null: at any time.
    pub due_at: MaybeUndefined<DateTime<Utc>>,
    /// How pressing it is.
    pub priority: Option<Priority>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which todo is to move on.
#[derive(Debug, InputObject)]
pub struct SetTodoStatusInput {
    /// Which todo.
    pub todo_id: ID,
    /// Where to: PROPOSED becomes OPEN, OPEN and IN_PROGRESS go to and fro and become DONE; each of
    /// them can be CANCELLED. What is DONE or CANCELLED stays so.
    pub status: Status,
    /// The version that the editor saw; refused when it isn't the latest. Left out: whatever it is.
    pub version: Option<i32>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which failed task to try again.
#[derive(Debug, InputObject)]
pub struct RetryTodoTaskInput {
    /// The task, which has failed.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which task to call off.
#[derive(Debug, InputObject)]
pub struct CancelTodoTaskInput {
    /// The task, which isn't finished.
    pub task_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which todos a list shows. Everything that is given must fit.
#[derive(Debug, Default, InputObject)]
pub struct TodoFilter {
    /// Where they stand: one of these.
    pub status: Option<Vec<Status>>,
    /// How pressing they are: one of these.
    pub priority: Option<Vec<Priority>>,
    /// Due before this moment; those without a day are none of them.
    pub due_before: Option<DateTime<Utc>>,
}

impl From<TodoFilter> for Wanted {
    fn from(filter: TodoFilter) -> Self {
        let TodoFilter { status, priority, due_before } = filter;
        Self { statuses: status, priorities: priority, due_before }
    }
}
