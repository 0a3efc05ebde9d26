//! The events of one subscription in order: the past first, then what comes.

use std::{collections::VecDeque, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use super::{
    cursor::Cursor,
    event::Event,
    hub::{Behind, Hub, Registration},
    log::{Chunk, LogError},
    mailbox::End,
    ring::Recent,
    subject::Filter,
};

/// How often a piece of the past is tried before the subscription ends.
const REPLAY_ATTEMPTS: u32 = 3;
/// Pause before the next attempt, in milliseconds; doubled each time.
const REPLAY_RETRY_MS: u64 = 200;
/// Ids remembered within one replay.
const REPLAY_RECENT_IDS: usize = 4_096;

/// What one subscription reads. Dropping it frees its place at once.
pub(super) struct Feed {
    hub: Hub,
    filters: Arc<[Filter]>,
    /// Everything up to here has been handed out or never concerned us.
    last: Cursor,
    stage: Stage,
}

enum Stage {
    Past(Box<Past>),
    Live(Registration),
}

struct Past {
    chunk: VecDeque<Arc<Event>>,
    /// Where `last` may move to when the chunk is handed out.
    reached: u64,
    /// Nothing is missed when the stream's oldest events are gone: all that it still
    /// holds was asked for, not all after a cursor.
    from_origin: bool,
    /// A cursor ahead of this process was compared with the stream itself.
    checked: bool,
    recent: Recent,
}

impl Feed {
    /// What comes from now on.
    pub(super) fn live(hub: &Hub, filters: Arc<[Filter]>) -> Self {
        let registration = hub.register(filters.clone());
        Self {
            hub: hub.clone(),
            filters,
            last: registration.position,
            stage: Stage::Live(registration),
        }
    }

    /// What came after the cursor, then what comes.
    pub(super) fn after(hub: &Hub, filters: Arc<[Filter]>, cursor: Cursor) -> Self {
        Self::past(hub, filters, cursor, false)
    }

    /// All that the stream still holds, then what comes.
    pub(super) fn retained(hub: &Hub, filters: Arc<[Filter]>) -> Self {
        Self::past(hub, filters, hub.origin(), true)
    }

    fn past(hub: &Hub, filters: Arc<[Filter]>, last: Cursor, from_origin: bool) -> Self {
        let past = Past {
            chunk: VecDeque::new(),
            reached: last.sequence,
            from_origin,
            checked: false,
            recent: Recent::new(REPLAY_RECENT_IDS),
        };
        Self { hub: hub.clone(), filters, last, stage: Stage::Past(Box::new(past)) }
    }

    /// A client that has everything so far may resume from here.
    pub(super) fn position(&self) -> Cursor {
        let known = match &self.stage {
            Stage::Live(registration) => registration.position.sequence,
            Stage::Past(_) => 0,
        };
        Cursor { epoch_ns: self.last.epoch_ns, sequence: self.last.sequence.max(known) }
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self) -> Result<Arc<Event>, End> {
        loop {
            if let Some(event) = self.waiting().await? {
                return Ok(event);
            }
            let Stage::Live(registration) = &self.stage else {
                continue;
            };
            let event = poll_fn(|context| registration.mailbox.poll(context)).await?;
            if self.is_new(&event) {
                return Ok(event);
            }
        }
    }

    /// The next event that is there already; None when all of them were handed out.
    pub(super) async fn waiting(&mut self) -> Result<Option<Arc<Event>>, End> {
        loop {
            let event = match &mut self.stage {
                Stage::Past(past) => match past.chunk.pop_front() {
                    Some(event) => event,
                    None => {
                        self.advance().await?;
                        continue;
                    }
                },
                Stage::Live(registration) => match registration.backlog.pop_front() {
                    Some(event) => event,
                    None => {
                        let mailbox = &registration.mailbox;
                        let now = poll_fn(|context| match mailbox.poll(context) {
                            Poll::Ready(event) => Poll::Ready(Some(event)),
                            Poll::Pending => Poll::Ready(None),
                        });
                        match now.await {
                            Some(event) => event?,
                            None => return Ok(None),
                        }
                    }
                },
            };
            if self.is_new(&event) {
                return Ok(Some(event));
            }
        }
    }

    /// False for what the client's cursor already covers: another router may have
    /// been ahead of this one.
    fn is_new(&mut self, event: &Event) -> bool {
        let new = event.sequence > self.last.sequence;
        if new {
            self.last.sequence = event.sequence;
        }
        new
    }

    /// One step out of the past: joins the live flow if memory reaches back to where
    /// we are, else reads the next piece from the stream.
    async fn advance(&mut self) -> Result<(), End> {
        let Stage::Past(past) = &mut self.stage else {
            return Ok(());
        };
        self.last.sequence = self.last.sequence.max(past.reached);
        if !past.checked {
            past.checked = true;
            self.refuse_future_cursor().await?;
        }
        match self.hub.register_after(self.filters.clone(), self.last) {
            Ok(registration) => {
                self.stage = Stage::Live(registration);
                Ok(())
            }
            Err(Behind::OtherEpoch) => Err(End::Gap),
            Err(Behind::Ring(position)) => self.replay(position).await,
        }
    }

    /// A cursor ahead of this process is fine when another router was faster, but
    /// not when the stream itself has never come that far.
    async fn refuse_future_cursor(&self) -> Result<(), End> {
        if self.last.sequence <= self.hub.position().sequence {
            return Ok(());
        }
        let state = self.hub.log().state().await.map_err(|error| unavailable(&error))?;
        if state.epoch_ns != self.last.epoch_ns || self.last.sequence > state.last {
            return Err(End::Gap);
        }
        Ok(())
    }

    /// Reads the next piece of the past. `position` is where the fan-out stood before.
    async fn replay(&mut self, position: u64) -> Result<(), End> {
        let chunk = self.read().await?;
        let Stage::Past(past) = &mut self.stage else {
            return Ok(());
        };
        let lost = !past.from_origin && chunk.state.first > self.last.sequence + 1;
        if chunk.state.epoch_ns != self.last.epoch_ns || lost {
            return Err(End::Gap);
        }
        past.from_origin = false;
        past.reached = match chunk.complete {
            true => chunk.reached.max(position),
            false => chunk.reached,
        };
        for event in chunk.events {
            let first = past.recent.is_first(&event.id, event.sequence);
            if first && !self.hub.is_repeat(&event) {
                past.chunk.push_back(event);
            }
        }
        Ok(())
    }

    /// Reads from the stream, within the bound of replays at a time. The place is
    /// given back before anything is written to the client, so a slow one holds none.
    async fn read(&self) -> Result<Chunk, End> {
        let config = self.hub.config();
        let wait = Duration::from_millis(config.replay_wait_ms);
        let permit = tokio::time::timeout(wait, self.hub.replays().acquire());
        let Ok(Ok(_permit)) = permit.await else {
            tracing::warn!("no replay finished in time for the next one to begin");
            return Err(End::Unavailable);
        };
        let mut attempt = 1;
        loop {
            let (log, from) = (self.hub.log(), self.last.sequence);
            match log.chunk(from, &self.filters, config.replay_chunk_messages).await {
                Ok(chunk) => return Ok(chunk),
                Err(error) if attempt == REPLAY_ATTEMPTS => return Err(unavailable(&error)),
                Err(error) => tracing::debug!(%error, attempt, "a replay is tried again"),
            }
            let pause = REPLAY_RETRY_MS << (attempt - 1);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            attempt += 1;
        }
    }
}

fn unavailable(error: &LogError) -> End {
    tracing::warn!(%error, cause = ?std::error::Error::source(error), "the past can't be read");
    End::Unavailable
}
