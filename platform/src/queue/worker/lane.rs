//! Where a queue's jobs lie: a consumer for each priority, and apart for heavy jobs.
//!
//! Nobody keeps a request for the next job open while it waits: a job that was sent to a request
//! that is given up would lie until its `ack_wait` is over. Idle workers instead hear of jobs as
//! they are published, and one of them looks around twice a second for those that come again.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use futures::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::{Crew, LOOK_EVERY};
use crate::outbox::JOB_ROOT;
use crate::task::Priority;
use crate::topology::QueueSpec;

/// After so many jobs a worker looks at those in the usual order first, so that those that overtake
/// starve nobody.
pub const FAIR_EVERY: u64 = 4;
/// How long a job that was heard of may take to lie in the stream.
const ARRIVES_WITHIN_MS: u64 = 200;

/// That there may be a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hint {
    /// Somewhere.
    Look,
    /// Of this sort.
    At { heavy: bool, priority: Priority },
}

/// A consumer of the queue.
struct Lane {
    heavy: bool,
    priority: Priority,
    pull: PullConsumer,
}

/// A job that a worker got, with its place at the engine if it is heavy.
pub(super) struct Taken {
    pub(super) message: Message,
    pub(super) consumer: String,
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// The consumers of a queue, those that overtake first.
pub(super) struct Lanes {
    all: Vec<Lane>,
    turn: u64,
}

/// The names of a queue's consumers.
pub(super) fn consumers(spec: &QueueSpec) -> Vec<String> {
    let priorities = [Priority::High, Priority::Normal].into_iter();
    let sorts = |priority| [false, true].map(|heavy| (heavy, priority));
    let all = priorities.flat_map(sorts).filter(|(heavy, _)| spec.has(*heavy));
    all.map(|(heavy, priority)| spec.consumer(heavy, priority)).collect()
}

impl Lanes {
    /// All consumers, as soon as the server has them; `None` at the shutdown.
    pub(super) async fn open(crew: &Crew) -> Option<Self> {
        let mut all = Vec::new();
        for priority in [Priority::High, Priority::Normal] {
            for heavy in [false, true].into_iter().filter(|heavy| crew.spec.has(*heavy)) {
                let name = crew.spec.consumer(heavy, priority);
                let pull = crew.bus.await_consumer(&name, &crew.shutdown).await?;
                all.push(Lane { heavy, priority, pull });
            }
        }
        Some(Self { all, turn: 0 })
    }

    /// The next job: one that is there, or else one that comes within half a second.
    pub(super) async fn next(&mut self, crew: &Crew) -> Result<Option<Taken>, async_nats::Error> {
        if let Some(taken) = self.look(crew).await? {
            // There may be more: somebody else looks too.
            let _ = crew.hinting.try_send(Hint::Look);
            return Ok(Some(taken));
        }
        let heard = async {
            let mut hints = crew.hints.lock().await;
            tokio::time::timeout(LOOK_EVERY, hints.recv()).await.ok().flatten()
        };
        let hint = tokio::select! {
            hint = heard => hint,
            () = crew.shutdown.cancelled() => None,
        };
        let Some(Hint::At { heavy, priority }) = hint else { return Ok(None) };
        let at = |lane: &&Lane| lane.heavy == heavy && lane.priority == priority;
        let Some(lane) = self.all.iter().find(at) else { return Ok(None) };
        let taken = lane.take(crew, Some(Duration::from_millis(ARRIVES_WITHIN_MS))).await?;
        self.turn += u64::from(taken.is_some());
        Ok(taken)
    }

    async fn look(&mut self, crew: &Crew) -> Result<Option<Taken>, async_nats::Error> {
        let fair = self.turn % FAIR_EVERY == FAIR_EVERY - 1;
        let (first, then) = self.all.split_at(self.all.len() / 2);
        let (first, then) = if fair { (then, first) } else { (first, then) };
        for lane in first.iter().chain(then) {
            if let Some(taken) = lane.take(crew, None).await? {
                self.turn += 1;
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }
}

impl Lane {
    /// A job, if one is there now, or comes in time; and if it is heavy, only with a place for it.
    async fn take(
        &self,
        crew: &Crew,
        within: Option<Duration>,
    ) -> Result<Option<Taken>, async_nats::Error> {
        let place = if self.heavy {
            let Ok(place) = Arc::clone(&crew.engine).try_acquire_owned() else { return Ok(None) };
            Some(place)
        } else {
            None
        };
        let line = crew.bus.line();
        let mut jobs = match within {
            None => self.pull.fetch().max_messages(1).messages().await?,
            Some(within) => self.pull.batch().max_messages(1).expires(within).messages().await?,
        };
        let answer = line.answer(jobs.next()).await?.flatten();
        let Some(message) = answer.transpose()? else { return Ok(None) };
        let consumer = self.pull.cached_info().name.clone();
        Ok(Some(Taken { message, consumer, _place: place }))
    }
}

/// How many jobs wait that somebody could begin now.
pub(super) async fn backlog(crew: &Crew) -> Result<u64, async_nats::Error> {
    let engine_busy = crew.engine.available_permits() == 0;
    let stream = crew.bus.jetstream().get_stream(crew.bus.stream(&crew.spec.stream())).await?;
    let mut waiting = 0;
    for heavy in [false, true].into_iter().filter(|heavy| crew.spec.has(*heavy)) {
        if heavy && engine_busy {
            continue;
        }
        for priority in [Priority::High, Priority::Normal] {
            let info = stream.consumer_info(crew.spec.consumer(heavy, priority)).await?;
            waiting += info.num_pending;
        }
    }
    Ok(waiting)
}

/// Passes on where jobs are published, until the shutdown or the end of the subscription.
pub(super) async fn listen(crew: &Crew) -> Result<(), async_nats::Error> {
    let root = format!("{JOB_ROOT}.{}.", crew.spec.name);
    let subject = crew.bus.subject(&format!("{root}>"));
    let mut published = crew.bus.client().subscribe(subject).await?;
    loop {
        let message = tokio::select! {
            message = published.next() => message,
            () = crew.shutdown.cancelled() => None,
        };
        let Some(message) = message else { return Ok(()) };
        let sort = crew.bus.strip(&message.subject).and_then(|subject| subject.strip_prefix(&root));
        let Some((priority, kind)) = sort.and_then(|sort| sort.split_once('.')) else { continue };
        let Some(job) = crew.spec.jobs.get(kind) else { continue };
        let priority = Priority::from_token(priority);
        // Lost when nobody has time: whoever has finished a job looks around anyway.
        let _ = crew.hinting.try_send(Hint::At { heavy: job.heavy, priority });
    }
}
