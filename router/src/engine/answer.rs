//! A subgraph's answer: bytes in, data and errors out.

use platform::subgraph::{Response, TransportError};
use serde_json::{Map, Value as Json, value::RawValue};

use super::{
    arena::Arena,
    key::Keys,
    read::{Response as Read, read_response},
    value::{Object, Tree, Value},
};
use crate::{
    error::{GraphQLError, PathSegment, code},
    fetch,
};

/// Most errors taken over from one answer.
const MAX_ERRORS_PER_ANSWER: usize = 100;

/// A GraphQL response.
#[derive(Debug)]
pub(super) struct SubgraphAnswer {
    /// None where there is none or null.
    pub(super) data: Option<Object>,
    /// Errors with the subgraph's own paths.
    pub(super) errors: Vec<GraphQLError>,
}

/// Reads what a transport brought; faults become one error without a path.
pub(super) fn read<'a>(
    (tree, keys): (&mut Tree<'a>, &Keys),
    arena: &'a Arena,
    service: &str,
    outcome: Result<Response, TransportError>,
) -> Result<SubgraphAnswer, GraphQLError> {
    let response = outcome.map_err(|error| unreachable_service(service, &error))?;
    let status = response.status();
    match read_response(tree, keys, arena.keep(response.into_body())) {
        Ok(read) => {
            if let Some(answer) = read.and_then(|read| answer(service, &read)) {
                return Ok(answer);
            }
        }
        Err(error) if status.is_success() => {
            tracing::warn!(service, %error, "a subgraph's answer is not JSON");
        }
        Err(_) => {}
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
fn answer(service: &str, read: &Read<'_>) -> Option<SubgraphAnswer> {
    let data = match read.data {
        Some(Value::Object(data)) => Some(data),
        _ => None,
    };
    // Anything but a list is no errors.
    let errors: Vec<&RawValue> =
        read.errors.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let errors = errors.iter().take(MAX_ERRORS_PER_ANSWER);
    let errors: Vec<_> = errors.map(|text| error(service, text)).collect();
    (data.is_some() || !errors.is_empty()).then_some(SubgraphAnswer { data, errors })
}

fn error(service: &str, text: &RawValue) -> GraphQLError {
    // One that is nested too deeply is as good as none.
    let mut fields: Map<String, Json> = serde_json::from_str(text.get()).unwrap_or_default();
    let mut error = GraphQLError {
        message: match fields.remove("message") {
            Some(Json::String(message)) => message,
            _ => "The subgraph gave no reason.".to_owned(),
        },
        locations: Vec::new(),
        path: fields.remove("path").and_then(path),
        extensions: match fields.remove("extensions") {
            Some(Json::Object(map)) => map,
            _ => Map::new(),
        },
    };
    let code = error.extensions.entry("code");
    code.or_insert_with(|| code::INTERNAL_SERVER_ERROR.into());
    error.of_service(service)
}

fn path(value: Json) -> Option<Vec<PathSegment>> {
    let Json::Array(segments) = value else {
        return None;
    };
    let segments = segments.into_iter().map(|segment| match segment {
        Json::String(key) => Some(PathSegment::Key(key)),
        segment => {
            let index = segment.as_u64()?;
            Some(PathSegment::Index(usize::try_from(index).ok()?))
        }
    });
    segments.collect()
}
