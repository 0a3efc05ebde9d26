//! Consuming events: in order, each effect once, confirmed after its commit.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use sqlx::{PgPool, Postgres, Transaction};

use super::{Bus, HEADER_SUBJECT};
use crate::crash::Point;
use crate::dead_letter;
use crate::error::chain;
use crate::event::{Event, HEADER_TRACE};
use crate::inbox::{self, HandleError, Handler};
use crate::metrics::messaging::{self, Handled};
use crate::shutdown::Shutdown;
use crate::telemetry::{Kind, Span, TraceContext};
use crate::topology;

/// How often an event is tried before it becomes a dead letter.
pub const DELIVERIES_MAX: i64 = 12;
/// Longest time that one event may take.
pub const HANDLE_TIMEOUT_MS: u64 = 20_000;
/// Time between two signs of life while an event is handled; the consumers' `ack_wait` is three
/// times that, so that nobody else gets it meanwhile.
pub const HEARTBEAT_MS: u64 = 3_000;
/// First wait before an event is delivered again; doubles up to [`BACKOFF_MAX_MS`].
const BACKOFF_MIN_MS: u64 = 100;
/// Longest wait before an event is delivered again, or a lost server is tried again.
const BACKOFF_MAX_MS: u64 = 30_000;
/// Time between two tries to get a database connection or a consumer.
const RECONNECT_MS: u64 = 500;
/// Most events asked for at once.
const BATCH: usize = 32;

impl Bus {
    /// Feeds the events of a consumer (one of those in nats/) to `handler` until the shutdown. The
    /// consumers allow one unconfirmed event, so that the order holds across all processes.
    pub async fn consume(
        &self,
        consumer: &'static str,
        pool: PgPool,
        handler: Arc<dyn Handler>,
        shutdown: Shutdown,
    ) {
        messaging::consumer(consumer);
        let feed = Feed { bus: self, consumer, pool, handler, shutdown: &shutdown };
        tokio::join!(feed.run_on(), dead_letter::watch_events(self, &shutdown));
    }

    /// The consumer, as soon as the server has it; `None` at the shutdown.
    pub(crate) async fn await_consumer(
        &self,
        consumer: &str,
        shutdown: &Shutdown,
    ) -> Option<PullConsumer> {
        let mut told = false;
        while !shutdown.is_triggered() {
            match topology::consumer(self, consumer).await {
                Ok(pull) => return Some(pull),
                Err(error) if !told => {
                    tracing::warn!(consumer, error = chain(&error), "consumer not there yet");
                    told = true;
                }
                Err(_) => {}
            }
            pause(RECONNECT_MS, shutdown).await;
        }
        None
    }
}

struct Feed<'a> {
    bus: &'a Bus,
    consumer: &'static str,
    pool: PgPool,
    handler: Arc<dyn Handler>,
    shutdown: &'a Shutdown,
}

impl Feed<'_> {
    /// Pulls and handles until the shutdown, whatever breaks.
    async fn run_on(&self) {
        let Self { bus, consumer, shutdown, .. } = *self;
        while !shutdown.is_triggered() {
            let Some(pull) = bus.await_consumer(consumer, shutdown).await else { return };
            if let Err(error) = self.run(pull).await {
                tracing::warn!(consumer, error = chain(&*error), "consumer lost, trying again");
                pause(RECONNECT_MS, shutdown).await;
            }
        }
    }

    /// Pulls and handles until something breaks or the shutdown.
    async fn run(&self, pull: PullConsumer) -> Result<(), async_nats::Error> {
        let mut pull = self.bus.pull(pull, BATCH);
        loop {
            let message = tokio::select! {
                message = pull.next() => message?,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            self.take(&message).await;
        }
    }

    /// Handles one message and answers the server. If the process dies anywhere in here, the
    /// message comes again: before the commit nothing happened, after it the inbox knows.
    async fn take(&self, message: &Message) {
        let delivered = message.info().map_or(1, |info| info.delivered);
        let Some(subject) = self.bus.strip(&message.subject) else { return };
        // A replayed event says where it was told first.
        let first = message.headers.as_ref().and_then(|headers| headers.get(HEADER_SUBJECT));
        let subject = first.map_or(subject, |first| first.as_str());
        let began = Instant::now();
        let mut ignored = false;
        let answer = match Event::read(subject, &message.payload) {
            Ok(event) if !self.handler.wants(&event.kind) => {
                ignored = true;
                AckKind::Ack
            }
            Ok(event) => {
                Point::ConsumerReceived.pass();
                let mut span = process_span(message, self.consumer, &event.kind);
                let Some(tx) = self.begin(message).await else { return };
                let outcome = span.context().scope(self.effect(message, &event, tx)).await;
                if outcome.is_err() {
                    span.fail("not_handled");
                }
                self.judge(message, &event, delivered, outcome).await
            }
            Err(error) => self.bury(message, delivered, &chain(&error)).await,
        };
        let outcome = match answer {
            AckKind::Ack if ignored => Handled::Ignored,
            AckKind::Ack => Handled::Done,
            AckKind::Term => Handled::Dead,
            _ => Handled::Retried,
        };
        messaging::handled(self.consumer, outcome, began.elapsed());
        match message.ack_with(answer).await {
            Ok(()) => Point::ConsumerConfirmed.pass(),
            Err(error) => {
                tracing::warn!(consumer = self.consumer, %error, "answer not sent, the event comes again");
            }
        }
    }

    /// A transaction, as soon as the database has one: its absence isn't the event's fault.
    async fn begin(&self, message: &Message) -> Option<Transaction<'static, Postgres>> {
        let mut told = false;
        loop {
            match self.pool.begin().await {
                Ok(tx) => return Some(tx),
                Err(error) if !told => {
                    tracing::warn!(consumer = self.consumer, error = chain(&error), "no database");
                    told = true;
                }
                Err(_) => {}
            }
            if self.shutdown.is_triggered() {
                let _ = message.ack_with(AckKind::Nak(None)).await;
                return None;
            }
            // Keeps the event ours; if that fails, it comes again.
            let _ = message.ack_with(AckKind::Progress).await;
            pause(RECONNECT_MS, self.shutdown).await;
        }
    }

    async fn effect(
        &self,
        message: &Message,
        event: &Event,
        mut tx: Transaction<'static, Postgres>,
    ) -> Result<(), HandleError> {
        let work = async {
            if inbox::first_time(&mut tx, self.consumer, event.id).await? {
                self.handler.handle(event, &mut tx).await?;
                Point::ConsumerApplied.pass();
                tx.commit().await?;
                messaging::took_effect(self.consumer, event.time);
                Point::ConsumerCommitted.pass();
            }
            Ok(())
        };
        let work = tokio::time::timeout(Duration::from_millis(HANDLE_TIMEOUT_MS), work);
        match self.kept(message, work).await {
            Ok(outcome) => outcome,
            // The transaction is rolled back as it is dropped.
            Err(elapsed) => Err(HandleError::later(elapsed)),
        }
    }

    /// Tells the server that we are at it, for as long as `work` lasts.
    async fn kept<T>(&self, message: &Message, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        beat.reset();
        loop {
            tokio::select! {
                done = &mut work => return done,
                // Unheard, the event comes again: the inbox tells.
                _ = beat.tick() => drop(message.ack_with(AckKind::Progress).await),
            }
        }
    }

    async fn judge(
        &self,
        message: &Message,
        event: &Event,
        delivered: i64,
        outcome: Result<(), HandleError>,
    ) -> AckKind {
        let error = match outcome {
            Ok(()) => return AckKind::Ack,
            Err(error) => error,
        };
        let reason = chain(&error);
        let last = delivered >= DELIVERIES_MAX || matches!(error, HandleError::Never(_));
        tracing::warn!(
            consumer = self.consumer,
            event = %event.id,
            kind = event.kind,
            delivered,
            last,
            error = reason,
            "event not handled"
        );
        if last {
            return self.bury(message, delivered, &reason).await;
        }
        AckKind::Nak(Some(backoff(delivered)))
    }

    async fn bury(&self, message: &Message, delivered: i64, reason: &str) -> AckKind {
        match self.bus.bury(self.consumer, message, reason).await {
            Ok(()) => {
                tracing::error!(
                    consumer = self.consumer,
                    subject = %message.subject,
                    reason,
                    "event given up: dead letter"
                );
                AckKind::Term
            }
            Err(error) => {
                tracing::warn!(
                    consumer = self.consumer,
                    error = chain(&error),
                    "dead letter not kept, the event comes again"
                );
                AckKind::Nak(Some(backoff(delivered)))
            }
        }
    }
}

/// The span of a message's handling, below what sent it. `kind` is a type of event or of job.
pub(crate) fn process_span(message: &Message, consumer: &str, kind: &str) -> Span {
    let headers = message.headers.as_ref();
    let above = headers
        .and_then(|headers| headers.get(HEADER_TRACE))
        .and_then(|value| TraceContext::parse(value.as_str()));
    let mut span = Span::start(Kind::Consumer, above, || format!("process {kind}").into());
    span.set("messaging.system", || "nats");
    span.set("messaging.operation.name", || "process");
    span.set("messaging.operation.type", || "process");
    span.set("messaging.consumer.group.name", || consumer.to_owned());
    span.set("messaging.destination.name", || message.subject.to_string());
    span
}

/// The wait after the `delivered`th failure: doubles, with jitter so that many don't come at once.
fn backoff(delivered: i64) -> Duration {
    let doublings = u32::try_from(delivered.clamp(1, 16) - 1).unwrap_or_default();
    let longest = (BACKOFF_MIN_MS << doublings).min(BACKOFF_MAX_MS);
    Duration::from_millis(rand::random_range(longest / 2..=longest))
}

/// Waits, or ends at the shutdown.
pub(crate) async fn pause(ms: u64, shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => {}
        () = shutdown.cancelled() => {}
    }
}
