//! The event stream in JetStream: its state, its tail, and pieces of its past.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, Consumer, DeliverPolicy, PullConsumer, pull},
};
use futures::StreamExt;

use super::{event::Event, subject::Filter};

/// Pause between signs of life of an idle tail. Two missing ones mean that the
/// consumer is gone.
const TAIL_HEARTBEAT_MS: u64 = 2_000;
/// How long one pull request of the tail stays open.
const TAIL_EXPIRES_MS: u64 = 30_000;
/// How many messages the tail asks for at a time.
const TAIL_BATCH_MESSAGES: usize = 1_024;
/// When the server forgets a consumer that nobody reads.
const CONSUMER_IDLE_MS: u64 = 30_000;
/// The longest wait for the next message of a replay that has more to come.
const REPLAY_TIMEOUT_MS: u64 = 5_000;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Reading the stream failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    /// JetStream refused or didn't answer.
    #[error("JetStream: {doing}")]
    JetStream {
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        #[source]
        source: Source,
    },
    /// A message of the consumer is missing, or the consumer is gone.
    #[error("the consumer was interrupted")]
    Interrupted,
    /// Nothing came for too long.
    #[error("the stream didn't answer in time")]
    Timeout,
}

fn failed<E: Into<Source>>(doing: &'static str) -> impl FnOnce(E) -> LogError {
    move |source| LogError::JetStream { doing, source: source.into() }
}

/// What the stream holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// When it was created, in nanoseconds since 1970.
    pub(super) epoch_ns: u64,
    /// Lowest sequence still there; last + 1 when it is empty.
    pub(super) first: u64,
    /// Highest sequence ever given.
    pub(super) last: u64,
}

/// A message of the tail.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its position in the stream.
    pub(super) sequence: u64,
    /// None when it carries no event.
    pub(super) event: Option<Arc<Event>>,
    /// How many more the server has ready.
    pub(super) pending: u64,
}

/// A piece of the past.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Events in order.
    pub(super) events: Vec<Arc<Event>>,
    /// All matching events up to this sequence are in this chunk or in earlier ones.
    pub(super) reached: u64,
    /// Nothing more matched when it was read.
    pub(super) complete: bool,
    /// The stream after the reading.
    pub(super) state: State,
}

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Log {
    context: jetstream::Context,
    stream: String,
}

impl Log {
    /// The stream with this full name (prefix included).
    pub(super) fn new(context: jetstream::Context, stream: String) -> Self {
        Self { context, stream }
    }

    /// Asks what the stream holds.
    ///
    /// # Errors
    /// When it doesn't exist or JetStream can't be reached.
    pub(super) async fn state(&self) -> Result<State, LogError> {
        let stream = self
            .context
            .get_stream(&self.stream)
            .await
            .map_err(failed("asking for the stream's state"))?;
        let info = stream.cached_info();
        let last = info.state.last_sequence;
        Ok(State {
            epoch_ns: u64::try_from(info.created.unix_timestamp_nanos()).unwrap_or_default(),
            // The server says 0 for a stream that never had a message.
            first: match info.state.messages {
                0 => last + 1,
                _ => info.state.first_sequence,
            },
            last,
        })
    }

    /// Follows the stream from `start` on; the second value is how many messages
    /// are there already.
    ///
    /// # Errors
    /// When the consumer can't be made.
    pub(super) async fn tail(&self, start: u64) -> Result<(Tail, u64), LogError> {
        let consumer = self.consumer(start, &[]).await?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer
            .stream()
            .max_messages_per_batch(TAIL_BATCH_MESSAGES)
            .expires(Duration::from_millis(TAIL_EXPIRES_MS))
            .heartbeat(Duration::from_millis(TAIL_HEARTBEAT_MS))
            .messages()
            .await
            .map_err(failed("opening the tail"))?;
        let tail = Tail { messages, delivered: 0 };
        Ok((tail, pending))
    }

    /// Reads up to `limit` messages after `after` that pass the filters.
    ///
    /// # Errors
    /// When the reading stopped half-way; it can be tried again.
    pub(super) async fn chunk(
        &self,
        after: u64,
        filters: &[Filter],
        limit: usize,
    ) -> Result<Chunk, LogError> {
        // NATS refuses overlapping filters; then all of it comes, and is filtered here.
        let overlap =
            (1..filters.len()).any(|i| filters[..i].iter().any(|f| f.overlaps(&filters[i])));
        let consumer = self.consumer(after + 1, if overlap { &[] } else { filters }).await?;
        let read = read_chunk(&consumer, after, filters, limit).await;
        let name = consumer.cached_info().name.clone();
        let stream = self.context.get_stream(&self.stream).await;
        let stream = stream.map_err(failed("asking for the stream's state"))?;
        if let Err(error) = stream.delete_consumer(&name).await {
            tracing::debug!(%error, "a replay's consumer is left to its idle timeout");
        }
        let (events, reached, complete) = read?;
        // Looked at after the reading: what is still there now was there all the time.
        let state = self.state().await?;
        Ok(Chunk { events, reached, complete, state })
    }

    async fn consumer(
        &self,
        start_sequence: u64,
        filters: &[Filter],
    ) -> Result<PullConsumer, LogError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            headers_only: true,
            filter_subjects: filters.iter().map(|f| f.as_str().to_owned()).collect(),
            inactive_threshold: Duration::from_millis(CONSUMER_IDLE_MS),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        self.context
            .create_consumer_on_stream(config, &self.stream)
            .await
            .map_err(failed("creating a consumer"))
    }
}

async fn read_chunk(
    consumer: &Consumer<pull::Config>,
    after: u64,
    filters: &[Filter],
    limit: usize,
) -> Result<(Vec<Arc<Event>>, u64, bool), LogError> {
    let mut pending = consumer.cached_info().num_pending;
    let (mut events, mut reached, mut delivered) = (Vec::new(), after, 0);
    if pending == 0 {
        return Ok((events, reached, true));
    }
    let mut messages = consumer
        .fetch()
        .max_messages(limit)
        .expires(Duration::from_millis(REPLAY_TIMEOUT_MS))
        .messages()
        .await
        .map_err(failed("reading the past"))?;
    loop {
        let next = tokio::time::timeout(Duration::from_millis(REPLAY_TIMEOUT_MS), messages.next());
        let Some(message) = next.await.map_err(|_| LogError::Timeout)? else {
            break;
        };
        let entry = entry(&message.map_err(failed("reading the past"))?, &mut delivered)?;
        reached = entry.sequence;
        pending = entry.pending;
        events.extend(entry.event.filter(|event| event.passes(filters)));
        if pending == 0 {
            break;
        }
    }
    if delivered == 0 {
        return Err(LogError::Interrupted);
    }
    Ok((events, reached, pending == 0))
}

/// The live end of the stream.
pub(super) struct Tail {
    messages: pull::Stream,
    delivered: u64,
}

impl Tail {
    /// Waits for the next message.
    ///
    /// # Errors
    /// When the consumer is gone or skipped something; open a new one then.
    pub(super) async fn next(&mut self) -> Result<Entry, LogError> {
        let message = self
            .messages
            .next()
            .await
            .ok_or(LogError::Interrupted)?
            .map_err(failed("following the stream"))?;
        entry(&message, &mut self.delivered)
    }
}

/// Reads a message; `delivered` counts them, so that a missing one is noticed.
fn entry(message: &jetstream::Message, delivered: &mut u64) -> Result<Entry, LogError> {
    let info = message.info().map_err(failed("reading a message"))?;
    *delivered += 1;
    if info.consumer_sequence != *delivered {
        return Err(LogError::Interrupted);
    }
    let (subject, headers) = (&message.message.subject, &message.message.headers);
    Ok(Entry {
        sequence: info.stream_sequence,
        event: Event::read(info.stream_sequence, subject, headers.as_ref()).map(Arc::new),
        pending: info.pending,
    })
}
