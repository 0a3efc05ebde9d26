//! The subgraph's GraphQL schema: thin resolvers.

pub mod announcement;
pub mod loader;
pub mod mutation;
pub mod object;
pub mod query;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema, SchemaBuilder};

use mutation::Mutation;
use query::Query;

/// The schema's type.
pub type NotificationSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema without what resolvers read from and write to.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription).enable_federation()
}

/// The subgraph's federation SDL.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}
