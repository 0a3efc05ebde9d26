//! Events: what happened, as it is told to other services and to live clients.
//!
//! On the wire an event is a `CloudEvents` 1.0 envelope in JSON; what the push plane needs stands in
//! the message's headers too, so that it never parses a body.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// Header: CloudEvents type of the event.
pub const HEADER_TYPE: &str = "Moim-Type";
/// Header: when it happened, RFC 3339.
pub const HEADER_TIME: &str = "Moim-Time";
/// Header: compact JSON of references to what changed, by field of the virtual event type.
pub const HEADER_CHANGED: &str = "Moim-Changed";
/// Header: the event was published before, and only fills a lost stream again. Live clients aren't
/// told of it.
pub const HEADER_REPUBLISHED: &str = "Moim-Republished";
/// Header: W3C trace context of what caused the event.
pub const HEADER_TRACE: &str = "traceparent";

/// First subject tokens of domain events.
pub const EVENT_ROOT: &str = "moim.event";
/// First subject tokens of live traffic.
pub const LIVE_ROOT: &str = "moim.live";

/// What becomes of an event once it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Domain event: stays in the stream and in the outbox for 7 days.
    Event,
    /// Live traffic: for those who watch now; forgotten soon after.
    Live,
}

impl Class {
    fn root(self) -> &'static str {
        match self {
            Self::Event => EVENT_ROOT,
            Self::Live => LIVE_ROOT,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Live => "live",
        }
    }
}

/// An event to be appended to the outbox.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// CloudEvents type, `moim.<entity>.<verb>.v1`.
    pub kind: &'static str,
    /// Name of the service that tells it.
    pub source: &'static str,
    /// Events with the same key arrive in the order of their commits.
    pub ordering_key: Uuid,
    /// Kind of entity, a single subject token.
    pub entity: &'static str,
    /// The entity that it is about.
    pub entity_id: Uuid,
    /// What happened, a single subject token.
    pub verb: &'static str,
    /// Domain event or live traffic.
    pub class: Class,
    /// The event's own data, as its JSON Schema says.
    pub data: Value,
    /// References to what changed, by field of the virtual event type; `{}` if nobody watches.
    pub changed: Value,
    /// Cache keys (of `cache::Kind::key`) that are dropped before the event is published.
    pub invalidates: Vec<String>,
}

impl NewEvent {
    /// The subject without the installation's prefix.
    #[must_use]
    pub fn subject(&self) -> String {
        format!(
            "{}.{}.{}.{}.{}",
            self.class.root(),
            self.ordering_key,
            self.entity,
            self.entity_id,
            self.verb
        )
    }

    /// The CloudEvents envelope under the given id and time.
    #[must_use]
    pub fn envelope(&self, id: Uuid, time: DateTime<Utc>) -> Value {
        json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": self.kind,
            "subject": self.entity_id,
            "time": rfc3339(time),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}

/// An event as a consumer receives it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Unique id; the same on every redelivery.
    pub id: Uuid,
    /// CloudEvents type, `moim.<entity>.<verb>.v1`.
    pub kind: String,
    /// Name of the service that told it.
    pub source: String,
    /// Subject of the message without the installation's prefix.
    pub subject: String,
    /// Id of the entity that it is about.
    pub entity_id: Option<Uuid>,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The event's own data.
    pub data: Value,
}

/// A message that is no event.
#[derive(Debug, thiserror::Error)]
pub enum MalformedEvent {
    /// The body isn't a CloudEvents envelope.
    #[error("not a CloudEvents envelope: {0}")]
    Envelope(#[from] serde_json::Error),
    /// The envelope is of another version of CloudEvents.
    #[error("CloudEvents version {0:?} is not understood (1.0 is)")]
    Version(String),
}

#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    subject: Option<String>,
    time: DateTime<Utc>,
    #[serde(default)]
    data: Value,
}

impl Event {
    /// Reads an envelope. `subject` is the message's subject without the prefix.
    ///
    /// # Errors
    /// When the body isn't a CloudEvents 1.0 envelope in JSON.
    pub fn read(subject: &str, body: &[u8]) -> Result<Self, MalformedEvent> {
        let envelope: Envelope = serde_json::from_slice(body)?;
        if envelope.specversion != "1.0" {
            return Err(MalformedEvent::Version(envelope.specversion));
        }
        Ok(Self {
            id: envelope.id,
            kind: envelope.kind,
            source: envelope.source,
            subject: subject.to_owned(),
            entity_id: envelope.subject.and_then(|id| id.parse().ok()),
            time: envelope.time,
            data: envelope.data,
        })
    }

    /// The event's data as a type of the consumer.
    ///
    /// # Errors
    /// When the data has another shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.data)
    }
}

/// RFC 3339 in UTC with milliseconds, as it stands in events.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new(class: Class, data: Value) -> NewEvent {
        NewEvent {
            kind: "moim.meeting.ended.v1",
            source: "meeting",
            ordering_key: Uuid::now_v7(),
            entity: "meeting",
            entity_id: Uuid::now_v7(),
            verb: "ended",
            class,
            data,
            changed: json!({}),
            invalidates: vec![],
        }
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(text in any::<String>(), millis in 0_i64..4_000_000_000_000) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let (id, written) = (Uuid::now_v7(), new(Class::Event, json!({ "text": text })));
            let body = written.envelope(id, time).to_string();
            let read = Event::read(&written.subject(), body.as_bytes()).unwrap();
            prop_assert_eq!((read.id, read.time), (id, time));
            prop_assert_eq!((read.kind.as_str(), read.source.as_str()), (written.kind, "meeting"));
            prop_assert_eq!(read.entity_id, Some(written.entity_id));
            prop_assert_eq!(read.data, written.data);
        }

        #[test]
        fn what_is_no_envelope_is_refused_and_never_panics(body in any::<Vec<u8>>()) {
            prop_assert!(Event::read("moim.event.x", &body).is_err());
        }
    }

    #[test]
    fn live_traffic_has_subjects_of_its_own() {
        assert!(new(Class::Event, json!({})).subject().starts_with("moim.event."));
        assert!(new(Class::Live, json!({})).subject().starts_with("moim.live."));
    }

    #[test]
    fn another_version_of_cloudevents_is_refused() {
        let body = new(Class::Event, json!({})).envelope(Uuid::now_v7(), Utc::now());
        let body = body.to_string().replace(r#""specversion":"1.0""#, r#""specversion":"2.0""#);
        assert!(matches!(Event::read("x", body.as_bytes()), Err(MalformedEvent::Version(_))));
    }
}
