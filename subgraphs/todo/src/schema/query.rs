//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, InputObject, Object, Result};
use platform::access::{self, known, may_see};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::page::{Connection, Page};
use platform::task::{self, List, TaskStatus, Tasks};

use super::loader::{Reads, TodoById};
use super::object::{Meeting, Todo, User};
use super::task::TodoTask;
use crate::todo::is_own;
use crate::worker::TASK_TYPENAME;

/// Which tasks a list shows. Everything that is given must fit.
#[derive(Debug, Default, InputObject)]
pub struct TodoTaskFilter {
    /// In one of these states.
    pub status: Option<Vec<TaskStatus>>,
    /// Of this meeting.
    pub meeting_id: Option<ID>,
}

/// Questions that can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

#[Object]
impl Query {
    /// A todo by its id; null when there is none or it isn't the viewer's to see.
    async fn todo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the todo.")] id: ID,
    ) -> Result<Option<Todo>> {
        visible(ctx, &id).await
    }

    /// A task by its id; null when there is none or its meeting isn't the viewer's.
    async fn todo_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Result<Option<TodoTask>> {
        task(ctx, &id).await
    }

    /// The tasks of one meeting, the newest first. Nobody asks for them (a meeting's end does), so without a
    /// meeting there are none.
    async fn todo_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100 (20 when it isn't given).")] first: Option<i32>,
        #[graphql(desc = "The cursor of the task after which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<TodoTaskFilter>,
    ) -> Result<Connection<TodoTask>> {
        let page = Page::new(first, after.as_deref())?;
        let TodoTaskFilter { status, meeting_id } = filter.unwrap_or_default();
        let list = List { typename: TASK_TYPENAME, statuses: status, ..List::default() };
        let tasks = ctx.data::<Tasks>()?.listed(ctx, page, list, meeting_id.as_ref()).await?;
        let tasks = tasks.into_iter().map(TodoTask).collect();
        Ok(Connection::new(page, tasks, |task: &TodoTask| task.0.id))
    }

    #[graphql(entity)]
    async fn find_todo(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Todo>> {
        visible(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_meeting(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Meeting>> {
        known(ctx)?;
        let Some(meeting) = access::id(&id) else { return Ok(None) };
        Ok(may_see(ctx, meeting).await?.then_some(Meeting(meeting)))
    }

    #[graphql(entity)]
    async fn find_user(&self, ctx: &Context<'_>, id: ID) -> Result<Option<User>> {
        known(ctx)?;
        Ok(access::id(&id).map(User))
    }

    #[graphql(entity)]
    async fn find_todo_task(&self, ctx: &Context<'_>, id: ID) -> Result<Option<TodoTask>> {
        task(ctx, &id).await
    }
}

/// A todo that the asker may see: of a meeting that they take part in, or their own.
async fn visible(ctx: &Context<'_>, id: &ID) -> Result<Option<Todo>> {
    known(ctx)?;
    let Some(id) = access::id(id) else { return Ok(None) };
    let found = ctx.data::<Reads>()?.load_one(TodoById(id)).await.internal()?;
    let Some(row) = found else { return Ok(None) };
    let visible = match (row.meeting_id, Identity::from_ctx(ctx)) {
        (Some(meeting), _) => may_see(ctx, meeting).await?,
        (None, Identity::Viewer(viewer)) => is_own(&row, viewer.id),
        (None, identity) => matches!(identity, Identity::Service { .. }),
    };
    Ok(visible.then_some(Todo(row)))
}

/// A task that the asker may see.
pub(super) async fn task(ctx: &Context<'_>, id: &ID) -> Result<Option<TodoTask>> {
    Ok(task::visible(ctx, id).await?.map(TodoTask))
}
