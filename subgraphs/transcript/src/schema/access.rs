//! Who may see what: every path to a meeting's data goes through [`may_see`].

use async_graphql::{Context, Result};

use super::loader::Reads;

pub use platform::access::{id, known, may_see};

/// The request's loader.
///
/// # Errors
/// When the schema was put together without one.
pub fn reads<'c>(ctx: &Context<'c>) -> Result<&'c Reads> {
    ctx.data::<Reads>()
}
