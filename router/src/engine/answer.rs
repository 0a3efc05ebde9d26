//! A subgraph's answer: bytes in, data and errors out.

use platform::subgraph::{Response, TransportError};
use serde_json::Map;

use super::{arena::Arena, value::Value};
use crate::{
    error::{GraphQLError, PathSegment, code},
    fetch,
};

/// Most errors taken over from one answer.
const MAX_ERRORS_PER_ANSWER: usize = 100;

/// A GraphQL response.
#[derive(Debug)]
pub(super) struct SubgraphAnswer<'a> {
    pub(super) data: Value<'a>,
    /// Errors with the subgraph's own paths.
    pub(super) errors: Vec<GraphQLError>,
}

/// Reads what a transport brought; faults become one error without a path.
pub(super) fn read<'a>(
    arena: &'a Arena,
    service: &str,
    outcome: Result<Response, TransportError>,
) -> Result<SubgraphAnswer<'a>, GraphQLError> {
    let response = outcome.map_err(|error| unreachable_service(service, &error))?;
    let status = response.status();
    let body = arena.keep(response.into_body());
    let parsed = Value::parse(body);
    if let Ok(Value::Object(fields)) = parsed {
        let answer = from_fields(service, fields);
        if let Some(answer) = answer {
            return Ok(answer);
        }
    } else if let Err(error) = parsed
        && status.is_success()
    {
        tracing::warn!(service, %error, "a subgraph's answer is not JSON");
    }
    if status.is_success() {
        let message = format!("The subgraph \"{service}\" did not answer with a GraphQL response.");
        let error = GraphQLError::new(code::SUBREQUEST_MALFORMED_RESPONSE, message);
        return Err(error.of_service(service));
    }
    tracing::warn!(service, %status, "a subgraph answered with an HTTP error");
    let message = format!("The subgraph \"{service}\" answered with the HTTP status {status}.");
    let mut error = GraphQLError::new(code::SUBREQUEST_HTTP_ERROR, message).of_service(service);
    error.extensions.insert("http".to_owned(), serde_json::json!({ "status": status.as_u16() }));
    Err(error)
}

fn unreachable_service(service: &str, error: &TransportError) -> GraphQLError {
    if let Some(refused) = fetch::refusal(error) {
        return GraphQLError::new(refused.code(), refused.message(service)).of_service(service);
    }
    tracing::warn!(service, error = error as &dyn std::error::Error, "a subgraph call failed");
    let (code, message) = match error {
        TransportError::Timeout(_) => (
            code::SUBREQUEST_TIMEOUT,
            format!("The subgraph \"{service}\" did not answer in time."),
        ),
        TransportError::TooLarge(_) => (
            code::SUBREQUEST_MALFORMED_RESPONSE,
            format!("The answer of the subgraph \"{service}\" is too large."),
        ),
        _ => {
            (code::SUBREQUEST_HTTP_ERROR, format!("The subgraph \"{service}\" cannot be reached."))
        }
    };
    GraphQLError::new(code, message).of_service(service)
}

/// None where there is neither data nor an error.
fn from_fields<'a>(service: &str, fields: Vec<(&'a str, Value<'a>)>) -> Option<SubgraphAnswer<'a>> {
    let mut data = Value::Null;
    let mut errors = Vec::new();
    for (key, value) in fields {
        match (key, value) {
            ("data", value @ Value::Object(_)) => data = value,
            ("errors", Value::List(items)) => {
                let items = items.iter().take(MAX_ERRORS_PER_ANSWER);
                errors = items.map(|item| error(service, item)).collect();
            }
            _ => {}
        }
    }
    (data != Value::Null || !errors.is_empty()).then_some(SubgraphAnswer { data, errors })
}

fn error(service: &str, value: &Value<'_>) -> GraphQLError {
    let message = value.field("message").map(Value::to_json);
    let extensions = match value.field("extensions").map(Value::to_json) {
        Some(serde_json::Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut error = GraphQLError {
        message: match message {
            Some(serde_json::Value::String(message)) => message,
            _ => "The subgraph gave no reason.".to_owned(),
        },
        locations: Vec::new(),
        path: value.field("path").and_then(path),
        extensions,
    };
    let code = error.extensions.entry("code");
    code.or_insert_with(|| code::INTERNAL_SERVER_ERROR.into());
    error.of_service(service)
}

fn path(value: &Value<'_>) -> Option<Vec<PathSegment>> {
    let serde_json::Value::Array(segments) = value.to_json() else {
        return None;
    };
    let segments = segments.into_iter().map(|segment| match segment {
        serde_json::Value::String(key) => Some(PathSegment::Key(key)),
        segment => {
            let index = segment.as_u64()?;
            Some(PathSegment::Index(usize::try_from(index).ok()?))
        }
    });
    segments.collect()
}
