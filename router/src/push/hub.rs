//! The fan-out: one reader of the stream, any number of subscribers in this process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use super::{
    config::Config,
    cursor::Cursor,
    event::Event,
    index::{Index, SubscriberId},
    log::{Log, State as LogState},
    mailbox::{End, Mailbox},
    ring::{Recent, Ring},
    subject::Filter,
};

/// Shared by the reader of the stream and all subscriptions. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    config: Config,
    inner: Mutex<Inner>,
    /// False until the stream has been reached and the ring warmed up once.
    ready: watch::Sender<bool>,
    replays: Semaphore,
}

struct Inner {
    /// Which incarnation of the stream the rest speaks of; None before the first contact.
    epoch_ns: Option<u64>,
    /// The last sequence fanned out.
    position: u64,
    /// Nothing at or below this sequence was in the stream when it was reached.
    origin: u64,
    ring: Ring,
    recent: Recent,
    index: Index,
    subscribers: HashMap<SubscriberId, Subscriber>,
    next_id: SubscriberId,
    closed: bool,
    /// Kept between events, so that fanning out doesn't allocate.
    found: Vec<SubscriberId>,
}

struct Subscriber {
    mailbox: Arc<Mailbox>,
    filters: Arc<[Filter]>,
}

/// The stream couldn't be reached in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("live updates can't be reached at the moment")]
pub(super) struct Unavailable;

/// Why a subscriber can't go on from a cursor in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The cursor is of another incarnation of the stream.
    OtherEpoch,
    /// The ring doesn't reach back; the stream may. Carries the position now.
    Ring(u64),
}

impl Hub {
    /// A hub over `log`. Nothing comes until [`super::tail::run`] runs for it.
    pub(super) fn new(log: Log, config: Config) -> Self {
        let inner = Inner {
            epoch_ns: None,
            position: 0,
            origin: 0,
            ring: Ring::new(0, config.ring_messages, config.ring_bytes),
            recent: Recent::new(config.recent_ids),
            index: Index::default(),
            subscribers: HashMap::new(),
            next_id: 0,
            closed: false,
            found: Vec::new(),
        };
        Self {
            shared: Arc::new(Shared {
                log,
                inner: Mutex::new(inner),
                ready: watch::Sender::new(false),
                replays: Semaphore::new(config.replay_consumers),
                config,
            }),
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.shared.log
    }

    /// The bounds that it works with.
    pub(super) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(super) fn replays(&self) -> &Semaphore {
        &self.shared.replays
    }

    /// How many subscribers listen.
    pub(super) fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Waits until the stream was reached once.
    ///
    /// # Errors
    /// [`Unavailable`] when that takes longer than the configured wait.
    pub(super) async fn ready(&self) -> Result<(), Unavailable> {
        let mut ready = self.shared.ready.subscribe();
        let wait = Duration::from_millis(self.shared.config.ready_timeout_ms);
        match tokio::time::timeout(wait, ready.wait_for(|ready| *ready)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Unavailable),
        }
    }

    pub(super) fn set_ready(&self) {
        self.shared.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    /// Compares what is known with what the stream says, and returns where to read
    /// on. Where events may have been lost, every subscriber is told.
    pub(super) fn align(&self, state: LogState) -> u64 {
        let mut inner = self.lock();
        let same = inner.epoch_ns == Some(state.epoch_ns);
        if same && state.first <= inner.position + 1 && state.last >= inner.position {
            return inner.position;
        }
        let warm = self.shared.config.ring_messages as u64;
        let position = match inner.epoch_ns {
            // A first contact begins a little before the end: after a restart, most
            // clients come back with cursors that the ring can then serve.
            None => state.last.saturating_sub(warm).max(state.first.saturating_sub(1)),
            Some(_) => state.last,
        };
        tracing::info!(
            position,
            stream.last = state.last,
            known = inner.epoch_ns.is_some(),
            "push plane reads the stream anew"
        );
        inner.restart(state, position, &self.shared.config);
        position
    }

    /// Takes the next message of the stream: `event` goes to whom it concerns.
    pub(super) fn fan_out(&self, sequence: u64, event: Option<Arc<Event>>) {
        let mut inner = self.lock();
        if sequence <= inner.position {
            return;
        }
        inner.position = sequence;
        let Some(event) = event else { return };
        if !inner.recent.is_first(&event.id, sequence) {
            tracing::debug!(event = %event.id, sequence, "duplicate removed");
            return;
        }
        inner.ring.push(event.clone());
        inner.deliver(&event, self.shared.config.queue_messages);
    }

    /// Whether the stream has been reached once.
    pub(super) fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Ends every subscription and those that still come, for a stop of the router.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.end_all(End::Shutdown);
    }

    /// Whether `event` is known to be a copy of an earlier one.
    pub(super) fn is_repeat(&self, event: &Event) -> bool {
        self.lock().recent.is_repeat(&event.id, event.sequence)
    }

    /// Where the fan-out stands.
    pub(super) fn position(&self) -> Cursor {
        let inner = self.lock();
        Cursor { epoch_ns: inner.epoch_ns.unwrap_or_default(), sequence: inner.position }
    }

    /// The place before everything that the stream still holds.
    pub(super) fn origin(&self) -> Cursor {
        let inner = self.lock();
        Cursor { epoch_ns: inner.epoch_ns.unwrap_or_default(), sequence: inner.origin }
    }

    /// Subscribes from now on.
    pub(super) fn register(&self, filters: Arc<[Filter]>) -> Registration {
        let mut inner = self.lock();
        self.enter(&mut inner, filters, VecDeque::new())
    }

    /// Subscribes from after `cursor` on, with nothing lost or doubled, if memory
    /// reaches back that far.
    pub(super) fn register_after(
        &self,
        filters: Arc<[Filter]>,
        cursor: Cursor,
    ) -> Result<Registration, Behind> {
        let mut inner = self.lock();
        if inner.epoch_ns != Some(cursor.epoch_ns) {
            return Err(Behind::OtherEpoch);
        }
        // Under one lock: what the ring has, and from the next event on the mailbox.
        match inner.ring.since(cursor.sequence, &filters) {
            Some(backlog) => Ok(self.enter(&mut inner, filters, backlog)),
            None => Err(Behind::Ring(inner.position)),
        }
    }

    fn enter(
        &self,
        inner: &mut Inner,
        filters: Arc<[Filter]>,
        backlog: VecDeque<Arc<Event>>,
    ) -> Registration {
        let id = inner.next_id;
        inner.next_id += 1;
        let mailbox = Arc::new(Mailbox::default());
        if inner.closed {
            mailbox.close(End::Shutdown);
        }
        for filter in filters.iter() {
            inner.index.insert(filter, id);
        }
        let subscriber = Subscriber { mailbox: mailbox.clone(), filters };
        inner.subscribers.insert(id, subscriber);
        Registration {
            hub: self.clone(),
            id,
            mailbox,
            backlog,
            position: Cursor {
                epoch_ns: inner.epoch_ns.unwrap_or_default(),
                sequence: inner.position,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic inside leaves at worst one event undelivered to some; the fan-out
        // of all others goes on.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn deliver(&mut self, event: &Arc<Event>, limit: usize) {
        let mut found = std::mem::take(&mut self.found);
        self.index.find(&event.subject, &mut found);
        for id in &found {
            let full =
                self.subscribers.get(id).is_some_and(|s| !s.mailbox.push(event.clone(), limit));
            if full {
                self.leave(*id);
            }
        }
        self.found = found;
    }

    fn leave(&mut self, id: SubscriberId) {
        if let Some(subscriber) = self.subscribers.remove(&id) {
            for filter in subscriber.filters.iter() {
                self.index.remove(filter, id);
            }
        }
    }

    fn restart(&mut self, state: LogState, position: u64, config: &Config) {
        if self.epoch_ns.is_some() {
            self.end_all(End::Gap);
        }
        self.epoch_ns = Some(state.epoch_ns);
        self.position = position;
        self.origin = state.first.saturating_sub(1);
        self.ring = Ring::new(position, config.ring_messages, config.ring_bytes);
        self.recent = Recent::new(config.recent_ids);
    }

    fn end_all(&mut self, end: End) {
        self.index = Index::default();
        for (_, subscriber) in self.subscribers.drain() {
            subscriber.mailbox.close(end);
        }
    }
}

/// A place among the subscribers, given back when dropped.
pub(super) struct Registration {
    hub: Hub,
    id: SubscriberId,
    /// What comes from now on.
    pub(super) mailbox: Arc<Mailbox>,
    /// What came between the cursor and now.
    pub(super) backlog: VecDeque<Arc<Event>>,
    /// Where the fan-out stood when the place was taken.
    pub(super) position: Cursor,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.lock().leave(self.id);
    }
}
