//! The subgraph's GraphQL schema: thin resolvers.

pub mod access;
pub mod export;
pub mod loader;
pub mod meeting;
pub mod minutes;
pub mod mutation;
pub mod query;
pub mod search;
pub mod share;
pub mod task;
pub mod transcript;
pub mod user;
pub mod verification;

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, Schema, SchemaBuilder};

use export::ExportQuery;
use mutation::Mutation;
use platform::task::TaskInterface;
use query::MeetingQuery;
use search::SearchQuery;
use share::ShareQuery;
use task::{TaskKind, TranscriptTask};

/// Questions that can be asked.
#[derive(Debug, Clone, Copy, Default, MergedObject)]
pub struct Query(MeetingQuery, ShareQuery, ExportQuery, SearchQuery);

/// The schema's type.
pub type TranscriptSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema without what resolvers read from and write to.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .enable_federation()
        // No field gives the interface here; the event plane does.
        .register_output_type::<TaskInterface<TranscriptTask, TaskKind>>()
}

/// The subgraph's federation SDL.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}
