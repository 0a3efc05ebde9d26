//! Reading meetings.

use async_graphql::{Context, ID, Object, Result};
use platform::{
    access::known,
    error::Internal as _,
    identity::Identity,
    page::{Connection, Page},
    search::typed,
    task::List,
};
use uuid::Uuid;

use super::{
    input::{MeetingFilter, MeetingTaskFilter},
    loader::Loaders,
    object::{Meeting, MeetingTemplate},
    task::{self, MeetingTask},
};
use crate::{
    domain::{plan::DEFAULT_LANGUAGE, template},
    meeting::Meetings,
    store::participant::{self, Wanted},
    worker::TASK_TYPENAME,
};

/// Queries of the meeting subgraph.
pub struct Query;

/// Queries.
#[Object]
impl Query {
    /// A meeting that one takes part in; null for any other.
    async fn meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The meeting's id.")] id: ID,
    ) -> Result<Option<Meeting>> {
        Ok(Loaders::readable(ctx, &id).await?.map(Meeting))
    }

    /// The meetings that one takes part in, newest first.
    async fn meetings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Most meetings on the page: 20 unless given, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Cursor after which the page begins.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when left out.")] filter: Option<MeetingFilter>,
    ) -> Result<Connection<Meeting>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let page = Page::new(first, after.as_deref())?;
        let pool = ctx.data::<Meetings>()?.pool();
        let filter = filter.unwrap_or_default();
        let wanted = Wanted {
            statuses: filter.status,
            role: filter.role,
            scheduled_from: filter.scheduled_from,
            scheduled_before: filter.scheduled_before,
            title: typed(filter.search.as_deref())?,
        };
        let ids = participant::meetings_of(pool, viewer, &wanted, page.after, page.limit()).await;
        let meetings = Loaders::meetings(ctx, &ids.internal()?).await?;
        let meetings = meetings.into_iter().map(Meeting).collect();
        Ok(Connection::new(page, meetings, |meeting: &Meeting| meeting.0.id))
    }

    /// A task by its id; null when there is none, or somebody else asked for it.
    async fn meeting_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Result<Option<MeetingTask>> {
        task::visible(ctx, &id).await
    }

    /// The tasks that the viewer asked for, the newest first.
    async fn meeting_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Most tasks on the page: 20 unless given, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Cursor after which the page begins.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when left out.")] filter: Option<MeetingTaskFilter>,
    ) -> Result<Connection<MeetingTask>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let page = Page::new(first, after.as_deref())?;
        let statuses = filter.unwrap_or_default().status;
        let list =
            List { typename: TASK_TYPENAME, viewer: Some(viewer), statuses, ..List::default() };
        let tasks = ctx.data::<Meetings>()?.tasks.list(page, &list).await.internal()?;
        let tasks = tasks.into_iter().map(MeetingTask).collect();
        Ok(Connection::new(page, tasks, |task: &MeetingTask| task.0.id))
    }

    /// The templates that a meeting of one's own can follow: the built-in ones, then one's own, at most
    /// 50, the oldest first.
    async fn meeting_templates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Language of the built-in ones, `ko` unless given.")] language: Option<
            String,
        >,
    ) -> Result<Vec<MeetingTemplate>> {
        known(ctx)?;
        let language = language.unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned());
        let in_language = |template| MeetingTemplate::BuiltIn(template, language.clone());
        let mut templates: Vec<_> = template::BUILT_IN.iter().map(in_language).collect();
        if let Identity::Viewer(viewer) = Identity::from_ctx(ctx) {
            let own = Loaders::templates(ctx, viewer.id).await?;
            templates.extend(own.into_iter().map(MeetingTemplate::Own));
        }
        Ok(templates)
    }

    /// Does a user take part in a meeting? For other services only.
    #[graphql(inaccessible)]
    async fn participates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting.")] meeting_id: ID,
        #[graphql(desc = "Which user.")] user_id: ID,
    ) -> Result<bool> {
        Identity::from_ctx(ctx).service()?;
        match (Uuid::parse_str(&meeting_id), Uuid::parse_str(&user_id)) {
            (Ok(meeting_id), Ok(user_id)) => Loaders::participates(ctx, meeting_id, user_id).await,
            _ => Ok(false),
        }
    }

    #[graphql(entity)]
    async fn find_meeting_task_by_id(
        &self,
        ctx: &Context<'_>,
        #[graphql(key)] id: ID,
    ) -> Result<Option<MeetingTask>> {
        task::visible(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_meeting_by_id(
        &self,
        ctx: &Context<'_>,
        #[graphql(key)] id: ID,
    ) -> Result<Option<Meeting>> {
        Ok(Loaders::readable(ctx, &id).await?.map(Meeting))
    }
}
