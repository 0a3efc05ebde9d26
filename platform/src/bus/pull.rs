//! Messages of a pull consumer, asked for in batches.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use futures::StreamExt as _;
use tokio::sync::watch;

use super::{Bus, PULL_EXPIRES_MS};

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

impl Bus {
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
