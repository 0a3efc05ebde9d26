//! GraphQL: thin resolvers over the accounts.

mod administration;
mod loader;
mod mutation;
mod object;
mod query;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema};

pub use administration::{
    Account, AccountFilter, AccountPayload, DisableAccountInput, EnableAccountInput,
    EvictCacheInput, EvictCachePayload, GrantRoleInput, RevokeRoleInput,
};
pub use loader::{UserLoader, user_loader};
pub use mutation::Mutation;
pub use object::{
    ChangePasswordInput, DeleteAccountInput, DeleteAccountPayload, LoginInput, LogoutInput,
    LogoutPayload, RefreshInput, RegisterInput, SessionPayload, UpdateProfileInput,
    UpdateProfilePayload, User,
};
pub use query::{MAX_EXIST_IDS, Query};

use crate::account::Accounts;

/// The schema of this subgraph.
pub type UserSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema over these accounts.
#[must_use]
pub fn build(accounts: Accounts) -> UserSchema {
    Schema::build(Query, Mutation, EmptySubscription).enable_federation().data(accounts).finish()
}

/// The schema's SDL for composition.
#[must_use]
pub fn sdl() -> String {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .finish()
        .sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}
