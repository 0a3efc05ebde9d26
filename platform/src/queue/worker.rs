//! Workers of a queue: a crew that grows and shrinks with the backlog. Each worker pulls one job,
//! keeps it alive, and confirms it when its task is final.

mod lane;
mod slot;
mod sweep;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Work;
use crate::bus::{Bus, pause};
use crate::dead_letter;
use crate::error::chain;
use crate::metrics::messaging;
use crate::shutdown::Shutdown;
use crate::task::Tasks;
use crate::topology::QueueSpec;

pub use lane::FAIR_EVERY;
pub(crate) use slot::Payload;
pub use sweep::ORPHANED_AFTER_MS;

/// Time between two signs of life of a running job; the consumers' `ack_wait` is three times that.
pub const HEARTBEAT_MS: u64 = 3_000;
/// Time between two looks at the backlog, after which the crew grows.
pub const SCALE_EVERY_MS: u64 = 1_000;
/// How long an idle worker waits to hear of a job before one of them looks around.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time between two tries to reach a lost server.
const RECONNECT_MS: u64 = 500;
/// Most hints that wait for a worker. A lost one costs a second at most.
const HINTS_MAX: usize = 64;

/// How many workers each queue has in this process.
static WORKERS: std::sync::Mutex<BTreeMap<String, usize>> = std::sync::Mutex::new(BTreeMap::new());

/// How many workers a queue has in this process now.
#[must_use]
pub fn workers_now(queue: &str) -> usize {
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner).get(queue).copied().unwrap_or_default()
}

/// What the workers of a queue in one process share.
struct Crew {
    bus: Bus,
    tasks: Tasks,
    spec: Arc<QueueSpec>,
    work: Arc<dyn Work>,
    shutdown: Shutdown,
    /// Places at the engine: heavy jobs need one each.
    engine: Arc<Semaphore>,
    /// Where jobs have arrived; the one idle worker that holds the lock hears it.
    hints: Mutex<mpsc::Receiver<lane::Hint>>,
    hinting: mpsc::Sender<lane::Hint>,
    size: AtomicUsize,
    busy: AtomicUsize,
}

/// Works on a queue's jobs until the shutdown: with as many workers as the queue's section in nats/
/// allows, by the backlog, at most `heavy_max` of them on heavy jobs at once. It also ends tasks
/// that waited too long and takes care of jobs that the server gave up. At the shutdown running
/// jobs are given back.
pub async fn run_worker(
    bus: Bus,
    tasks: Tasks,
    queue: &'static str,
    heavy_max: usize,
    work: Arc<dyn Work>,
    shutdown: Shutdown,
) {
    let Some(spec) = tasks.spec(queue) else {
        tracing::error!(queue, "nats/ has no such queue: nobody works on it");
        return;
    };
    let consumers = lane::consumers(&spec);
    messaging::queue(queue, &slot::OUTCOMES, &consumers);
    let (hinting, hints) = mpsc::channel(HINTS_MAX);
    let crew = Arc::new(Crew {
        bus: bus.clone(),
        tasks: tasks.clone(),
        work,
        shutdown: shutdown.clone(),
        engine: Arc::new(Semaphore::new(heavy_max.max(1))),
        hints: Mutex::new(hints),
        hinting,
        size: AtomicUsize::new(0),
        busy: AtomicUsize::new(0),
        spec: spec.clone(),
    });
    let mut all = JoinSet::new();
    all.spawn(sweep::run(tasks.clone(), spec.clone(), shutdown.clone()));
    all.spawn(sweep::resume(tasks.clone(), spec.clone(), shutdown.clone()));
    all.spawn(dead_letter::watch_queue(bus, tasks, spec.clone(), shutdown.clone()));
    all.spawn(crew.clone().listen());
    let mut workers = JoinSet::new();
    while !shutdown.is_triggered() {
        messaging::workers(queue, crew.size(), crew.busy.load(Ordering::SeqCst));
        let missing = spec.workers.min.saturating_sub(crew.size());
        let more = missing.max(crew.wanted().await);
        for _ in 0..more {
            crew.size.fetch_add(1, Ordering::SeqCst);
            crew.count();
            workers.spawn(slot::run(crew.clone()));
        }
        tokio::select! {
            () = pause(SCALE_EVERY_MS, &shutdown) => {}
            Some(ended) = workers.join_next() => report(queue, ended),
        }
    }
    // Dropping this future ends the workers where they are, as the end of the process would.
    while let Some(ended) = workers.join_next().await {
        report(queue, ended);
    }
    while let Some(ended) = all.join_next().await {
        report(queue, ended);
    }
}

fn report(queue: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(queue, %error, "a worker broke off");
    }
}

impl Crew {
    fn size(&self) -> usize {
        self.size.load(Ordering::SeqCst)
    }

    /// Tells how many there are now.
    fn count(&self) {
        let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
        workers.insert(self.spec.name.clone(), self.size());
    }

    /// How many workers more the backlog asks for: only when all are busy.
    async fn wanted(&self) -> usize {
        let (size, busy) = (self.size(), self.busy.load(Ordering::SeqCst));
        let room = self.spec.workers.max.saturating_sub(size);
        if room == 0 || busy < size || size == 0 {
            return 0;
        }
        match lane::backlog(self).await {
            Ok(backlog) => room.min(usize::try_from(backlog).unwrap_or(usize::MAX)),
            Err(error) => {
                tracing::debug!(queue = self.spec.name, error = chain(&*error), "backlog unknown");
                0
            }
        }
    }

    /// Ends a worker that has had nothing to do for a while, if there are more than the least.
    fn may_leave(&self) -> bool {
        let min = self.spec.workers.min.max(1);
        let fewer = |size: usize| (size > min).then(|| size - 1);
        self.size.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok()
    }

    /// Hears of jobs as they are published, so that nobody needs to ask again and again.
    async fn listen(self: Arc<Self>) {
        while !self.shutdown.is_triggered() {
            if let Err(error) = lane::listen(&self).await {
                let queue = &self.spec.name;
                tracing::warn!(queue, error = chain(&*error), "can't listen for jobs");
            }
            pause(RECONNECT_MS, &self.shutdown).await;
        }
    }
}
