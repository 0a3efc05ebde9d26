//! A new supergraph for a running router: everything that was made from the old one
//! is replaced at once, and whatever runs on the old one goes on until it is done.
//!
//! | module | idea |
//! |---|---|
//! | `assembly` | from a supergraph to an engine and its event sources |
//! | `watch` | looks for changes of the supergraph's file |

mod assembly;
mod watch;

use std::{collections::HashMap, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{engine::Engine, push::Plane, remote::Remote};

pub(crate) use assembly::Assembly;
pub(crate) use watch::{reload, watch};

/// `extensions.code` of a subscription that ends because its operation is not valid
/// any more.
pub const SUBSCRIPTION_SCHEMA_RELOAD: &str = "SUBSCRIPTION_SCHEMA_RELOAD";
/// How often the supergraph's file is looked at unless configured, in milliseconds.
pub const POLL_MS: u64 = 1_000;

/// How changes of the supergraph's file are found.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often the file is looked at, in milliseconds; 0 for never. A change is taken
    /// when the file has stayed the same from one look to the next.
    pub poll_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { poll_ms: POLL_MS }
    }
}

/// What has become of changes of the supergraph so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloads {
    /// Changes that were taken.
    pub taken: u64,
    /// Changes that can't be served.
    pub refused: u64,
    /// What is wrong with the last one, if it was refused.
    pub problem: Option<Arc<str>>,
}

/// What is made from one supergraph.
pub struct Current {
    /// Executes operations.
    pub engine: Arc<Engine>,
    /// Its event sources on the event stream, where there are any.
    pub plane: Option<Arc<Plane>>,
    /// Subgraphs whose own subscriptions can be followed, by name.
    pub(crate) remotes: HashMap<Arc<str>, Arc<Remote>>,
}
