//! One module per role or task of the binary.

pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod fetch;
pub(crate) mod migrate;
pub(crate) mod nats;
pub(crate) mod router;
pub(crate) mod sdl;
pub(crate) mod subgraph;
pub(crate) mod table;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod worker;
