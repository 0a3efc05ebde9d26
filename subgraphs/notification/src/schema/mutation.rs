//! Changes that people ask for.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use platform::access;
use platform::error::{ApiError, Internal as _, UserError};
use platform::identity::Identity;
use sqlx::PgPool;
use uuid::Uuid;

use super::object::User;
use crate::store::notification;

/// Most notifications that are named in one request.
pub const IDS_MAX: usize = 100;

/// Which notifications were read.
#[derive(Debug, InputObject)]
pub struct MarkNotificationsReadInput {
    /// At most 100 of one's own; left out: all of them. What isn't one's own is passed over.
    pub notification_ids: Option<Vec<ID>>,
}

/// What marking came to.
#[derive(Debug, SimpleObject)]
pub struct MarkNotificationsReadPayload {
    /// The person whose inbox it is, with the inbox as it is now.
    pub me: User,
    /// How many of them had been unread.
    pub marked_count: i32,
    /// What to mend; empty, since nothing can be refused.
    pub user_errors: Vec<UserError>,
}

/// Changes that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Notes that notifications were read; those that were read before stay as they are.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] input: MarkNotificationsReadInput,
    ) -> Result<MarkNotificationsReadPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let ids = input.notification_ids.as_deref();
        if ids.is_some_and(|ids| ids.len() > IDS_MAX) {
            let message = format!("at most {IDS_MAX} ids at once");
            return Err(ApiError::bad_input(message).into_graphql());
        }
        let ids: Option<Vec<Uuid>> = ids.map(|ids| ids.iter().filter_map(access::id).collect());
        let pool = ctx.data::<PgPool>()?;
        let marked = notification::mark_read(pool, viewer, ids.as_deref()).await.internal()?;
        Ok(MarkNotificationsReadPayload {
            me: User(viewer),
            marked_count: i32::try_from(marked).unwrap_or(i32::MAX),
            user_errors: Vec::new(),
        })
    }
}
