//! Development and production: what is shown of the inside.

use axum::{extract::Request, response::Response};
use platform::telemetry::{Kind, Span, TraceContext};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::Config,
    error::{self, GraphQLError, code},
    metrics::{self, METRICS},
};

/// Who is meant to use a router.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those who build on it: introspection, the explorer, and errors as they are.
    #[default]
    Development,
    /// Everybody: none of these, unless it is set.
    Production,
}

/// What clients are told of errors. What isn't set follows from the mode.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Whether messages about inner faults are replaced, and subgraphs' names and details left out.
    pub mask: Option<bool>,
    /// Whether messages suggest what may have been meant.
    pub suggestions: Option<bool>,
}

impl Config {
    fn in_development(&self) -> bool {
        self.mode == Mode::Development
    }

    /// Whether the router is for everybody.
    pub fn in_production(&self) -> bool {
        self.mode == Mode::Production
    }

    /// Whether `__schema` and `__type` are answered.
    pub fn introspects(&self) -> bool {
        self.introspection.unwrap_or(self.in_development())
    }

    /// Whether `/graphiql` is served.
    pub fn explores(&self) -> bool {
        self.explorer.unwrap_or(self.in_development())
    }

    pub(crate) fn told(&self) -> Told {
        Told {
            mask: self.errors.mask.unwrap_or(!self.in_development()),
            suggestions: self.errors.suggestions.unwrap_or(self.in_development()),
        }
    }
}

/// What clients are told of errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    mask: bool,
    suggestions: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { mask: false, suggestions: true }
    }
}

/// Of a subgraph's error, what clients see where inner things are masked.
const PUBLIC_EXTENSIONS: [&str; 2] = ["code", "retryAfter"];

impl Told {
    /// Makes errors fit to be shown, and adds the trace's id.
    pub(crate) fn publish(&self, errors: &mut [GraphQLError]) {
        for error in errors.iter_mut() {
            if self.mask {
                mask(error);
            }
            self.suggest(error);
        }
        METRICS.errors(errors);
        error::trace(errors);
    }

    /// The same for errors of preparing, which are the client's own.
    pub(crate) fn suggest(&self, error: &mut GraphQLError) {
        if !self.suggestions
            && let Some(at) = error.message.find(" Did you mean")
        {
            error.message.truncate(at);
        }
    }
}

fn mask(error: &mut GraphQLError) {
    let Some(service) = error.extensions.get("service").cloned() else { return };
    let message = match error.code() {
        code::SUBREQUEST_HTTP_ERROR
        | code::SUBREQUEST_TIMEOUT
        | code::SUBREQUEST_MALFORMED_RESPONSE => Some("A part of the answer is not available."),
        code::INTERNAL_SERVER_ERROR | "" => Some("Internal server error."),
        _ => None,
    };
    if let Some(message) = message {
        let inner = std::mem::replace(&mut error.message, message.to_owned());
        tracing::warn!(%service, inner, "a subgraph's error is masked");
    }
    error.extensions.retain(|name, _| PUBLIC_EXTENSIONS.contains(&name.as_str()));
}

/// Measures a request and gives it its trace, so that all that is told of it names the same.
pub(crate) async fn trace<F: Future<Output = Response>>(
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let above = TraceContext::in_headers(request.headers());
    let method = request.method();
    let mut span = Span::start(Kind::Server, above, || format!("{method} /graphql").into());
    span.set("http.request.method", || method.to_string());
    span.set("http.route", || "/graphql");
    let trace = span.context();
    let running = metrics::GRAPHQL.begin(method);
    trace.inject(request.headers_mut());
    let response = trace.scope(next(request)).await;
    metrics::GRAPHQL.end(&running, response.status());
    span.set("http.response.status_code", || i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.fail("server_error");
    }
    response
}
