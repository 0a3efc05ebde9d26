//! The event bus: NATS JetStream, with the installation's prefix before every stream and subject.

mod consumer;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use bytes::Bytes;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::config;

pub use consumer::{DELIVERIES_MAX, HANDLE_TIMEOUT_MS};
pub(crate) use consumer::{backoff, pause, trace_of};

/// Longest time to wait for a connection.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Longest time to wait for JetStream's answer.
pub const REQUEST_TIMEOUT_MS: u64 = 5_000;
/// Most published messages whose confirmation is awaited.
pub const ACKS_IN_FLIGHT_MAX: usize = 256;
/// How long the server keeps a request for the next message.
pub(crate) const PULL_EXPIRES_MS: u64 = 5_000;
/// Header: the consumer that gave a message up.
pub const HEADER_CONSUMER: &str = "Moim-Consumer";
/// Header: the subject that a dead letter had.
pub const HEADER_SUBJECT: &str = "Moim-Subject";
/// Header: why a message was given up.
pub const HEADER_REASON: &str = "Moim-Reason";
/// First subject tokens of dead letters.
pub const DEAD_ROOT: &str = "moim.dead";

/// The connection to NATS. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    jetstream: jetstream::Context,
    prefix: Arc<str>,
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
        let client = options
            .name("moim")
            .connection_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            .request_timeout(Some(Duration::from_millis(REQUEST_TIMEOUT_MS)))
            .connect(addresses)
            .await?;
        Ok(Self::new(client, &config.prefix))
    }

    /// A bus over a connection that exists.
    #[must_use]
    pub fn new(client: Client, prefix: &str) -> Self {
        let timeout = Duration::from_millis(REQUEST_TIMEOUT_MS);
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(timeout)
            .ack_timeout(timeout)
            .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Self { client, jetstream, prefix: prefix.into() }
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
        self.client.connection_state() == async_nats::connection::State::Connected
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

    async fn store(
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

    /// Keeps a copy of a message that `consumer` gives up, with the reason.
    pub(crate) async fn bury(
        &self,
        consumer: &str,
        message: &jetstream::Message,
        reason: &str,
    ) -> Result<(), SendError> {
        let mut headers = message.headers.clone().unwrap_or_default();
        let position = message.info().map(|info| info.stream_sequence).unwrap_or_default();
        // The same letter buried twice is one.
        let id = format!("{consumer}-{position}-{}", message.subject);
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        headers.insert(HEADER_CONSUMER, consumer);
        headers.insert(HEADER_SUBJECT, message.subject.as_str());
        headers.insert(HEADER_REASON, single_line(reason));
        let subject = self.subject(&format!("{DEAD_ROOT}.{consumer}"));
        self.store(subject, headers, message.payload.clone()).await
    }
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
