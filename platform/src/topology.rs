//! Topology is data: the streams and consumers in nats/*.json, put up on a server under the
//! installation's prefix.
//!
//! The files have the fields of JetStream's own configuration; only durations are written with a
//! unit (`"10s"`, `"7d"`) rather than in nanoseconds. Names and subjects stand there without prefix.

use std::collections::HashMap;

use async_nats::jetstream::consumer::{self, PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamError, DeleteStreamError, GetStreamError};
use async_nats::jetstream::stream::{self, ConsumerError};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

use crate::bus::Bus;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nats");

/// Fields that hold a duration.
const DURATIONS: [&str; 5] =
    ["max_age", "duplicate_window", "ack_wait", "inactive_threshold", "max_expires"];

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
    /// A consumer can't be created or changed.
    #[error("consumer {consumer} can't be put up")]
    Consumer {
        /// Name of the consumer.
        consumer: String,
        /// Why.
        #[source]
        source: ConsumerError,
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
    consumers: Vec<Value>,
}

/// A stream with its consumers, as one file of nats/ says, without prefix.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The stream.
    pub stream: stream::Config,
    /// Its durable pull consumers.
    pub consumers: Vec<pull::Config>,
}

/// How a stream is at the moment.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Full name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their size.
    pub bytes: u64,
    /// Most messages that it takes; -1 without limit.
    pub messages_max: i64,
    /// Its consumers.
    pub consumers: Vec<ConsumerStatus>,
}

/// How a consumer is at the moment.
#[derive(Clone, Debug)]
pub struct ConsumerStatus {
    /// Name.
    pub name: String,
    /// Messages that it hasn't been sent yet.
    pub waiting: u64,
    /// Messages that it was sent and hasn't confirmed.
    pub unconfirmed: usize,
    /// Messages that it was sent more than once.
    pub redelivered: usize,
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
    let consumers = raw.consumers.into_iter().map(known).collect::<Result<_, _>>()?;
    Ok(Declared { stream: known(raw.stream)?, consumers })
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
    /// The same under the bus's prefix.
    fn prefixed(mut self, bus: &Bus) -> Self {
        self.stream.name = bus.stream(&self.stream.name);
        for subject in &mut self.stream.subjects {
            *subject = bus.subject(subject);
        }
        for source in self.stream.sources.iter_mut().flatten() {
            source.name = bus.stream(&source.name);
        }
        for consumer in &mut self.consumers {
            for filter in &mut consumer.filter_subjects {
                *filter = bus.subject(filter);
            }
            if !consumer.filter_subject.is_empty() {
                consumer.filter_subject = bus.subject(&consumer.filter_subject);
            }
        }
        self
    }
}

/// Creates what is missing and changes what differs; what is as it should be stays untouched. A
/// stream whose source was lost and made again is made again as well.
///
/// # Errors
/// When a file isn't what it should be or the server refuses.
pub async fn apply(bus: &Bus) -> Result<(), TopologyError> {
    apply_all(bus, declared()?).await
}

async fn apply_all(bus: &Bus, all: Vec<Declared>) -> Result<(), TopologyError> {
    let mut made = HashMap::new();
    for declared in all {
        let Declared { stream, consumers } = declared.prefixed(bus);
        let name = stream.name.clone();
        let refused = |source| TopologyError::Stream { stream: name.clone(), source };
        let drawn: Vec<_> = stream.sources.iter().flatten().map(|s| s.name.clone()).collect();
        let mut info =
            bus.jetstream().create_or_update_stream(stream.clone()).await.map_err(refused)?;
        // A stream goes on after the last position that it drew from its source. If the source was
        // lost and made again, positions begin anew, and what comes up to that one would be passed
        // over in silence. So it begins anew too; who follows it sees that by its creation time.
        if drawn.iter().any(|source| made.get(source) > Some(&info.created)) {
            tracing::warn!(stream = name, "made again, because what it draws from was");
            let deleted = bus.jetstream().delete_stream(&name).await;
            deleted
                .map_err(|error| TopologyError::Delete { stream: name.clone(), source: error })?;
            info = bus.jetstream().create_or_update_stream(stream).await.map_err(refused)?;
        }
        made.insert(name.clone(), info.created);
        for config in consumers {
            let consumer = config.durable_name.clone().unwrap_or_default();
            bus.jetstream()
                .create_consumer_on_stream(config, &name)
                .await
                .map_err(|source| TopologyError::Consumer { consumer, source })?;
        }
    }
    Ok(())
}

/// How all streams and consumers are at the moment.
///
/// # Errors
/// When one of them isn't there or the server gives no answer.
pub async fn status(bus: &Bus) -> Result<Vec<StreamStatus>, TopologyError> {
    let mut all = Vec::new();
    for declared in declared()? {
        let declared = declared.prefixed(bus);
        let name = declared.stream.name;
        let not_there =
            |source| TopologyError::NotThere { stream: name.clone(), source: Box::new(source) };
        let stream = bus.jetstream().get_stream(&name).await.map_err(not_there)?;
        let mut consumers = Vec::new();
        for config in declared.consumers {
            let consumer = config.durable_name.unwrap_or_default();
            let info = stream.consumer_info(&consumer).await.map_err(|source| {
                TopologyError::ConsumerNotThere {
                    consumer: consumer.clone(),
                    source: source.into(),
                }
            })?;
            consumers.push(ConsumerStatus::of(&info));
        }
        let info = stream.cached_info();
        all.push(StreamStatus {
            messages: info.state.messages,
            bytes: info.state.bytes,
            messages_max: info.config.max_messages,
            consumers,
            name,
        });
    }
    Ok(all)
}

impl ConsumerStatus {
    fn of(info: &consumer::Info) -> Self {
        Self {
            name: info.name.clone(),
            waiting: info.num_pending,
            unconfirmed: info.num_ack_pending,
            redelivered: info.num_redelivered,
        }
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
