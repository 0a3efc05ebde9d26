//! The event bus: NATS JetStream, with the installation's prefix before every stream and subject.

mod consumer;
mod pull;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerAddr};
use bytes::Bytes;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use uuid::Uuid;

use crate::config;
use crate::subgraph::Cause;

pub use consumer::{DELIVERIES_MAX, HANDLE_TIMEOUT_MS, HEARTBEAT_MS};
pub(crate) use consumer::{pause, process_span};

/// Longest time to wait for a connection.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Longest time to wait for JetStream's answer.
pub const REQUEST_TIMEOUT_MS: u64 = 5_000;
/// Most published messages whose confirmation is awaited.
pub const ACKS_IN_FLIGHT_MAX: usize = 256;
/// How long the server keeps a request for the next message.
const PULL_EXPIRES_MS: u64 = 5_000;
/// Header: the consumer that gave a message up.
pub const HEADER_CONSUMER: &str = "Moim-Consumer";
/// Header: the subject that a dead letter, or a replayed message, had, without prefix.
pub const HEADER_SUBJECT: &str = "Moim-Subject";
/// Header: the stream that a dead letter lay in, without prefix.
pub const HEADER_STREAM: &str = "Moim-Stream";
/// Header: the message id that a dead letter had.
pub const HEADER_MESSAGE: &str = "Moim-Message";
/// Header: how often a dead letter was delivered.
pub const HEADER_DELIVERIES: &str = "Moim-Deliveries";
/// Header: why a message was given up.
pub const HEADER_REASON: &str = "Moim-Reason";
/// First subject tokens of dead letters.
pub const DEAD_ROOT: &str = "moim.dead";
/// First subject tokens of messages that are delivered to one consumer alone; then comes its name.
pub const REPLAY_ROOT: &str = "moim.replay";

/// The connection to NATS. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    jetstream: jetstream::Context,
    prefix: Arc<str>,
    /// How often a connection was made.
    connections: watch::Receiver<u64>,
}

/// Why the bus can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// An address can't be read.
    #[error("an address of the NATS servers can't be read")]
    Address(#[source] std::io::Error),
    /// There is no connection.
    #[error("can't connect to NATS")]
    Connect(#[from] async_nats::ConnectError),
}

/// Why a message wasn't published.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The stream is full and refuses more.
    #[error("the stream is full")]
    Full,
    /// JetStream refuses this one message.
    #[error("the message is refused")]
    Refused(#[source] PublishError),
    /// JetStream can't be reached, or has no stream for the subject.
    #[error("JetStream gives no answer")]
    Away(#[source] PublishError),
}

/// Asks JetStream for a sign of life: a connection to a server that hangs looks like any other.
///
/// # Errors
/// When there is no connection, or no answer.
pub async fn probe(jetstream: &jetstream::Context) -> Result<(), Cause> {
    if jetstream.client().connection_state() != State::Connected {
        return Err("not connected".into());
    }
    jetstream.query_account().await?;
    Ok(())
}

impl Bus {
    /// Connects. A lost connection is made again on its own.
    ///
    /// # Errors
    /// When an address can't be read or no server answers.
    pub async fn connect(config: &config::Nats) -> Result<Self, BusError> {
        let addresses = config
            .url
            .expose_secret()
            .split(',')
            .map(|address| address.trim().parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(BusError::Address)?;
        let mut options = ConnectOptions::new();
        // The client reads no login from addresses by itself.
        if let Some(address) = addresses.iter().find(|address| address.has_user_pass()) {
            options = options.user_and_password(
                decoded(address.username().unwrap_or_default()),
                decoded(address.password().unwrap_or_default()),
            );
        }
        let (made, connections) = watch::channel(0);
        let client = options
            .name("moim")
            .event_callback(move |event| {
                if matches!(event, Event::Connected) {
                    made.send_modify(|made| *made += 1);
                }
                async {}
            })
            .connection_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            .request_timeout(Some(Duration::from_millis(REQUEST_TIMEOUT_MS)))
            .connect(addresses)
            .await?;
        let timeout = Duration::from_millis(REQUEST_TIMEOUT_MS);
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(timeout)
            .ack_timeout(timeout)
            .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self { client, jetstream, prefix: config.prefix.as_str().into(), connections })
    }

    /// The connection itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream over it.
    #[must_use]
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// The installation's prefix, which may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full subject of one without prefix.
    #[must_use]
    pub fn subject(&self, subject: &str) -> String {
        if self.prefix.is_empty() {
            subject.to_owned()
        } else {
            format!("{}.{subject}", self.prefix)
        }
    }

    /// The full name of a stream.
    #[must_use]
    pub fn stream(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}_{name}", self.prefix) }
    }

    /// A full subject without the prefix; `None` if it is of another installation.
    #[must_use]
    pub fn strip<'a>(&self, subject: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(subject);
        }
        subject.strip_prefix(&*self.prefix)?.strip_prefix('.')
    }

    /// Whether there is a connection at the moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Whether JetStream answers: see [`probe`].
    ///
    /// # Errors
    /// When there is no connection, or no answer.
    pub async fn probe(&self) -> Result<(), Cause> {
        probe(&self.jetstream).await
    }

    /// Publishes a message under the id `id`, which removes duplicates, and waits until it is stored.
    ///
    /// # Errors
    /// When it is refused or isn't confirmed in time (then it may have been stored all the same).
    pub async fn publish(
        &self,
        subject: &str,
        id: Uuid,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), SendError> {
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id.to_string());
        self.store(self.subject(subject), headers, body).await
    }

    pub(crate) async fn store(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), SendError> {
        let stored = async {
            self.jetstream.publish_with_headers(subject, headers, body).await?.await.map(|_| ())
        };
        stored.await.map_err(SendError::from)
    }

    /// The name of a stream without the prefix.
    pub(crate) fn strip_stream<'a>(&self, name: &'a str) -> &'a str {
        let own = name.strip_prefix(&*self.prefix).and_then(|name| name.strip_prefix('_'));
        own.filter(|_| !self.prefix.is_empty()).unwrap_or(name)
    }

    /// Keeps a copy of a message that `consumer` gives up, with the reason.
    pub(crate) async fn bury(
        &self,
        consumer: &str,
        message: &jetstream::Message,
        reason: &str,
    ) -> Result<(), SendError> {
        let info = message.info().ok();
        let from = Origin {
            stream: info.as_ref().map_or("", |info| info.stream),
            sequence: info.as_ref().map_or(0, |info| info.stream_sequence),
            deliveries: info.as_ref().map_or(0, |info| info.delivered),
        };
        let headers = message.headers.clone().unwrap_or_default();
        self.bury_copy(consumer, &message.subject, headers, &message.payload, &from, reason).await
    }

    /// Keeps a copy of what lies, or lay, at `from`.
    pub(crate) async fn bury_copy(
        &self,
        consumer: &str,
        subject: &str,
        mut headers: HeaderMap,
        body: &Bytes,
        from: &Origin<'_>,
        reason: &str,
    ) -> Result<(), SendError> {
        let id = headers.get(async_nats::header::NATS_MESSAGE_ID).map(ToString::to_string);
        let id = id.unwrap_or_else(|| format!("{}-{}", from.stream, from.sequence));
        // The same letter buried twice is one.
        let own = format!("dead-{consumer}-{id}");
        headers.insert(async_nats::header::NATS_MESSAGE_ID, own);
        // A letter that was replayed keeps the id that it had first.
        if headers.get(HEADER_MESSAGE).is_none() {
            headers.insert(HEADER_MESSAGE, id);
        }
        headers.insert(HEADER_CONSUMER, consumer);
        if headers.get(HEADER_SUBJECT).is_none() {
            headers.insert(HEADER_SUBJECT, self.strip(subject).unwrap_or(subject));
        }
        headers.insert(HEADER_STREAM, self.strip_stream(from.stream));
        headers.insert(HEADER_DELIVERIES, from.deliveries.to_string());
        headers.insert(HEADER_REASON, single_line(reason));
        let subject = self.subject(&format!("{DEAD_ROOT}.{consumer}"));
        self.store(subject, headers, body.clone()).await?;
        crate::metrics::messaging::buried(consumer);
        Ok(())
    }
}

/// Where a message lay that is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Full name of the stream.
    pub(crate) stream: &'a str,
    /// Its place there.
    pub(crate) sequence: u64,
    /// How often it was delivered.
    pub(crate) deliveries: i64,
}

impl From<PublishError> for SendError {
    fn from(error: PublishError) -> Self {
        use std::error::Error as _;
        let code = error
            .source()
            .and_then(|source| source.downcast_ref::<jetstream::Error>())
            .map(jetstream::Error::error_code);
        match (error.kind(), code) {
            (_, Some(ErrorCode::STREAM_STORE_FAILED)) => Self::Full,
            (PublishErrorKind::MaxPayloadExceeded, _)
            | (_, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => Self::Refused(error),
            // Anything else isn't the message's fault: it will pass when the server is well again.
            _ => Self::Away(error),
        }
    }
}

/// Headers are lines: a reason with line breaks would end one.
fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect()
}

/// A part of a URL without its percent-encoding.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}
