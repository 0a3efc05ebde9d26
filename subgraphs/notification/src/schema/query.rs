//! Entities by their keys. What isn't the asker's is null, as what isn't there.

use async_graphql::{Context, ID, Object, Result};
use platform::access::{self, known};
use platform::error::Internal as _;
use platform::identity::Identity;
use sqlx::PgPool;

use super::announcement::Announcement;
use super::loader::{NotificationById, Reads};
use super::object::{Notification, User};
use crate::store::announcement;

/// Questions that can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

#[Object]
impl Query {
    /// A notification of one's own by its id; null for any other.
    async fn notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the notification.")] id: ID,
    ) -> Result<Option<Notification>> {
        own(ctx, &id).await
    }

    /// Something that one announced, and how far the telling is; null for anything else.
    async fn announcement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the announcement.")] id: ID,
    ) -> Result<Option<Announcement>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let Some(id) = access::id(&id) else { return Ok(None) };
        let found = announcement::by_id(ctx.data::<PgPool>()?, id).await.internal()?;
        Ok(found.filter(|row| row.author_id == viewer).map(Announcement))
    }

    #[graphql(entity)]
    async fn find_notification(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Notification>> {
        own(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_user(&self, ctx: &Context<'_>, id: ID) -> Result<Option<User>> {
        known(ctx)?;
        Ok(access::id(&id).map(User))
    }
}

/// A notification, if it is the asker's.
async fn own(ctx: &Context<'_>, id: &ID) -> Result<Option<Notification>> {
    known(ctx)?;
    let Some(id) = access::id(id) else { return Ok(None) };
    let found = ctx.data::<Reads>()?.load_one(NotificationById(id)).await.internal()?;
    let is_own = |user| match Identity::from_ctx(ctx) {
        Identity::Viewer(viewer) => viewer.id == user,
        Identity::Service { .. } => true,
        Identity::Group { .. } | Identity::Anonymous => false,
    };
    Ok(found.filter(|row| is_own(row.user_id)).map(Notification))
}
