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
//! | [`authentication`] | tokens and key sets |
//! | [`fetch`] | subgraph fetches that survive faults |
//! | [`remote`] | subscriptions of subgraphs, over WebSocket |
//! | [`reload`] | a new supergraph for a running router |
//! | [`rate`] | how many requests a viewer or an address may send |
//! | [`authorization`] | scopes and roles that the supergraph asks for |
//! | [`headers`] | what is passed on to subgraphs and back |
//! | [`mode`] | development and production; what clients are told of errors |
//! | [`push`] | subscriptions fed by the event stream |
//! | [`document`] | persisted documents, the safelist |
//! | `metrics` | what is counted |
//! | `record` | what is told of each operation: its line in the log, its span, its counts |
//! | [`limit`] | how much one operation may ask for |
//! | `independence` | fields that are the same for every viewer |
//! | `name` | sets of names |
//! | [`error`] | errors as clients see them |

pub mod authentication;
pub mod authorization;
mod builder;
pub mod config;
pub mod document;
pub mod engine;
pub mod error;
pub mod fetch;
pub mod gateway;
pub mod headers;
mod http;
mod independence;
pub mod limit;
mod metrics;
pub mod mode;
mod name;
mod planner;
mod projection;
pub mod push;
pub mod rate;
mod record;
pub mod reload;
pub mod remote;
mod schema;
pub mod subscription;
pub mod supergraph;

pub use builder::{BuildError, Router, RouterBuilder};
pub use config::Config;
pub use engine::{Engine, RequestContext, Variables};
pub use gateway::Gateway;
pub use supergraph::Supergraph;
