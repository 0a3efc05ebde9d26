//! Bounds of the push plane, each with its unit.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the push plane behaves. Every field has a default.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the stream to read, before the prefix is put on.
    pub stream: String,
    /// The most events that the ring in memory holds.
    pub ring_messages: usize,
    /// The most memory that the ring takes, in bytes.
    pub ring_bytes: usize,
    /// How many event ids are remembered to remove duplicates.
    pub recent_ids: usize,
    /// The most events that wait for one slow client before it is cut off.
    pub queue_messages: usize,
    /// How many replays may read from the stream at the same time.
    pub replay_consumers: usize,
    /// How many events one replay reads at a time.
    pub replay_chunk_messages: usize,
    /// The longest wait for a place among the replays, in milliseconds.
    pub replay_wait_ms: u64,
    /// The longest wait for the first contact with the stream, in milliseconds.
    pub ready_timeout_ms: u64,
    /// Pause between signs of life to clients, in milliseconds.
    pub heartbeat_ms: u64,
    /// WebSocket connections.
    pub websocket: WebSocket,
}

/// Bounds of a WebSocket connection.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct WebSocket {
    /// Longest wait for `connection_init`, in milliseconds.
    pub init_timeout_ms: u64,
    /// Operations that one socket may have running.
    pub max_subscriptions: usize,
    /// Read and write buffer of a socket, in bytes.
    pub buffer_bytes: usize,
    /// Largest message from a client, in bytes.
    pub message_max_bytes: usize,
    /// Longest time that one write to a client may take, in milliseconds.
    pub write_timeout_ms: u64,
    /// Pages that may open a socket beside those that CORS allows: `*` for all of them,
    /// or origins such as `https://app.example.org`. A page of the router's own host always may, and
    /// so may clients that are no browsers and send no `Origin`.
    pub allowed_origins: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stream: "PUSH".to_owned(),
            ring_messages: 8_192,
            ring_bytes: 16 * 1024 * 1024,
            recent_ids: 65_536,
            queue_messages: 256,
            replay_consumers: 8,
            replay_chunk_messages: 512,
            replay_wait_ms: 10_000,
            ready_timeout_ms: 5_000,
            heartbeat_ms: 12_000,
            websocket: WebSocket::default(),
        }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            init_timeout_ms: 10_000,
            max_subscriptions: 100,
            buffer_bytes: 4 * 1024,
            message_max_bytes: 1024 * 1024,
            write_timeout_ms: 30_000,
            allowed_origins: Vec::new(),
        }
    }
}

impl WebSocket {
    /// Whether a page of `origin` may open a socket on `host` (the `Host` header);
    /// `also` are origins that something else allows.
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>, also: &[String]) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        let own = origin
            .split_once("://")
            .is_some_and(|(_, authority)| host.is_some_and(|h| h.eq_ignore_ascii_case(authority)));
        let mut listed = self.allowed_origins.iter().chain(also);
        own || listed.any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_refused_unless_listed() {
        let mut config = WebSocket::default();
        let host = Some("127.0.0.1:4000");
        assert!(config.allows(None, host, &[]));
        assert!(config.allows(Some("http://127.0.0.1:4000"), host, &[]));
        assert!(!config.allows(Some("http://127.0.0.1:4001"), host, &[]));
        assert!(!config.allows(Some("null"), host, &[]));
        config.allowed_origins = vec!["https://app.example.org".to_owned()];
        assert!(config.allows(Some("https://app.example.org"), host, &[]));
        assert!(!config.allows(Some("https://app.example.org.evil.org"), host, &[]));
        config.allowed_origins = vec!["*".to_owned()];
        assert!(config.allows(Some("https://anything"), host, &[]));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"ring_messages":5}"#).is_ok());
        assert!(serde_json::from_str::<Config>(r#"{"ring":5}"#).is_err());
    }
}
