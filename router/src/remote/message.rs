//! graphql-transport-ws as its client speaks it.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use crate::error::{GraphQLError, PathSegment, code};

/// The subprotocol's name.
pub(super) const NAME: &str = "graphql-transport-ws";
/// Of the only operation on a connection.
const ID: &str = "1";
/// Most errors taken over from one message.
const MAX_ERRORS: usize = 100;

/// What a subgraph says, as far as it concerns anybody.
#[derive(Debug)]
pub(super) enum Message {
    Acknowledged,
    Ping,
    /// An event's response, JSON.
    Next(Box<RawValue>),
    Error(Vec<Problem>),
    Complete,
    /// A sign of life.
    Pong,
}

/// An error as a subgraph writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    path: Option<Vec<Value>>,
    #[serde(default)]
    extensions: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: &'a str,
    id: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Reads a message; None where it is not one of the protocol.
pub(super) fn read(text: &str) -> Option<Message> {
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    let ours = envelope.id == Some(ID);
    Some(match envelope.r#type {
        "connection_ack" => Message::Acknowledged,
        "ping" => Message::Ping,
        "pong" => Message::Pong,
        "next" if ours => Message::Next(envelope.payload?.to_owned()),
        "error" if ours => {
            let mut problems: Vec<_> = serde_json::from_str(envelope.payload?.get()).ok()?;
            problems.truncate(MAX_ERRORS);
            Message::Error(problems)
        }
        "complete" if ours => Message::Complete,
        _ => return None,
    })
}

/// `connection_init`, with the headers for servers that look only there.
pub(super) fn init(headers: &HeaderMap) -> String {
    let pairs = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
    });
    json!({ "type": "connection_init", "payload": pairs.collect::<Map<_, _>>() }).to_string()
}

pub(super) fn subscribe(document: &str, variables: &Map<String, Value>) -> String {
    let payload = json!({ "query": document, "variables": variables });
    json!({ "type": "subscribe", "id": ID, "payload": payload }).to_string()
}

pub(super) fn pong() -> String {
    json!({ "type": "pong" }).to_string()
}

pub(super) fn complete() -> String {
    json!({ "type": "complete", "id": ID }).to_string()
}

/// An event's response.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    /// The subscription's root object.
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) errors: Vec<Problem>,
}

impl Problem {
    /// The same for the client.
    pub(super) fn public(self, service: &str) -> GraphQLError {
        let message = self.message.unwrap_or_else(|| "The subgraph gave no reason.".to_owned());
        let mut error = GraphQLError::new(code::INTERNAL_SERVER_ERROR, message);
        error.extensions.extend(self.extensions.unwrap_or_default());
        error.path = self.path.map(|path| path.iter().filter_map(segment).collect());
        error.of_service(service)
    }
}

fn segment(value: &Value) -> Option<PathSegment> {
    match value {
        Value::String(key) => Some(PathSegment::Key(key.clone())),
        value => Some(PathSegment::Index(usize::try_from(value.as_u64()?).ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_protocol_are_read_and_others_are_not() {
        let is = |text: &str| read(text).is_some();
        assert!(is(r#"{"type":"connection_ack","payload":{}}"#) && is(r#"{"type":"ping"}"#));
        assert!(is(r#"{"id":"1","type":"next","payload":{"data":null}}"#));
        assert!(is(r#"{"type":"error","id":"1","payload":[{"message":"no"}]}"#));
        for wrong in [
            "",
            "5",
            "{}",
            r#"{"type":"next","id":"2","payload":{}}"#,
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"error","id":"1","payload":{"message":"no"}}"#,
            r#"{"type":"greeting"}"#,
        ] {
            assert!(!is(wrong), "{wrong}");
        }
    }
}
