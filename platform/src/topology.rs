//! Topology is data: the streams, consumers and queues in nats/*.json, put up on a server under the
//! installation's prefix.
//!
//! The files have the fields of JetStream's own configuration; only durations are written with a
//! unit (`"10s"`, `"7d"`) rather than in nanoseconds. Names and subjects stand there without prefix.
//! A work queue has a section `queue` besides: see [`QueueSpec`].

mod apply;
mod queue;
mod status;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamError, DeleteStreamError, GetStreamError};
use async_nats::jetstream::stream::{self, ConsumerError};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

use crate::bus::{Bus, REPLAY_ROOT};

pub use apply::apply;
pub use queue::{Backoff, JobSpec, QueueSpec, Workers, queue, queues};
pub(crate) use status::status_of;
pub use status::{ConsumerStatus, StreamStatus, missing, status};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nats");

/// Fields that hold a duration.
const DURATIONS: [&str; 5] =
    ["max_age", "duplicate_window", "ack_wait", "inactive_threshold", "max_expires"];
/// How subjects of the server's advisories about messages begin that it gave up; then come the
/// stream's name and the consumer's.
const ADVISORY_ROOT: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.";

/// Why the topology can't be read, put up or looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// A file isn't what it should be.
    #[error("nats/{file} can't be read: {reason}")]
    File {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No file has the consumer.
    #[error("there is no consumer {0} in nats/")]
    NoSuchConsumer(String),
    /// A stream can't be created or changed.
    #[error("stream {stream} can't be put up")]
    Stream {
        /// Full name of the stream.
        stream: String,
        /// Why.
        #[source]
        source: CreateStreamError,
    },
    /// A stream that has to be made again can't be deleted.
    #[error("stream {stream} can't be deleted")]
    Delete {
        /// Full name of the stream.
        stream: String,
        /// Why.
        #[source]
        source: DeleteStreamError,
    },
    /// A consumer can't be created, changed or removed.
    #[error("consumer {consumer} can't be put up")]
    Consumer {
        /// Name of the consumer.
        consumer: String,
        /// Why.
        #[source]
        source: ConsumerError,
    },
    /// The consumers of a stream can't be looked at.
    #[error("the consumers of stream {stream} can't be listed")]
    Consumers {
        /// Full name of the stream.
        stream: String,
        /// Why.
        #[source]
        source: crate::subgraph::Cause,
    },
    /// A stream isn't there: the topology was not applied.
    #[error("stream {stream} is not there (has the topology been applied?)")]
    NotThere {
        /// Full name of the stream.
        stream: String,
        /// Why.
        #[source]
        source: Box<GetStreamError>,
    },
    /// A consumer isn't there: the topology was not applied.
    #[error("consumer {consumer} is not there (has the topology been applied?)")]
    ConsumerNotThere {
        /// Name of the consumer.
        consumer: String,
        /// Why.
        #[source]
        source: crate::subgraph::Cause,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    stream: Value,
    queue: Option<QueueSpec>,
    consumers: Vec<Value>,
}

/// A stream with its consumers, as one file of nats/ says, without prefix.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The stream.
    pub stream: stream::Config,
    /// The figures of the work queue, if the stream is one.
    pub queue: Option<QueueSpec>,
    /// Its durable pull consumers.
    pub consumers: Vec<pull::Config>,
}

/// All streams and consumers as nats/ says, those that others draw from first.
///
/// # Errors
/// When a file isn't what it should be.
pub fn declared() -> Result<Vec<Declared>, TopologyError> {
    let mut all = Vec::new();
    for file in FILES.files().filter(|file| file.path().extension() == Some("json".as_ref())) {
        let name = file.path().display().to_string();
        let declared = read(file.contents());
        all.push(declared.map_err(|reason| TopologyError::File { file: name, reason })?);
    }
    all.sort_by_key(|one| (one.stream.sources.is_some(), one.stream.name.clone()));
    Ok(all)
}

fn read(text: &[u8]) -> Result<Declared, String> {
    let raw: Raw = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let stream: stream::Config = known(raw.stream)?;
    let consumers = raw.consumers.into_iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let mut declared = Declared { stream, queue: raw.queue, consumers };
    declared.add_replays();
    Ok(declared)
}

/// Reads a configuration and refuses fields that JetStream doesn't know: a typo would otherwise be
/// a limit that isn't there.
fn known<T: serde::de::DeserializeOwned + serde::Serialize>(raw: Value) -> Result<T, String> {
    let mut fields = match raw {
        Value::Object(fields) => fields,
        _ => return Err("not an object".to_owned()),
    };
    for name in DURATIONS {
        if let Some(Value::String(text)) = fields.get(name) {
            let nanos = nanoseconds(text).ok_or_else(|| format!("{name}: {text:?}"))?;
            fields.insert(name.to_owned(), nanos.into());
        }
    }
    let config: T =
        serde_json::from_value(Value::Object(fields.clone())).map_err(|error| error.to_string())?;
    let written = serde_json::to_value(&config).map_err(|error| error.to_string())?;
    for (name, value) in &fields {
        if written.get(name).is_none() && !is_default(value) {
            return Err(format!("no such field: {name}"));
        }
    }
    Ok(config)
}

/// Defaults aren't written, so that they can't be told from unknown fields.
fn is_default(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value == &Value::from(0)
}

fn nanoseconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let factor: u64 = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl Declared {
    /// Lets each consumer hear the messages that are replayed to it alone, if the stream takes any.
    fn add_replays(&mut self) {
        if !self.stream.subjects.iter().any(|subject| subject == &format!("{REPLAY_ROOT}.>")) {
            return;
        }
        for consumer in &mut self.consumers {
            if let Some(name) = &consumer.durable_name {
                consumer.filter_subjects.push(format!("{REPLAY_ROOT}.{name}"));
            }
        }
    }

    /// The same under the bus's prefix.
    fn prefixed(mut self, bus: &Bus) -> Self {
        self.stream.name = bus.stream(&self.stream.name);
        for subject in &mut self.stream.subjects {
            *subject = prefixed(bus, subject);
        }
        for source in self.stream.sources.iter_mut().flatten() {
            source.name = bus.stream(&source.name);
            if let Some(filter) = &mut source.filter_subject {
                *filter = prefixed(bus, filter);
            }
        }
        for consumer in &mut self.consumers {
            for filter in &mut consumer.filter_subjects {
                *filter = prefixed(bus, filter);
            }
            if !consumer.filter_subject.is_empty() {
                consumer.filter_subject = prefixed(bus, &consumer.filter_subject);
            }
        }
        self
    }
}

/// A subject under the bus's prefix. In the server's own advisories the stream's name has it.
fn prefixed(bus: &Bus, subject: &str) -> String {
    match subject.strip_prefix(ADVISORY_ROOT).and_then(|rest| rest.split_once('.')) {
        Some((stream, rest)) => format!("{ADVISORY_ROOT}{}.{rest}", bus.stream(stream)),
        None => bus.subject(subject),
    }
}

/// The consumer of a name, which is unique among all streams.
pub(crate) async fn consumer(bus: &Bus, name: &str) -> Result<PullConsumer, TopologyError> {
    let stream = declared()?
        .into_iter()
        .find(|one| one.consumers.iter().any(|c| c.durable_name.as_deref() == Some(name)))
        .map(|one| bus.stream(&one.stream.name))
        .ok_or_else(|| TopologyError::NoSuchConsumer(name.to_owned()))?;
    bus.jetstream().get_consumer_from_stream(name, stream).await.map_err(|source| {
        TopologyError::ConsumerNotThere { consumer: name.to_owned(), source: source.into() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(nanoseconds("10s"), Some(10_000_000_000));
        assert_eq!(nanoseconds("7d"), Some(604_800_000_000_000));
        assert_eq!(nanoseconds("250ms"), Some(250_000_000));
        for bad in ["", "10", "s", "1.5h", "10 s", "-1s", "99999999999999999999d"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_field_that_jetstream_does_not_have_is_refused() {
        let stream = r#"{ "name": "A", "retention": "limits", "storage": "file",
                          "discard": "old", "num_replicas": 1, "max_massages": 5 }"#;
        let error = read(format!(r#"{{ "stream": {stream}, "consumers": [] }}"#).as_bytes());
        assert!(error.unwrap_err().contains("max_massages"));
    }
}
