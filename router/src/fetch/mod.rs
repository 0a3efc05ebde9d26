//! Fetches that survive: what stands between the engine and a subgraph's
//! [`Transport`](platform::subgraph::Transport).
//!
//! | module | idea |
//! |---|---|
//! | `config` | every bound, with its unit |
//! | `resilient` | the transport that puts the others together |
//! | `retry` | which attempts are made again, when, and how many at most |
//! | `breaker` | leaves a failing subgraph alone for a while |
//! | `admission` | how many requests a subgraph has to bear at a time |
//! | `sharing` | identical concurrent fetches are made once |
//! | `document` | small documents over HTTP: key sets |

mod admission;
mod breaker;
mod config;
mod document;
mod resilient;
mod retry;
mod sharing;

use platform::{identity::Identity, subgraph::TransportError};
use uuid::Uuid;

pub use config::{CircuitBreaker, Fetch, FetchOverride, InFlight, Retry};
pub use document::FetchError;
pub(crate) use document::get;
pub(crate) use resilient::Resilient;
pub(crate) use sharing::Writes;

use crate::engine::Operation;

/// `extensions.code` while a subgraph is left alone after many failures.
pub const SUBGRAPH_UNAVAILABLE: &str = "SUBGRAPH_UNAVAILABLE";
/// `extensions.code` where too many requests to a subgraph are under way.
pub const SUBGRAPH_OVERLOADED: &str = "SUBGRAPH_OVERLOADED";

/// A request's extension: what the fetch is part of. Without it a fetch is
/// neither repeated nor shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    operation: Operation,
    viewer: Option<Uuid>,
    fresh: bool,
}

impl Origin {
    /// `fresh`: the answer must not come from a fetch that has begun before.
    pub(crate) fn new(operation: Operation, identity: &Identity, fresh: bool) -> Self {
        let viewer = match identity {
            Identity::Viewer(viewer) => Some(viewer.id),
            Identity::Anonymous | Identity::Service { .. } | Identity::Group { .. } => None,
        };
        Self { operation, viewer, fresh }
    }

    /// Whether the subgraph may be asked again. Not even a mutation's entity
    /// fetches are: they belong to an operation that writes.
    fn may_repeat(self) -> bool {
        self.operation != Operation::Mutation
    }

    /// Whether the fetch may be one with others. An event's fetches may not: they
    /// must not see a state from before the event.
    fn may_share(self) -> bool {
        self.operation == Operation::Query && !self.fresh
    }
}

/// Why a subgraph was not even asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It failed too often a moment ago.
    #[error("the circuit breaker is open")]
    Unavailable,
    /// It has enough to do.
    #[error("too many requests are under way")]
    Overloaded,
}

impl Refused {
    /// The stable code for clients.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unavailable => SUBGRAPH_UNAVAILABLE,
            Self::Overloaded => SUBGRAPH_OVERLOADED,
        }
    }

    /// What clients are told.
    pub(crate) fn message(self, service: &str) -> String {
        match self {
            Self::Unavailable => {
                format!("The subgraph \"{service}\" is not available at the moment.")
            }
            Self::Overloaded => format!("The subgraph \"{service}\" has too much to do."),
        }
    }
}

impl From<Refused> for TransportError {
    fn from(refused: Refused) -> Self {
        Self::Protocol(refused.into())
    }
}

/// The refusal in a transport's error, where it is one.
pub(crate) fn refusal(error: &TransportError) -> Option<Refused> {
    match error {
        TransportError::Protocol(cause) => cause.downcast_ref().copied(),
        _ => None,
    }
}
