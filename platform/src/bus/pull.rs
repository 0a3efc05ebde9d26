//! Messages of a pull consumer, asked for in batches, and answers that may be lost on the way.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use futures::StreamExt as _;
use tokio::sync::watch;

use super::{Bus, PULL_EXPIRES_MS, REQUEST_TIMEOUT_MS};
use crate::subgraph::Cause;

/// One message after the other. A new request is made when the last one is served or over, and at
/// once when the connection was lost and made again: the server forgot the request, and the client
/// would wait for it for seconds.
///
/// A message that was sent to a connection that broke, or to a request that nobody reads any more,
/// is sent again after the consumer's `ack_wait`.
pub(crate) struct Pull {
    consumer: PullConsumer,
    /// Most messages asked for at once.
    most: usize,
    batch: Option<Batch>,
    connections: watch::Receiver<u64>,
}

/// The connection as it is when a request is made.
pub(crate) struct Line(watch::Receiver<u64>);

impl Line {
    /// Waits for the answer to a request that was made over this connection; `None` when the
    /// connection was lost and made again meanwhile. The client itself waits for ever for an answer
    /// that was lost.
    ///
    /// # Errors
    /// When nothing comes for [`REQUEST_TIMEOUT_MS`].
    pub(crate) async fn answer<T>(
        mut self,
        answer: impl Future<Output = T>,
    ) -> Result<Option<T>, Cause> {
        tokio::select! {
            biased;
            answer = answer => Ok(Some(answer)),
            Ok(()) = self.0.changed() => Ok(None),
            () = tokio::time::sleep(Duration::from_millis(REQUEST_TIMEOUT_MS)) => {
                Err(format!("no answer within {REQUEST_TIMEOUT_MS} ms").into())
            }
        }
    }
}

impl Bus {
    /// The connection as it is now: take it before the request is made.
    pub(crate) fn line(&self) -> Line {
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        Line(connections)
    }

    pub(crate) fn pull(&self, consumer: PullConsumer, most: usize) -> Pull {
        Pull { consumer, most, batch: None, connections: self.connections.clone() }
    }
}

impl Pull {
    /// The next message, as soon as there is one. A caller that gives up waiting loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Message, async_nats::Error> {
        loop {
            let Some(batch) = &mut self.batch else {
                self.connections.mark_unchanged();
                let request = self.consumer.batch().max_messages(self.most);
                let expires = Duration::from_millis(PULL_EXPIRES_MS);
                self.batch = Some(request.expires(expires).messages().await?);
                continue;
            };
            let next = tokio::select! {
                biased;
                next = batch.next() => next,
                Ok(()) = self.connections.changed() => None,
            };
            match next {
                Some(message) => return message,
                None => self.batch = None,
            }
        }
    }
}
