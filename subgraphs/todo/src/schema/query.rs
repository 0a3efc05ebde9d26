//! Questions, and entities by their keys. What the asker may not see is null, as what isn't there.

use async_graphql::{Context, ID, Object, Result};
use platform::access::{self, known, may_see};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::task;

use super::loader::{Reads, TodoById};
use super::object::{Meeting, Todo, User};
use super::task::TodoTask;
use crate::todo::is_own;

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
