//! A GraphQL request out of an HTTP request.

use http::{HeaderMap, HeaderName, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    document::Asked,
    engine::Variables,
    error::{GraphQLError, code},
    limit,
};

/// Headers that make a browser ask before it sends a request to another origin.
const PREFLIGHT_HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("x-apollo-operation-name"),
];

/// What an HTTP request holds.
#[derive(Debug)]
pub(crate) enum Requests {
    One(Box<GraphQLRequest>),
    /// Some of them may be none.
    Batch(Vec<Result<GraphQLRequest, Refusal>>),
}

/// A GraphQL request.
#[derive(Debug)]
pub(crate) struct GraphQLRequest {
    pub(crate) document: Asked,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Variables,
    /// Whether `extensions.cost` is asked for.
    pub(crate) wants_cost: bool,
}

/// Why this is no GraphQL request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: GraphQLError,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, error: GraphQLError::new(code, message) }
    }

    fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, message)
    }
}

impl From<GraphQLError> for Refusal {
    fn from(error: GraphQLError) -> Self {
        Self { status: error.status(), error }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    extensions: Value,
}

/// The parameters of a `GET`: JSON inside the query string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryParameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl Requests {
    /// Reads the body of a `POST`; a batch has at most so many requests.
    pub(crate) fn from_body(
        headers: &HeaderMap,
        body: &[u8],
        batch_max: usize,
    ) -> Result<Self, Refusal> {
        if !is_json(headers) {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                code::BAD_REQUEST,
                "The body must be JSON, with `content-type: application/json`.",
            ));
        }
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(Self::One(Box::new(GraphQLRequest::from_json(body)?))),
            Some(b'[') => batch(body, batch_max).map(Self::Batch),
            _ => Err(Refusal::bad("The body must be a JSON object.")),
        }
    }
}

fn batch(body: &[u8], max: usize) -> Result<Vec<Result<GraphQLRequest, Refusal>>, Refusal> {
    let requests: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad("The body is not a batch of GraphQL requests as JSON."))?;
    if requests.is_empty() {
        return Err(Refusal::bad("The batch has no requests."));
    }
    if requests.len() > max {
        let (code, what) = (limit::code::BATCH, "The batch's requests number");
        let error = limit::exceeded(code, what, requests.len() as u64, max as u64);
        return Err(Refusal { status: StatusCode::BAD_REQUEST, error });
    }
    let read = |request: &&RawValue| match request.get().starts_with('{') {
        true => GraphQLRequest::from_json(request.get().as_bytes()),
        false => Err(Refusal::bad("A request of the batch is no JSON object.")),
    };
    Ok(requests.iter().map(read).collect())
}

impl GraphQLRequest {
    fn from_json(text: &[u8]) -> Result<Self, Refusal> {
        let parameters: Parameters = serde_json::from_slice(text)
            .map_err(|_| Refusal::bad("The body is not a GraphQL request as JSON."))?;
        parameters.request()
    }

    /// Reads the query string of a `GET`.
    pub(crate) fn from_query(parameters: QueryParameters) -> Result<Self, Refusal> {
        let json = |name: &str, text: Option<String>| match text {
            None => Ok(Value::Null),
            Some(text) if text.is_empty() => Ok(Value::Null),
            Some(text) => serde_json::from_str(&text)
                .map_err(|_| Refusal::bad(&format!("The parameter `{name}` must be JSON."))),
        };
        let parameters = Parameters {
            query: parameters.query,
            operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
            variables: json("variables", parameters.variables)?,
            extensions: json("extensions", parameters.extensions)?,
        };
        parameters.request()
    }
}

impl Parameters {
    fn request(self) -> Result<GraphQLRequest, Refusal> {
        let extensions = match self.extensions {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            _ => return Err(Refusal::bad("`extensions` must be a JSON object.")),
        };
        let bad = |error| Refusal { status: StatusCode::BAD_REQUEST, error };
        let document = Asked::new(self.query, &extensions).map_err(bad)?;
        let variables = Variables::from_json(self.variables).map_err(bad)?;
        let wants_cost = extensions.get("cost") == Some(&Value::Bool(true));
        Ok(GraphQLRequest { document, operation_name: self.operation_name, variables, wants_cost })
    }
}

/// Refuses what a page of another origin could make a browser send without
/// asking: a request without a content type that is not simple, and without one
/// of the two headers. It is Apollo's rule; a `POST` passes by its JSON type.
pub(crate) fn check_csrf(headers: &HeaderMap) -> Result<(), Refusal> {
    let has = |name: &HeaderName| headers.get(name).is_some_and(|value| !value.is_empty());
    if PREFLIGHT_HEADERS.iter().any(has) || has_preflighted_type(headers) {
        return Ok(());
    }
    Err(Refusal::bad(
        "This request could be a cross-site forgery. Send the header `apollo-require-preflight` \
         with any value, or `content-type: application/json`.",
    ))
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn has_preflighted_type(headers: &HeaderMap) -> bool {
    const SIMPLE: [&str; 3] =
        ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    media_type(headers)
        .is_some_and(|media| media.contains('/') && !SIMPLE.contains(&media.as_str()))
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media == "application/json")
}
