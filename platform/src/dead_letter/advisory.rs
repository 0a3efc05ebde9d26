//! What the server says about messages that it delivers no more.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::jetstream::{AckKind, Message};
use serde::Deserialize;

use crate::bus::{Bus, Origin, pause};
use crate::error::chain;
use crate::queue::Payload;
use crate::shutdown::Shutdown;
use crate::subgraph::Cause;
use crate::task::Tasks;
use crate::topology::QueueSpec;

/// The consumer of advisories about events.
const EVENTS_CONSUMER: &str = "events-advisories";
/// Why such a message was given up.
const REASON: &str = "It was delivered as often as it may be, and never confirmed.";
/// Most advisories asked for at once.
const BATCH: usize = 16;
/// Wait before an advisory is handled again that couldn't be, and between tries to reach NATS.
const AGAIN_MS: u64 = 2_000;

#[derive(Deserialize)]
struct Advisory {
    stream: String,
    consumer: String,
    stream_seq: u64,
    deliveries: i64,
}

/// Takes care of jobs of a queue that the server gave up, until the shutdown: each becomes a dead
/// letter, its task ends, and it makes room in the queue.
pub(crate) async fn watch_queue(bus: Bus, tasks: Tasks, spec: Arc<QueueSpec>, shutdown: Shutdown) {
    let consumer = format!("{}-advisories", spec.name);
    Watch { bus: &bus, consumer: &consumer, tasks: Some(&tasks), shutdown: &shutdown }.run().await;
}

/// Takes care of events that the server gave up, until the shutdown: each becomes a dead letter.
pub(crate) async fn watch_events(bus: &Bus, shutdown: &Shutdown) {
    Watch { bus, consumer: EVENTS_CONSUMER, tasks: None, shutdown }.run().await;
}

struct Watch<'a> {
    bus: &'a Bus,
    consumer: &'a str,
    tasks: Option<&'a Tasks>,
    shutdown: &'a Shutdown,
}

impl Watch<'_> {
    async fn run(&self) {
        while !self.shutdown.is_triggered() {
            if let Err(error) = self.feed().await {
                tracing::warn!(consumer = self.consumer, error = chain(&*error), "not listening");
                pause(AGAIN_MS, self.shutdown).await;
            }
        }
    }

    async fn feed(&self) -> Result<(), Cause> {
        let Some(pull) = self.bus.await_consumer(self.consumer, self.shutdown).await else {
            return Ok(());
        };
        let mut pull = self.bus.pull(pull, BATCH);
        loop {
            let message = tokio::select! {
                message = pull.next() => message?,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            let answer = match self.take(&message).await {
                Ok(()) => AckKind::Ack,
                Err(error) => {
                    tracing::warn!(error = chain(&*error), "advisory comes again");
                    AckKind::Nak(Some(Duration::from_millis(AGAIN_MS)))
                }
            };
            message.ack_with(answer).await?;
        }
    }

    /// Each step can be repeated; the advisory is confirmed after the last.
    async fn take(&self, message: &Message) -> Result<(), Cause> {
        let advisory: Advisory = match serde_json::from_slice(&message.payload) {
            Ok(advisory) => advisory,
            Err(error) => {
                tracing::error!(error = chain(&error), "advisory not understood");
                return Ok(());
            }
        };
        let stream = self.bus.jetstream().get_stream(&advisory.stream).await?;
        let lost = match stream.get_raw_message(advisory.stream_seq).await {
            Ok(lost) => lost,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let from = Origin {
            stream: &advisory.stream,
            sequence: advisory.stream_seq,
            deliveries: advisory.deliveries,
        };
        let (headers, body, consumer) = (lost.headers, &lost.payload, &*advisory.consumer);
        self.bus.bury_copy(consumer, &lost.subject, headers, body, &from, REASON).await?;
        tracing::error!(consumer, subject = %lost.subject, "given up by the server: dead letter");
        if let Some(tasks) = self.tasks {
            if let Ok(job) = serde_json::from_slice::<Payload>(body) {
                tasks.give_up(job.task_id, job.id).await?;
            }
            // It would stay in the queue and count against its limits.
            stream.delete_message(advisory.stream_seq).await?;
        }
        Ok(())
    }
}
