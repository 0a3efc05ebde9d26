//! graphql-transport-ws without a socket: what messages say and what must not be.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{GraphQLError, code};

/// The subprotocol's name.
pub(super) const NAME: &str = "graphql-transport-ws";

/// Why the server closes a socket: a code of the protocol and a text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Close {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        // A close frame has room for 123 bytes of it.
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    pub(super) fn bad_message(reason: impl Into<String>) -> Self {
        Self::new(4400, reason)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(4403, "Forbidden")
    }

    pub(super) fn no_subprotocol() -> Self {
        Self::new(4406, "Subprotocol not acceptable")
    }

    pub(super) fn init_timeout() -> Self {
        Self::new(4408, "Connection initialisation timeout")
    }

    fn duplicate(id: &str) -> Self {
        Self::new(4409, format!("Subscriber for {id} already exists"))
    }

    fn repeated_init() -> Self {
        Self::new(4429, "Too many initialisation requests")
    }

    pub(super) fn going_away() -> Self {
        Self::new(1001, code::SUBSCRIPTION_CLOSED)
    }
}

/// What a client says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Pong {
        #[serde(default, rename = "payload")]
        _payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: Subscribe,
    },
    Complete {
        id: String,
    },
}

/// An operation to run.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscribe {
    /// May be left out where a hash in the extensions names a persisted document.
    #[serde(default)]
    pub(super) query: Option<String>,
    #[serde(default)]
    pub(super) operation_name: Option<String>,
    #[serde(default)]
    pub(super) variables: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) extensions: Option<Map<String, Value>>,
}

/// Reads a text frame.
pub(super) fn read(text: &str) -> Result<ClientMessage, Close> {
    // serde's message could repeat what the client sent, a token for example.
    let message: ClientMessage =
        serde_json::from_str(text).map_err(|_| Close::bad_message("Invalid message received"))?;
    match &message {
        ClientMessage::Subscribe { id, .. } if id.is_empty() => {
            Err(Close::bad_message("A subscription needs an id"))
        }
        _ => Ok(message),
    }
}

/// What to do about a message.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Check who it is, then acknowledge.
    Initialise(Map<String, Value>),
    Start {
        id: String,
        operation: Subscribe,
    },
    /// Stop the operation; it may have ended already.
    Stop(String),
    Reply(String),
    Nothing,
    Close(Close),
}

/// Where a connection stands.
#[derive(Debug, Default)]
pub(super) struct Session {
    initialised: bool,
    acknowledged: bool,
}

impl Session {
    /// Judges a message. `running` says whether an operation with an id is running.
    pub(super) fn on(&mut self, message: ClientMessage, running: impl Fn(&str) -> bool) -> Action {
        match message {
            ClientMessage::ConnectionInit { .. } if self.initialised => {
                Action::Close(Close::repeated_init())
            }
            ClientMessage::ConnectionInit { payload } => {
                self.initialised = true;
                Action::Initialise(payload.unwrap_or_default())
            }
            ClientMessage::Ping { payload } => Action::Reply(pong(payload)),
            ClientMessage::Pong { .. } => Action::Nothing,
            ClientMessage::Subscribe { .. } if !self.acknowledged => {
                Action::Close(Close::unauthorized())
            }
            ClientMessage::Subscribe { id, .. } if running(&id) => {
                Action::Close(Close::duplicate(&id))
            }
            ClientMessage::Subscribe { id, payload } => Action::Start { id, operation: payload },
            ClientMessage::Complete { id } => Action::Stop(id),
        }
    }

    /// Whether `connection_init` has come.
    pub(super) fn is_initialised(&self) -> bool {
        self.initialised
    }

    /// Notes that the connection was accepted, and gives what to say.
    pub(super) fn acknowledge(&mut self) -> String {
        self.acknowledged = true;
        r#"{"type":"connection_ack"}"#.to_owned()
    }
}

fn pong(payload: Option<Map<String, Value>>) -> String {
    match payload {
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, Value::Object(payload)),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// One answer of an operation; `response` is its JSON.
pub(super) fn next(id: &str, response: &[u8]) -> String {
    // Responses are written by this program from text that was checked as such.
    let response = String::from_utf8_lossy(response);
    format!(r#"{{"id":{},"type":"next","payload":{response}}}"#, Value::from(id))
}

/// The operation failed and is over.
pub(super) fn error(id: &str, errors: &[GraphQLError]) -> String {
    let errors = serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned());
    format!(r#"{{"id":{},"type":"error","payload":{errors}}}"#, Value::from(id))
}

/// The operation is over.
pub(super) fn complete(id: &str) -> String {
    format!(r#"{{"id":{},"type":"complete"}}"#, Value::from(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIBE: &str = r#"{"id":"1","type":"subscribe","payload":{"query":"{ a }","variables":{"x":1},"extensions":{}}}"#;

    fn codes(messages: &[&str], running: &[&str]) -> Vec<Option<u16>> {
        let mut session = Session::default();
        let judge = |message: &&str| {
            let action = match read(message) {
                Ok(message) => session.on(message, |id| running.contains(&id)),
                Err(close) => Action::Close(close),
            };
            match action {
                Action::Initialise(_) => {
                    session.acknowledge();
                    None
                }
                Action::Close(close) => Some(close.code),
                _ => None,
            }
        };
        messages.iter().map(judge).collect()
    }

    #[test]
    fn the_rules_of_the_protocol() {
        let init = r#"{"type":"connection_init"}"#;
        assert_eq!(codes(&[SUBSCRIBE], &[]), [Some(4401)]);
        assert_eq!(codes(&[init, SUBSCRIBE], &[]), [None, None]);
        assert_eq!(codes(&[init, SUBSCRIBE], &["1"]), [None, Some(4409)]);
        assert_eq!(codes(&[init, init], &[]), [None, Some(4429)]);
        for wrong in [
            "",
            "[]",
            r#"{"type":"hello"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"connection_init","payload":7}"#,
        ] {
            assert_eq!(codes(&[wrong], &[]), [Some(4400)], "{wrong}");
        }
    }

    #[test]
    fn a_ping_is_answered_with_its_payload_even_before_the_init() {
        let mut session = Session::default();
        let ping = read(r#"{"type":"ping","payload":{"a":1}}"#).expect("a message");
        let reply = Action::Reply(r#"{"type":"pong","payload":{"a":1}}"#.to_owned());
        assert_eq!(session.on(ping, |_| false), reply);
        let pong = read(r#"{"type":"pong"}"#).expect("a message");
        assert_eq!(session.on(pong, |_| false), Action::Nothing);
    }

    #[test]
    fn ids_are_written_as_json() {
        let text = next("a\"b", br#"{"data":null}"#);
        let value: Value = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(value["id"], "a\"b");
        assert_eq!(complete("1"), r#"{"id":"1","type":"complete"}"#);
    }

    #[test]
    fn a_reason_fits_its_frame() {
        assert!(Close::duplicate(&"한".repeat(100)).reason.len() <= 123);
    }
}
