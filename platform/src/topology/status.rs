//! What streams and consumers hold at the moment.

use std::time::Duration;

use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::{ErrorCode, consumer};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Declared, TopologyError, declared};
use crate::bus::Bus;

/// How a stream is at the moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatus {
    /// Full name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their size.
    pub bytes: u64,
    /// Most messages that it takes; -1 without limit.
    pub messages_max: i64,
    /// Age of its oldest message in milliseconds; `None` when it is empty.
    pub oldest_ms: Option<u64>,
    /// Its consumers.
    pub consumers: Vec<ConsumerStatus>,
}

/// How a consumer is at the moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// Name.
    pub name: String,
    /// Messages that it hasn't been sent yet: its lag.
    pub waiting: u64,
    /// Messages that it was sent and hasn't confirmed.
    pub unconfirmed: usize,
    /// Messages that it was sent more than once and hasn't confirmed.
    pub redelivered: usize,
    /// Requests for the next message that wait at the server: who listens.
    pub pulls: usize,
    /// Since when it has confirmed nothing, in milliseconds; `None` if it never did.
    pub confirmed_ms: Option<u64>,
}

/// How all streams and consumers are at the moment.
///
/// # Errors
/// When one of them isn't there or the server gives no answer.
pub async fn status(bus: &Bus) -> Result<Vec<StreamStatus>, TopologyError> {
    status_of(bus, |_, _| true).await
}

/// The same of some: `wanted` is asked for each stream's name (without prefix) and then for each of
/// its consumers. A stream without a consumer that is wanted counts if it is wanted itself.
///
/// # Errors
/// The same.
pub(crate) async fn status_of(
    bus: &Bus,
    wanted: impl Fn(&str, Option<&str>) -> bool,
) -> Result<Vec<StreamStatus>, TopologyError> {
    let mut all = Vec::new();
    for mut declared in declared()? {
        let plain = declared.stream.name.clone();
        declared.consumers.retain(|consumer| wanted(&plain, consumer.durable_name.as_deref()));
        if declared.consumers.is_empty() && !wanted(&plain, None) {
            continue;
        }
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
        let oldest = (info.state.messages > 0).then_some(info.state.first_timestamp);
        all.push(StreamStatus {
            messages: info.state.messages,
            bytes: info.state.bytes,
            messages_max: info.config.max_messages,
            oldest_ms: oldest.and_then(|at| since(at.unix_timestamp_nanos())),
            consumers,
            name,
        });
    }
    Ok(all)
}

/// What of nats/ isn't there, like `stream EVENTS`; nothing is changed.
///
/// # Errors
/// When the server gives no answer.
pub async fn missing(bus: &Bus) -> Result<Vec<String>, TopologyError> {
    let mut missing = Vec::new();
    for declared in declared()? {
        let Declared { stream, consumers, .. } = declared.prefixed(bus);
        let name = stream.name;
        let stream = match bus.jetstream().get_stream(&name).await {
            Ok(stream) => stream,
            Err(source) => match source.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    missing.push(format!("stream {name}"));
                    continue;
                }
                _ => {
                    let source = Box::new(source);
                    return Err(TopologyError::NotThere { stream: name, source });
                }
            },
        };
        for config in consumers {
            let consumer = config.durable_name.unwrap_or_default();
            match stream.consumer_info(&consumer).await {
                Ok(_) => {}
                Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                    missing.push(format!("consumer {consumer}"));
                }
                Err(error) => {
                    let source = error.into();
                    return Err(TopologyError::ConsumerNotThere { consumer, source });
                }
            }
        }
    }
    Ok(missing)
}

impl ConsumerStatus {
    fn of(info: &consumer::Info) -> Self {
        Self {
            name: info.name.clone(),
            waiting: info.num_pending,
            unconfirmed: info.num_ack_pending,
            redelivered: info.num_redelivered,
            pulls: info.num_waiting,
            confirmed_ms: info
                .ack_floor
                .last_active
                .and_then(|at| since(at.unix_timestamp_nanos())),
        }
    }
}

/// Milliseconds since a time in nanoseconds since 1970; the clocks may differ, so never negative.
fn since(nanos: i128) -> Option<u64> {
    let at = DateTime::<Utc>::from_timestamp_nanos(i64::try_from(nanos).ok()?);
    let age = (Utc::now() - at).to_std().unwrap_or(Duration::ZERO);
    u64::try_from(age.as_millis()).ok()
}
