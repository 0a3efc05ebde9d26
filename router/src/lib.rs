//! A GraphQL federation router with a push plane. It knows no word of the
//! domains: everything it serves is in the supergraph.
//!
//! | module | idea |
//! |---|---|
//! | [`config`], `builder` | what a router is told, and how it is put together |
//! | [`supergraph`], `schema` | loads a composed supergraph, indexes its public schema |
//! | `planner` | the only place that knows the planner's crate |
//! | [`engine`] | prepares and executes operations |
//! | `projection` | the merged tree becomes the response |
//! | [`gateway`], `http` | what transports share; GraphQL over HTTP, the explorer |
//! | [`authentication`], `fetch` | tokens and key sets |
//! | [`push`] | subscriptions fed by the event stream |
//! | [`error`] | errors as clients see them |

pub mod authentication;
mod builder;
pub mod config;
pub mod engine;
pub mod error;
pub mod fetch;
pub mod gateway;
mod http;
mod planner;
mod projection;
pub mod push;
mod schema;
pub mod subscription;
pub mod supergraph;

pub use builder::{BuildError, Router, RouterBuilder};
pub use config::Config;
pub use engine::{Engine, RequestContext, Variables};
pub use gateway::Gateway;
pub use supergraph::Supergraph;
