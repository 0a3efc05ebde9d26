//! An event as the push plane knows it: headers only, never a body.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use async_nats::HeaderMap;
use chrono::{DateTime, Utc};
use platform::telemetry::{self, Kind, Span, TRACEPARENT, TraceContext};
use serde_json::{Map, Value};

use super::subject::Filter;

/// CloudEvents type, such as `app.room.changed.v1`.
pub const HEADER_TYPE: &str = "Moim-Type";
/// When it happened, RFC 3339.
pub const HEADER_TIME: &str = "Moim-Time";
/// What changed: a compact JSON object, field of the event type → entity reference.
pub const HEADER_CHANGED: &str = "Moim-Changed";
/// Marks an event that was published before and only fills a lost stream again: whoever
/// follows that stream begins with the state now, which shows it.
pub const HEADER_REPUBLISHED: &str = "Moim-Republished";
/// The id of the event; the same for every copy of it.
pub const HEADER_ID: &str = "Nats-Msg-Id";

/// Most deliveries of one event that are in its trace: with ten thousand subscribers they would be all
/// of it.
const TRACED_MAX: u32 = 16;

/// One event, shared by all its subscribers.
#[derive(Debug)]
pub(super) struct Event {
    /// Its position in the stream.
    pub(super) sequence: u64,
    /// Where it was published, with the prefix.
    pub(super) subject: Box<str>,
    /// The id that removes duplicates; empty when the publisher gave none.
    pub(super) id: Box<str>,
    /// The name for clients, such as `ROOM_CHANGED`.
    pub(super) name: Box<str>,
    /// When it happened, RFC 3339.
    pub(super) occurred_at: Box<str>,
    /// When it came to this process.
    pub(super) arrived: Instant,
    /// The trace of what caused it, where the publisher says so.
    pub(super) trace: Option<TraceContext>,
    /// How many of its deliveries are in the trace.
    pub(super) traced: AtomicU32,
    changed: Box<str>,
    parsed: OnceLock<Map<String, Value>>,
}

impl Event {
    /// Reads an event from a message's headers; None when the message carries no
    /// event for the push plane.
    pub(super) fn read(sequence: u64, subject: &str, headers: Option<&HeaderMap>) -> Option<Self> {
        let text = |name: &str| headers?.get(name).map(|value| value.as_str());
        if text(HEADER_REPUBLISHED).is_some() {
            return None;
        }
        let kind = text(HEADER_TYPE)?;
        let mut event = Self::new(
            sequence,
            subject,
            text(HEADER_ID).unwrap_or_default(),
            kind,
            text(HEADER_TIME).unwrap_or_default(),
            text(HEADER_CHANGED).unwrap_or("{}"),
        );
        event.trace = text(TRACEPARENT).and_then(TraceContext::parse);
        Some(event)
    }

    /// An event from its parts; `kind` is the CloudEvents type, `changed` JSON text.
    pub(super) fn new(
        sequence: u64,
        subject: &str,
        id: &str,
        kind: &str,
        occurred_at: &str,
        changed: &str,
    ) -> Self {
        Self {
            sequence,
            subject: subject.into(),
            id: id.into(),
            name: client_name(kind).into(),
            occurred_at: occurred_at.into(),
            arrived: Instant::now(),
            trace: None,
            traced: AtomicU32::new(0),
            changed: changed.into(),
            parsed: OnceLock::new(),
        }
    }

    /// What changed. Parsed when the first subscriber asks, once for all of them.
    pub(super) fn changed(&self) -> &Map<String, Value> {
        self.parsed.get_or_init(|| match serde_json::from_str(&self.changed) {
            Ok(Value::Object(map)) => map,
            _ => {
                tracing::error!(event = %self.id, subject = %self.subject,
                        "the header {HEADER_CHANGED} is not a JSON object");
                Map::new()
            }
        })
    }

    /// The span of its delivery to one subscriber. None where it belongs to no trace, or enough of its
    /// deliveries are in that already.
    pub(super) fn delivery(&self) -> Option<Span> {
        let above = self.trace.filter(|_| telemetry::exports())?;
        if self.traced.fetch_add(1, Ordering::Relaxed) >= TRACED_MAX {
            return None;
        }
        let mut span = Span::start(Kind::Consumer, Some(above), || "push".into());
        span.set("messaging.system", || "nats");
        span.set("messaging.operation.name", || "push");
        span.set("messaging.operation.type", || "process");
        span.set("messaging.message.id", || self.id.to_string());
        span.set("messaging.destination.name", || self.subject.to_string());
        span.set("moim.event", || self.name.to_string());
        span.is_recorded().then_some(span)
    }

    /// How long ago it happened, in seconds; None where it doesn't say when.
    pub(super) fn lag(&self) -> Option<f64> {
        let occurred = DateTime::parse_from_rfc3339(&self.occurred_at).ok()?;
        Some((Utc::now() - occurred.to_utc()).to_std().unwrap_or_default().as_secs_f64())
    }

    /// Whether one of the filters lets it through.
    pub(super) fn passes(&self, filters: &[Filter]) -> bool {
        filters.iter().any(|filter| filter.matches(&self.subject))
    }

    /// About how much memory it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        // The parsed form weighs about as much as its text again.
        size_of::<Self>()
            + self.subject.len()
            + self.id.len()
            + self.name.len()
            + self.occurred_at.len()
            + 2 * self.changed.len()
    }
}

/// `app.job.stateChanged.v1` → `JOB_STATE_CHANGED`: entity and verb in upper snake.
fn client_name(kind: &str) -> String {
    let mut parts: Vec<&str> = kind.split('.').collect();
    let versioned = parts.last().is_some_and(|last| {
        last.strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    if versioned {
        parts.pop();
    }
    // The first part names the application.
    let own = if parts.len() > 1 { &parts[1..] } else { &parts[..] };
    let mut name = String::with_capacity(kind.len() + 4);
    for part in own {
        if !name.is_empty() {
            name.push('_');
        }
        for (at, c) in part.chars().enumerate() {
            if c.is_ascii_uppercase() && at > 0 {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_become_names_for_clients() {
        for (kind, name) in [
            ("app.task.stateChanged.v1", "TASK_STATE_CHANGED"),
            ("app.room.ended.v12", "ROOM_ENDED"),
            ("app.room.ended", "ROOM_ENDED"),
            ("app.room.minutesReady.v1", "ROOM_MINUTES_READY"),
            ("plain", "PLAIN"),
        ] {
            assert_eq!(client_name(kind), name);
        }
    }

    #[test]
    fn a_message_without_a_type_is_no_event() {
        assert!(Event::read(1, "app.x", None).is_none());
        assert!(Event::read(1, "app.x", Some(&HeaderMap::new())).is_none());
    }

    #[test]
    fn a_republished_event_is_none_for_clients() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_TYPE, "app.room.changed.v1");
        assert!(Event::read(1, "app.x", Some(&headers)).is_some());
        headers.insert(HEADER_REPUBLISHED, "true");
        assert!(Event::read(1, "app.x", Some(&headers)).is_none());
    }

    #[test]
    fn a_broken_payload_is_an_empty_one() {
        let event = Event::new(1, "app.x", "id", "app.x.y.v1", "", "[1");
        assert!(event.changed().is_empty());
    }
}
