//! Who may see what: every path to a meeting's data goes through [`may_see`].

use async_graphql::{Context, ID, Result};
use platform::error::{ApiError, Internal as _};
use platform::identity::Identity;
use uuid::Uuid;

use super::loader::{Reads, TakesPart};

/// Whether the asker may see the data of this meeting: people who take part in it, and services.
///
/// # Errors
/// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
pub async fn may_see(ctx: &Context<'_>, meeting: Uuid) -> Result<bool> {
    match Identity::from_ctx(ctx) {
        Identity::Anonymous => Err(ApiError::unauthenticated().into_graphql()),
        Identity::Service { .. } => Ok(true),
        Identity::Viewer(viewer) => {
            let key = TakesPart { meeting, user: viewer.id };
            let answer = reads(ctx)?.load_one(key).await.internal()?;
            Ok(answer.unwrap_or(false))
        }
    }
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

/// The request's loader.
///
/// # Errors
/// When the schema was put together without one.
pub fn reads<'c>(ctx: &Context<'c>) -> Result<&'c Reads> {
    ctx.data::<Reads>()
}

/// An id of ours; `None` for anything else, which then isn't found.
#[must_use]
pub fn id(id: &ID) -> Option<Uuid> {
    Uuid::parse_str(id).ok()
}
