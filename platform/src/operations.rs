//! What operators ask a process: whether it lives and can work, what it is, and its metrics.
//!
//! Probes are open to everybody and tell nothing. Metrics, `/info` and the details of `/health` are
//! for the authorized ([`Access`]).

use std::fmt;
use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::config::{ConfigError, Source};
use crate::{health, metrics};

/// Shortest token that is accepted, in bytes.
pub const TOKEN_MIN_BYTES: usize = 16;

static STARTED: LazyLock<DateTime<Utc>> = LazyLock::new(Utc::now);

/// Who may see metrics and details.
#[derive(Clone, Default)]
pub enum Access {
    /// Whoever reaches the address.
    Open,
    /// Whoever has the token.
    Token(SecretString),
    /// Nobody: there is neither a token nor an address of its own.
    #[default]
    Closed,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Token(_) => "Token",
            Self::Closed => "Closed",
        })
    }
}

/// Where operators ask.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// An address of its own for metrics, information and details; the main one then serves probes.
    pub listen: Option<SocketAddr>,
    token: Option<SecretString>,
}

impl Settings {
    /// Reads `MOIM_OPERATIONS_LISTEN` and `MOIM_OPERATIONS_TOKEN`; both may be missing.
    ///
    /// # Errors
    /// When a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let listen = source.get("MOIM_OPERATIONS_LISTEN").map(|text| {
            text.parse().map_err(|_| {
                let reason = "it is no address with a port";
                let help = "give one like 127.0.0.1:9090";
                ConfigError::invalid("MOIM_OPERATIONS_LISTEN", reason, help)
            })
        });
        let token = source.get("MOIM_OPERATIONS_TOKEN");
        if token.as_ref().is_some_and(|token| token.len() < TOKEN_MIN_BYTES) {
            let help = format!("give at least {TOKEN_MIN_BYTES} random characters");
            return Err(ConfigError::invalid("MOIM_OPERATIONS_TOKEN", "it is too short", help));
        }
        Ok(Self { listen: listen.transpose()?, token: token.map(SecretString::from) })
    }

    /// Who may see more on the main address. Without a token: whoever asks an address that only this
    /// machine reaches, except in `production`, where a proxy may stand before it.
    #[must_use]
    pub fn main_access(&self, address: SocketAddr, production: bool) -> Access {
        match &self.token {
            _ if self.listen.is_some() => Access::Closed,
            Some(token) => Access::Token(token.clone()),
            None if address.ip().is_loopback() && !production => Access::Open,
            None => Access::Closed,
        }
    }

    /// Who may see more on the address of its own: who has the token, if there is one.
    #[must_use]
    pub fn own_access(&self) -> Access {
        self.token.clone().map_or(Access::Open, Access::Token)
    }
}

/// What a process is.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its role, like `router` or `worker`.
    pub role: &'static str,
    /// Name of its service, where it has one.
    pub service: Option<&'static str>,
    /// Version of the program.
    pub version: &'static str,
    /// Commit that it was built from, if that was told.
    pub commit: Option<&'static str>,
}

/// The endpoints for operators.
#[derive(Clone, Debug)]
pub struct Operations {
    health: health::Registry,
    info: Info,
}

impl Operations {
    /// Endpoints of a process that is this, with these components.
    #[must_use]
    pub fn new(info: Info, health: health::Registry) -> Self {
        LazyLock::force(&STARTED);
        metrics::process::started(&name(&info), info.version);
        Self { health, info }
    }

    /// `/health/live`, `/health/ready`, `/health`, `/info` and `/metrics`.
    pub fn routes(&self, access: Access) -> Router {
        let info = body(&self.info);
        let guarded = Router::new()
            .route("/metrics", get(|| async { metrics::respond() }))
            .route("/info", get(move || async move { Json(info) }))
            .route_layer(from_fn_with_state(access.clone(), guard));
        let shown = move |headers: &HeaderMap| access.admits(headers);
        self.health.routes_with(shown).merge(guarded)
    }
}

/// The name under which metrics and traces of the process go.
#[must_use]
pub fn name(info: &Info) -> String {
    match info.service {
        Some(service) => format!("moim-{service}-{}", info.role),
        None => format!("moim-{}", info.role),
    }
}

fn body(info: &Info) -> serde_json::Value {
    json!({
        "role": info.role,
        "service": info.service,
        "version": info.version,
        "commit": info.commit,
        "startedAt": STARTED.to_rfc3339_opts(SecondsFormat::Millis, true),
    })
}

impl Access {
    fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Open => true,
            Self::Closed => false,
            Self::Token(token) => {
                let given = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
                let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
                given.is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into())
            }
        }
    }
}

async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if access.admits(request.headers()) {
        return next.run(request).await;
    }
    match access {
        Access::Token(_) => {
            let bearer = [(WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, bearer, "Send the token of MOIM_OPERATIONS_TOKEN.\n")
                .into_response()
        }
        _ => {
            let how =
                "Set MOIM_OPERATIONS_TOKEN, or ask at the address of MOIM_OPERATIONS_LISTEN.\n";
            (StatusCode::FORBIDDEN, how).into_response()
        }
    }
}

#[cfg(test)]
#[path = "operations_test.rs"]
mod tests;
