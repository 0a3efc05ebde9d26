//! Who may see what belongs to a group: every path to a group's data goes through [`may_see`].

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use crate::error::{ApiError, Internal as _};
use crate::identity::Identity;
use crate::membership::{Belongs, Members};

pub use self::mark::viewer_independent;

#[expect(missing_docs, reason = "the library makes of the function a type without documentation")]
mod mark {
    use async_graphql::TypeDirective;

    /// The same for everybody who may see the object: its value, arguments and all, and whether it is
    /// there. What a subscription's event brings may then be fetched once for all who follow it; a field
    /// without the mark is fetched for each. On a field whose type has fields, each of those says it for
    /// itself.
    #[TypeDirective(
        name = "viewerIndependent",
        location = "FieldDefinition",
        composable = "https://moim.dev/push/v1.0"
    )]
    pub fn viewer_independent() {}
}

/// Whether the asker may see what belongs to this group: its members, each by himself or all as one, and
/// services. The request's data must hold [`Members`].
///
/// # Errors
/// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
pub async fn may_see(ctx: &Context<'_>, group: Uuid) -> Result<bool> {
    match Identity::from_ctx(ctx) {
        Identity::Anonymous => Err(ApiError::unauthenticated().into_graphql()),
        Identity::Service { .. } => Ok(true),
        Identity::Group { id } => Ok(*id == group),
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
        Identity::Service { .. } | Identity::Group { .. } | Identity::Viewer(_) => Ok(()),
    }
}

/// An id of ours; `None` for anything else, which then isn't found.
#[must_use]
pub fn id(id: &ID) -> Option<Uuid> {
    Uuid::parse_str(id).ok()
}
