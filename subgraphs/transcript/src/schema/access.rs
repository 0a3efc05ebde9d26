//! Who may see what: every path to a meeting's data goes through [`may_see`], or, to its text and minutes
//! alone, through [`may_read`].

use async_graphql::{Context, Result};
use platform::error::Internal as _;
use platform::identity::Identity;
use uuid::Uuid;

use super::loader::{Reads, SharedWith};

pub use platform::access::{id, known, may_see};

/// The request's loader.
///
/// # Errors
/// When the schema was put together without one.
pub fn reads<'c>(ctx: &Context<'c>) -> Result<&'c Reads> {
    ctx.data::<Reads>()
}

/// Whether the asker may read a meeting's text and minutes: whoever may see the meeting, and those with
/// whom its host shared them.
///
/// # Errors
/// `UNAUTHENTICATED` when nobody has logged in; inner ones, masked.
pub async fn may_read(ctx: &Context<'_>, meeting: Uuid) -> Result<bool> {
    if may_see(ctx, meeting).await? {
        return Ok(true);
    }
    let Identity::Viewer(viewer) = Identity::from_ctx(ctx) else { return Ok(false) };
    let key = SharedWith { meeting, user: viewer.id };
    Ok(reads(ctx)?.load_one(key).await.internal()?.is_some())
}
