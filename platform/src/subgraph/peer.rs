//! Calls between services.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{CallTimeout, Request, Transport, TransportError};
use crate::identity::Identity;
use crate::signature::Keys;
use crate::telemetry;

/// Most time for a call to another service.
pub const PEER_TIMEOUT_MS: u64 = 2_000;

/// Why another service gave no data.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No way to that service was set.
    #[error("no way to {0} is known")]
    Unknown(String),
    /// There was no answer.
    #[error("no answer from {peer}")]
    Transport {
        /// The service that was asked.
        peer: String,
        /// What went wrong.
        #[source]
        source: TransportError,
    },
    /// The answer's status says that the request was refused.
    #[error("{peer} answered with status {status}")]
    Status {
        /// The service that was asked.
        peer: String,
        /// Its answer's status.
        status: StatusCode,
    },
    /// The answer isn't a GraphQL response.
    #[error("the answer of {peer} can't be read")]
    Malformed {
        /// The service that was asked.
        peer: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The answer holds errors.
    #[error("{peer} answered with an error ({code}): {message}")]
    Graphql {
        /// The service that was asked.
        peer: String,
        /// The first error's code.
        code: String,
        /// The first error's message.
        message: String,
    },
}

/// The ways to the other services, by name. All clones share them, and they may be set late:
/// services in one process know each other only after all are made.
#[derive(Clone, Default)]
pub struct Peers {
    ways: Arc<RwLock<HashMap<String, Arc<dyn Transport>>>>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = self.ways.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(ways.keys()).finish()
    }
}

impl Peers {
    /// Sets the way to the service `name`.
    pub fn set(&self, name: impl Into<String>, transport: Arc<dyn Transport>) {
        let mut ways = self.ways.write().unwrap_or_else(PoisonError::into_inner);
        ways.insert(name.into(), transport);
    }

    /// The way to the service `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Transport>> {
        self.ways.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Asks the service `to` in the name of the service `from_service`, for at most
    /// [`PEER_TIMEOUT_MS`]; gives the answer's `data`.
    ///
    /// # Errors
    /// When there is no answer or it holds any error.
    pub async fn query(
        &self,
        keys: &Keys,
        from_service: &str,
        to: &str,
        document: &str,
        variables: Value,
    ) -> Result<Value, PeerError> {
        let way = self.get(to).ok_or_else(|| PeerError::Unknown(to.to_owned()))?;
        let identity = Identity::Service { name: from_service.to_owned() };
        let body = serde_json::json!({ "query": document, "variables": variables }).to_string();
        let request = signed(keys, to, &identity, body.into());
        let limit = Duration::from_millis(PEER_TIMEOUT_MS);
        let response = match tokio::time::timeout(limit, way.call(request)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Timeout(PEER_TIMEOUT_MS)),
        };
        let response =
            response.map_err(|source| PeerError::Transport { peer: to.to_owned(), source })?;
        if response.status() != StatusCode::OK {
            return Err(PeerError::Status { peer: to.to_owned(), status: response.status() });
        }
        data(to, response.body())
    }
}

fn signed(keys: &Keys, to: &str, identity: &Identity, body: Bytes) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    keys.sign(to, identity, &body, &mut headers);
    if let Some(trace) = telemetry::current() {
        trace.child().inject(&mut headers);
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/graphql");
    *request.headers_mut() = headers;
    request.extensions_mut().insert(CallTimeout(Duration::from_millis(PEER_TIMEOUT_MS)));
    request
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Value,
}

fn data(peer: &str, body: &[u8]) -> Result<Value, PeerError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|source| PeerError::Malformed { peer: peer.to_owned(), source })?;
    match answer.errors.into_iter().next() {
        None => Ok(answer.data),
        Some(error) => Err(PeerError::Graphql {
            peer: peer.to_owned(),
            code: error.extensions["code"].as_str().unwrap_or_default().to_owned(),
            message: error.message,
        }),
    }
}
