//! Who may see what belongs to a group: every path to a group's data goes through [`may_see`].

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use crate::error::{ApiError, Internal as _};
use crate::identity::Identity;
use crate::membership::{Belongs, Members};

/// Whether the asker may see what belongs to this group: its members, and services. The request's
/// data must hold [`Members`].
///
/// # Errors
/// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
pub async fn may_see(ctx: &Context<'_>, group: Uuid) -> Result<bool> {
    match Identity::from_ctx(ctx) {
        Identity::Anonymous => Err(ApiError::unauthenticated().into_graphql()),
        Identity::Service { .. } => Ok(true),
        Identity::Viewer(viewer) => belongs(ctx, group, viewer.id).await,
    }
}

/// Whether somebody belongs to a group.
///
/// # Errors
/// Inner ones, masked.
pub async fn belongs(ctx: &Context<'_>, group: Uuid, member: Uuid) -> Result<bool> {
    let key = Belongs { group, member };
    let answer = ctx.data::<Members>()?.load_one(key).await.internal()?;
    Ok(answer.unwrap_or(false))
}

/// Refuses those who have not logged in, before anything is looked up for them.
///
/// # Errors
/// `UNAUTHENTICATED`.
pub fn known(ctx: &Context<'_>) -> Result<()> {
    match Identity::from_ctx(ctx) {
        Identity::Anonymous => Err(ApiError::unauthenticated().into_graphql()),
        Identity::Service { .. } | Identity::Viewer(_) => Ok(()),
    }
}

/// An id of ours; `None` for anything else, which then isn't found.
#[must_use]
pub fn id(id: &ID) -> Option<Uuid> {
    Uuid::parse_str(id).ok()
}
