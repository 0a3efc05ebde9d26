//! What every transport to clients shares: the engine, who asks, and which of
//! the client's headers count.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, header};
use platform::{
    identity::{ClientAddress, Identity},
    telemetry::TraceContext,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    authentication::{AuthenticationError, Authenticator},
    config::{Config, ConfigError},
    document::Documents,
    engine::{Engine, RequestContext},
    headers,
    rate::{self, Limiter, Toll},
    reload::{Current, Reloads},
    subscription::Live,
};

/// Prefix of the headers that only the router itself may send to subgraphs.
pub const INTERNAL_HEADER_PREFIX: &str = "moim-";

/// Headers about one connection or one body, which never go on.
const NEVER_PROPAGATED: [HeaderName; 14] = [
    header::CONNECTION,
    header::HOST,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::EXPECT,
];

/// The router as its transports see it. Shared by all of them.
pub struct Gateway {
    /// Checks tokens.
    pub authenticator: Authenticator,
    /// The configuration.
    pub config: Config,
    /// Operations over transports that stream.
    pub live: Arc<Live>,
    /// Finds documents.
    pub documents: Documents,
    /// Counts requests.
    pub limiter: Arc<Limiter>,
    /// What has become of changes of the supergraph.
    pub(crate) reloads: watch::Sender<Reloads>,
    /// Sockets that are open; they outlive their HTTP connections.
    pub(crate) sockets: TaskTracker,
    /// Says that the router stops.
    pub(crate) stop: CancellationToken,
    /// Of the client's headers those that some subgraph may want.
    propagate: HashSet<HeaderName>,
}

impl Gateway {
    pub(crate) fn new(
        current: Current,
        authenticator: Authenticator,
        config: Config,
        limiter: Arc<Limiter>,
        documents: Documents,
        stop: CancellationToken,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            live: Arc::new(Live::new(current, config.push.clone())),
            authenticator,
            limiter,
            documents,
            propagate: headers::wanted(&config.headers)?,
            reloads: watch::Sender::default(),
            sockets: TaskTracker::new(),
            stop,
            config,
        })
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// Where there is a token and it is not valid.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthenticationError> {
        let identity = self.authenticator.identify(headers).await?;
        rate::note_identity(&identity);
        Ok(identity)
    }

    /// Who a token, with or without `Bearer ` before it, belongs to.
    ///
    /// # Errors
    /// Where it is not valid.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthenticationError> {
        self.authenticator.authenticate(token).await
    }

    /// Executes operations on the supergraph of the moment. What was prepared by one
    /// engine must be executed by the same.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.live.current().engine)
    }

    /// Of the client's headers those that some subgraph may want.
    pub(crate) fn propagated(&self) -> impl Iterator<Item = &HeaderName> {
        self.propagate.iter()
    }

    /// When a query or mutation that begins now must be answered.
    pub fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.http.timeout_ms)
    }

    /// The context of a request with these headers: the configured ones are
    /// passed on, and its trace is continued.
    pub fn context(&self, identity: Identity, headers: &HeaderMap) -> RequestContext {
        let mut passed = HeaderMap::new();
        for name in &self.propagate {
            for value in headers.get_all(name) {
                passed.append(name.clone(), value.clone());
            }
        }
        RequestContext {
            identity,
            client: Limiter::address(headers).map(ClientAddress),
            headers: passed,
            deadline: Some(self.deadline()),
            trace: TraceContext::from_headers(headers),
            fresh: false,
            toll: Toll::new(&self.limiter, headers),
        }
    }
}

/// Whether a header may be passed on at all.
pub(crate) fn may_propagate(name: &HeaderName) -> bool {
    !name.as_str().starts_with(INTERNAL_HEADER_PREFIX) && !NEVER_PROPAGATED.contains(name)
}
