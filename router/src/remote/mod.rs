//! Ordinary subscriptions of a subgraph: a field that no event source feeds goes to
//! its subgraph over `graphql-transport-ws`, one connection per subscription.
//!
//! A connection that is lost ends the subscription with
//! [`SUBSCRIPTION_UPSTREAM_LOST`]: such events can't be resumed, and connecting again
//! in silence would hide what was missed. The client subscribes again.
//!
//! | module | idea |
//! |---|---|
//! | `connection` | the socket: handshake, signs of life, its end |
//! | `message` | what is said on it |
//! | `delivery` | a subgraph's events for one client |

mod connection;
mod delivery;
mod message;

use std::sync::Arc;

use http::{HeaderMap, Uri};
use platform::{identity::Identity, signature::Keys, telemetry::TraceContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use delivery::{Follower, deliveries};

use crate::{
    engine::RequestContext,
    error::{GraphQLError, code},
    fetch::SUBGRAPH_OVERLOADED,
    headers::Outgoing,
};
use connection::{Connection, ConnectionError};

/// `extensions.code` where the connection to the subgraph ended without a word.
pub const SUBSCRIPTION_UPSTREAM_LOST: &str = "SUBSCRIPTION_UPSTREAM_LOST";

/// Bounds of subscriptions of subgraphs.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Running subscriptions of one subgraph at most.
    pub max: usize,
    /// Longest from the connection's beginning to the subgraph's acknowledgement, in
    /// milliseconds.
    pub connect_timeout_ms: u64,
    /// Pause between signs of life, in milliseconds. After two without any the
    /// connection counts as lost.
    pub heartbeat_ms: u64,
    /// Largest message of a subgraph, in bytes.
    pub message_max_bytes: usize,
    /// Read and write buffer of a connection, in bytes.
    pub buffer_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max: 1_000,
            connect_timeout_ms: 5_000,
            heartbeat_ms: 12_000,
            message_max_bytes: 4 * 1024 * 1024,
            buffer_bytes: 4 * 1024,
        }
    }
}

/// A subgraph whose subscriptions can be followed.
pub(crate) struct Remote {
    name: Arc<str>,
    address: Uri,
    config: Config,
    keys: Option<Keys>,
    outgoing: Outgoing,
    places: Arc<Semaphore>,
    /// Cancelled when the router stops.
    stop: CancellationToken,
}

/// A subscription that the subgraph has been sent.
pub(crate) struct Upstream {
    name: Arc<str>,
    connection: Connection,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Remote {
    /// A subgraph by its address (`http`, `https`, `ws` or `wss`); None where that is
    /// no such address.
    pub(crate) fn new(
        name: Arc<str>,
        address: &str,
        config: Config,
        keys: Option<Keys>,
        outgoing: Outgoing,
        stop: CancellationToken,
    ) -> Option<Self> {
        let address = match address.split_once("://")? {
            ("http" | "ws", rest) => format!("ws://{rest}"),
            ("https" | "wss", rest) => format!("wss://{rest}"),
            _ => return None,
        };
        let address: Uri = address.parse().ok()?;
        address.host()?;
        let places = Arc::new(Semaphore::new(config.max.min(Semaphore::MAX_PERMITS)));
        Some(Self { name, address, config, keys, outgoing, places, stop })
    }

    /// Where its subscriptions are served.
    pub(crate) fn address(&self) -> &Uri {
        &self.address
    }

    /// Starts a subscription.
    ///
    /// # Errors
    /// Where the subgraph can't be reached or doesn't want it.
    pub(crate) async fn subscribe(
        &self,
        document: &str,
        variables: &Map<String, Value>,
        context: &RequestContext,
    ) -> Result<Upstream, Vec<GraphQLError>> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("The subgraph \"{}\" has too many subscriptions.", self.name);
            self.error(SUBGRAPH_OVERLOADED, message)
        })?;
        let headers = self.headers(&context.headers, &context.identity, &context.trace);
        let connection = Connection::open(&self.address, headers, &self.config).await;
        let mut connection = connection.map_err(|error| self.unreachable(&error))?;
        let subscribe = message::subscribe(document, variables);
        connection.subscribe(subscribe).await.map_err(|error| self.unreachable(&error))?;
        let (name, stop) = (Arc::clone(&self.name), self.stop.clone());
        Ok(Upstream { name, connection, stop, _place: place })
    }

    /// What goes along: the headers that the rules choose, and the signature over an
    /// empty body, because an upgrade has none.
    fn headers(&self, chosen: &HeaderMap, identity: &Identity, trace: &TraceContext) -> HeaderMap {
        let mut headers = self.outgoing.apply(chosen);
        trace.child().inject(&mut headers);
        if let Some(keys) = &self.keys {
            keys.sign(&self.name, identity, b"", &mut headers);
        }
        headers
    }

    fn unreachable(&self, error: &ConnectionError) -> Vec<GraphQLError> {
        let cause = error as &dyn std::error::Error;
        tracing::warn!(service = &*self.name, error = cause, "a subscription can't be started");
        let (code, what) = match error {
            ConnectionError::Timeout => (code::SUBREQUEST_TIMEOUT, "did not answer in time"),
            _ => (code::SUBREQUEST_HTTP_ERROR, "does not take subscriptions at the moment"),
        };
        self.error(code, format!("The subgraph \"{}\" {what}.", self.name))
    }

    fn error(&self, code: &str, message: String) -> Vec<GraphQLError> {
        vec![GraphQLError::new(code, message).of_service(&self.name)]
    }
}
