//! A subscriber's bounded queue between the fan-out and its connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::event::Event;

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The queue overflowed: the client reads slower than events come.
    SlowClient,
    /// Events were lost before they could be read: the stream was recreated or
    /// cut off while the router was away.
    Gap,
    /// The past can't be read at the moment.
    Unavailable,
    /// The router stops.
    Shutdown,
}

/// Filled by the fan-out, emptied by the one task that writes to the client. It
/// allocates nothing until the first event comes.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Arc<Event>>,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Mailbox {
    /// Adds an event. False when that made more than `limit`: the mailbox is then
    /// closed with [`End::SlowClient`], and what waited in it is dropped.
    pub(super) fn push(&self, event: Arc<Event>, limit: usize) -> bool {
        let waker = {
            let mut inner = self.lock();
            if inner.end.is_some() {
                return true;
            }
            if inner.queue.len() >= limit {
                drop(inner);
                self.close(End::SlowClient);
                return false;
            }
            inner.queue.push_back(event);
            inner.waker.take()
        };
        wake(waker);
        true
    }

    /// Ends it. A slow client's backlog is dropped; otherwise what waits is still read.
    pub(super) fn close(&self, end: End) {
        let waker = {
            let mut inner = self.lock();
            inner.end.get_or_insert(end);
            if end == End::SlowClient {
                inner.queue = VecDeque::new();
            }
            inner.waker.take()
        };
        wake(waker);
    }

    /// The next event, or why there is none any more.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Arc<Event>, End>> {
        let mut inner = self.lock();
        if let Some(event) = inner.queue.pop_front() {
            if inner.queue.is_empty() && inner.queue.capacity() > 16 {
                // A burst must not hold its memory for hours.
                inner.queue = VecDeque::new();
            }
            return Poll::Ready(Ok(event));
        }
        if let Some(end) = inner.end {
            return Poll::Ready(Err(end));
        }
        if !inner.waker.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
            inner.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that can panic runs under the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outside the lock: waking may run the other side at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn event(sequence: u64) -> Arc<Event> {
        Arc::new(Event::new(sequence, "a", "", "a.b.c", "", "{}"))
    }

    #[tokio::test]
    async fn what_waits_is_read_before_the_end() {
        let mailbox = Mailbox::default();
        assert!(mailbox.push(event(1), 2));
        mailbox.close(End::Gap);
        let first = poll_fn(|cx| mailbox.poll(cx)).await.expect("an event");
        assert_eq!(first.sequence, 1);
        let end = poll_fn(|cx| mailbox.poll(cx)).await.expect_err("the end");
        assert_eq!(end, End::Gap);
    }

    #[tokio::test]
    async fn an_overflow_ends_it_and_frees_what_waited() {
        let mailbox = Mailbox::default();
        assert!(mailbox.push(event(1), 1));
        assert!(!mailbox.push(event(2), 1));
        let end = poll_fn(|cx| mailbox.poll(cx)).await.expect_err("the end");
        assert_eq!(end, End::SlowClient);
        mailbox.close(End::Gap);
        let end = poll_fn(|cx| mailbox.poll(cx)).await.expect_err("the end");
        assert_eq!(end, End::SlowClient, "the first reason stays");
    }
}
