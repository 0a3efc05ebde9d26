//! Errors as clients see them. Inner causes are logged where they happen and
//! never written here.

use http::StatusCode;
use serde::Serialize;
use serde_json::Map;

use crate::metrics::METRICS;

/// Stable values of `extensions.code`.
pub mod code {
    /// No valid proof of identity.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// A variable, argument or cursor that the user can mend.
    pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
    /// The document is not GraphQL.
    pub const GRAPHQL_PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
    /// The document does not fit the schema.
    pub const GRAPHQL_VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
    /// The HTTP request is not a GraphQL request.
    pub const BAD_REQUEST: &str = "BAD_REQUEST";
    /// The persisted query is unknown here.
    pub const PERSISTED_QUERY_NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
    /// Documents cannot be persisted here.
    pub const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";
    /// The document is not on the safelist.
    pub const DOCUMENT_NOT_ALLOWED: &str = "DOCUMENT_NOT_ALLOWED";
    /// A subgraph could not be reached or answered with an HTTP error.
    pub const SUBREQUEST_HTTP_ERROR: &str = "SUBREQUEST_HTTP_ERROR";
    /// A subgraph did not answer in time.
    pub const SUBREQUEST_TIMEOUT: &str = "SUBREQUEST_TIMEOUT";
    /// A subgraph's answer was not a GraphQL response.
    pub const SUBREQUEST_MALFORMED_RESPONSE: &str = "SUBREQUEST_MALFORMED_RESPONSE";
    /// The server ends a subscription's stream; the client may subscribe again.
    pub const SUBSCRIPTION_CLOSED: &str = "SUBSCRIPTION_CLOSED";
    /// The viewer or address has sent too many requests.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// A field or type that the viewer may not see.
    pub const UNAUTHORIZED_FIELD_OR_TYPE: &str = "UNAUTHORIZED_FIELD_OR_TYPE";
    /// A fault of this system.
    pub const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";
}

/// One entry of a response's `errors`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphQLError {
    /// For people.
    pub message: String,
    /// Where in the client's document, 1-based.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Where in the client's response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<PathSegment>>,
    /// For programs: `code`, and `service` where a subgraph is the source.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, serde_json::Value>,
}

/// A place in a document, 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// One step into a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PathSegment {
    /// A response key.
    Key(String),
    /// An index into a list.
    Index(usize),
}

impl GraphQLError {
    /// An error with a stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let mut extensions = Map::new();
        extensions.insert("code".to_owned(), code.into());
        Self { message: message.into(), locations: Vec::new(), path: None, extensions }
    }

    /// The same with the place in the response.
    #[must_use]
    pub fn at(mut self, path: Vec<PathSegment>) -> Self {
        self.path = Some(path);
        self
    }

    /// The same with the name of the subgraph it came from.
    #[must_use]
    pub fn of_service(mut self, service: &str) -> Self {
        self.extensions.insert("service".to_owned(), service.into());
        self
    }

    /// The code, or an empty text where a subgraph gave none.
    pub fn code(&self) -> &str {
        self.extensions.get("code").and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

impl GraphQLError {
    /// The HTTP status of a request that is refused with it.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code() {
            code::UNAUTHENTICATED => StatusCode::UNAUTHORIZED,
            code::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
            code::DOCUMENT_NOT_ALLOWED => StatusCode::FORBIDDEN,
            // Clients then send the document along, so it is no error of HTTP.
            code::PERSISTED_QUERY_NOT_FOUND | code::PERSISTED_QUERY_NOT_SUPPORTED => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Adds the id of the trace that is under way, by which the logs are found.
pub(crate) fn trace(errors: &mut [GraphQLError]) {
    if let Some(trace) = platform::telemetry::current() {
        name_trace(errors, &trace);
    }
}

/// Adds the id of this trace.
pub(crate) fn name_trace(errors: &mut [GraphQLError], trace: &platform::telemetry::TraceContext) {
    for error in errors {
        error.extensions.insert("traceId".to_owned(), trace.trace_id().into());
    }
}

/// A whole response without data, as JSON: `{"errors":[…]}`.
pub fn response(errors: &[GraphQLError]) -> bytes::Bytes {
    #[derive(Serialize)]
    struct Response<'a> {
        errors: &'a [GraphQLError],
    }
    METRICS.errors(errors);
    let mut errors = errors.to_vec();
    trace(&mut errors);
    let errors = &errors;
    // A struct of strings and numbers always serializes.
    serde_json::to_vec(&Response { errors: errors.as_slice() }).unwrap_or_default().into()
}
