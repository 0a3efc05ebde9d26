//! What every transport to clients shares: the engine, who asks, and which of
//! the client's headers count.

use std::{collections::HashSet, sync::Arc};

use http::{HeaderMap, HeaderName, header};
use platform::{identity::Identity, telemetry::TraceContext};

use crate::{
    authentication::{AuthenticationError, Authenticator},
    config::{Config, ConfigError},
    engine::{Engine, RequestContext},
    push::Plane,
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
    /// Executes operations.
    pub engine: Arc<Engine>,
    /// Checks tokens.
    pub authenticator: Authenticator,
    /// The configuration.
    pub config: Config,
    /// Operations over transports that stream.
    pub live: Arc<Live>,
    propagate: HashSet<HeaderName>,
}

impl Gateway {
    pub(crate) fn new(
        engine: Arc<Engine>,
        authenticator: Authenticator,
        config: Config,
        plane: Option<Arc<Plane>>,
    ) -> Result<Self, ConfigError> {
        let names = config.headers.propagate.iter().map(|name| {
            let parsed = name.parse::<HeaderName>();
            parsed.map_err(|_| ConfigError::Header(name.clone()))
        });
        let names = names.collect::<Result<HashSet<_>, _>>()?;
        Ok(Self {
            live: Arc::new(Live::new(Arc::clone(&engine), plane, config.push.clone())),
            engine,
            authenticator,
            propagate: names.into_iter().filter(may_propagate).collect(),
            config,
        })
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// Where there is a token and it is not valid.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthenticationError> {
        self.authenticator.identify(headers).await
    }

    /// Who a token, with or without `Bearer ` before it, belongs to.
    ///
    /// # Errors
    /// Where it is not valid.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthenticationError> {
        self.authenticator.authenticate(token).await
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
            headers: passed,
            deadline: None,
            trace: TraceContext::from_headers(headers),
        }
    }
}

fn may_propagate(name: &HeaderName) -> bool {
    !name.as_str().starts_with(INTERNAL_HEADER_PREFIX) && !NEVER_PROPAGATED.contains(name)
}
