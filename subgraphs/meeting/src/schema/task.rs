//! Tasks: work that takes its time.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use platform::{
    access,
    error::Internal as _,
    identity::Identity,
    task::{Task, TaskById, TaskFields, TaskReads, TaskStatus},
};
use serde::Deserialize as _;

use super::{loader::Loaders, object::Meeting};
use crate::bulk::Input;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum TaskKind {
    /// Many meetings are created.
    BulkCreate,
}

/// What a bulk creation came to.
#[derive(SimpleObject)]
pub struct MeetingsCreated {
    /// The meetings that were created, in the order in which they were asked for, as they are now.
    /// One that the viewer doesn't take part in any more is left out.
    pub meetings: Vec<Meeting>,
}

/// A task that the asker may see.
#[derive(Debug, Clone)]
pub struct MeetingTask(pub(crate) Task);

/// Creates many meetings. Only who asked for it can read it.
#[Object]
impl MeetingTask {
    #[graphql(flatten)]
    async fn fields(&self) -> TaskFields<TaskKind> {
        TaskFields::new(&self.0, TaskKind::BulkCreate)
    }

    /// What it came to, once it is completed.
    async fn result(&self, ctx: &Context<'_>) -> Result<Option<MeetingsCreated>> {
        if self.0.status != TaskStatus::Completed {
            return Ok(None);
        }
        let input = Input::deserialize(&self.0.input).internal()?;
        let ids: Vec<_> = input.meetings.iter().map(|plan| plan.id).collect();
        let meetings = Loaders::readable_ones(ctx, &ids).await?;
        Ok(Some(MeetingsCreated { meetings: meetings.into_iter().map(Meeting).collect() }))
    }
}

/// A task by its id, if the asker may see it: who asked for it, or a service of ours.
///
/// # Errors
/// `UNAUTHENTICATED` without a log-in.
pub(super) async fn visible(ctx: &Context<'_>, id: &ID) -> Result<Option<MeetingTask>> {
    access::known(ctx)?;
    let Some(id) = access::id(id) else { return Ok(None) };
    let found = ctx.data::<TaskReads>()?.load_one(TaskById(id)).await.internal()?;
    let Some(task) = found else { return Ok(None) };
    let may = match Identity::from_ctx(ctx) {
        Identity::Viewer(viewer) => task.requested_by == Some(viewer.id),
        Identity::Service { .. } => true,
        Identity::Anonymous | Identity::Group { .. } => false,
    };
    Ok(may.then_some(MeetingTask(task)))
}
