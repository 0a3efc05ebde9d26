//! How a subgraph is reached: one [`Transport`] trait with two ways behind it, over the network
//! ([`Http`]) and in the same process ([`Endpoint`]).
//!
//! A request is a signed `POST` with a GraphQL request as JSON, a response its JSON answer. Both
//! ways end in [`Endpoint::handle`], so that they give the same answers by construction.

mod endpoint;
mod peer;
mod transport;

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use endpoint::{Endpoint, REQUEST_MAX_BYTES};
pub use peer::{PEER_TIMEOUT_MS, PeerError, Peers};
pub use transport::{Http, HttpOptions, InvalidUrl};

/// A request to a subgraph; its body is a GraphQL request as JSON.
pub type Request = http::Request<Bytes>;
/// A subgraph's answer; its body is a GraphQL response as JSON.
pub type Response = http::Response<Bytes>;

/// A cause of an error, whatever its type.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A way to a subgraph.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for the whole answer.
    ///
    /// An answer with any HTTP status is an answer; dropping the future abandons the call.
    ///
    /// # Errors
    /// When there is no answer: see [`TransportError`].
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>>;
}

/// A request's extension: most time that this one call may take, when that is less than the
/// transport's own limit.
#[derive(Debug, Clone, Copy)]
pub struct CallTimeout(pub Duration);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection could be made: the request has not been sent.
    #[error("can't connect")]
    Connect(#[source] Cause),
    /// No whole answer came in time.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// The connection ended before an answer came: the request may have been handled.
    #[error("the connection ended before the answer")]
    Closed(#[source] Cause),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection ended in the middle of the answer.
    #[error("the answer broke off")]
    Body(#[source] Cause),
    /// What came isn't HTTP, or the request could not be sent.
    #[error("the exchange failed")]
    Protocol(#[source] Cause),
}

impl TransportError {
    /// Whether the request has surely not reached the subgraph, so that it may be sent again
    /// whatever it does.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

#[cfg(test)]
#[path = "subgraph_test.rs"]
mod tests;
