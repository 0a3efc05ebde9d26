//! What a viewer may see, by the supergraph's own directives: `@requiresScopes`, `@authenticated`, and
//! `@policy`, whose policies are roles here.
//!
//! It is decided before an operation is planned. What isn't allowed is taken out of the operation for the
//! planner, so no subgraph is asked for it, and the projection writes null and an error in its place. A
//! field whose type is an interface or union may bring objects of a type that isn't allowed; those are
//! nulled when they are written.
//!
//! | module | idea |
//! |---|---|
//! | `rule` | which requirements a supergraph has, and who meets them |
//! | `filter` | an operation without what isn't allowed |

mod filter;
mod rule;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{GraphQLError, code};

pub(crate) use filter::strip;
pub(crate) use rule::{Denied, Grant, Rules};

/// The error about a place that may not be seen.
pub(crate) fn error(place: &str) -> GraphQLError {
    let message = format!("You may not see {place}.");
    GraphQLError::new(code::UNAUTHORIZED_FIELD_OR_TYPE, message)
}

/// What becomes of requests that ask for more than is allowed.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What becomes of an operation with fields that the viewer may not see.
    pub unauthorized: Unauthorized,
}

/// What becomes of an operation with fields that the viewer may not see.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unauthorized {
    /// The rest is executed; those fields are null, each with an error.
    #[default]
    Mask,
    /// Nothing is executed.
    Refuse,
}
