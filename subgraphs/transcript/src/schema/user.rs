//! People, of whom this service knows the id alone.

use async_graphql::{ID, SimpleObject};
use platform::access::viewer_independent;
use uuid::Uuid;

/// A person with an account.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct User {
    /// The person's id.
    #[graphql(directive = viewer_independent::apply())]
    pub id: ID,
}

impl From<Uuid> for User {
    fn from(id: Uuid) -> Self {
        Self { id: id.into() }
    }
}
