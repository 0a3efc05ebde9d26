//! The workers of a queue: how many, and which job comes next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use platform::queue::{FAIR_EVERY, Job, Progress, WorkError, workers_now};
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};
use platform::topology::Workers;
use tokio::sync::Semaphore;

use super::*;

/// Work that goes on as soon as the gate lets it.
struct Gate {
    open: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
    started: Mutex<Vec<(Uuid, Priority)>>,
}

impl Gate {
    fn new() -> Arc<Self> {
        let (running, most, started) = Default::default();
        Arc::new(Self { open: Semaphore::new(0), running, most, started })
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

impl Work for Gate {
    fn run<'a>(&'a self, job: &'a Job, _: &'a Progress) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let task = &job.claim.task;
            self.started.lock().unwrap().push((task.id, task.priority));
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            self.running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

fn workers(min: usize, max: usize) -> QueueSpec {
    let idle = Duration::from_millis(200);
    QueueSpec { workers: Workers { min, max, idle }, ..quick_queue() }
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_jobs_overtake_and_starve_nobody() {
    // Given a single worker that is busy, five jobs that wait, and five urgent ones behind them
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let gate = Gate::new();
    let worker = start_worker_with(&kernel, &shutdown, gate.clone(), workers(1, 1));
    create(&kernel, a_light_task()).await;
    eventually(DEADLINE, async || gate.running() == 1).await;
    let mut waiting = Vec::new();
    for priority in [Priority::Normal, Priority::High] {
        for _ in 0..5 {
            waiting.push(create(&kernel, NewTask { priority, ..a_light_task() }).await);
        }
    }
    eventually(DEADLINE, async || count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 11).await;

    // When it has time
    gate.open.add_permits(11);
    for task in &waiting {
        until_status(&kernel, task.id, TaskStatus::Completed).await;
    }

    // Then the urgent ones come first, but every fourth job is a usual one; each in its order
    let started = gate.started.lock().unwrap().clone();
    let priorities: Vec<_> = started.iter().map(|(_, priority)| *priority).collect();
    let (usual, urgent) = (Priority::Normal, Priority::High);
    assert_eq!(FAIR_EVERY, 4);
    let wanted = [usual, urgent, urgent, usual, urgent, urgent, urgent, usual, usual, usual, usual];
    assert_eq!(priorities, wanted);
    for (priority, range) in [(usual, 0..5), (urgent, 5..10)] {
        let ids: Vec<_> =
            started[1..].iter().filter(|(_, p)| *p == priority).map(|(id, _)| *id).collect();
        assert_eq!(ids, waiting[range].iter().map(|task| task.id).collect::<Vec<_>>());
    }
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_grow_with_the_backlog_and_shrink_without() {
    // Given a queue of one to three workers, with nothing to do
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let gate = Gate::new();
    let worker = start_worker_with(&kernel, &shutdown, gate.clone(), workers(1, 3));
    eventually(DEADLINE, async || workers_now("transcript") == 1).await;

    // When six jobs come that take long, then three are done at once, and no more
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(create(&kernel, a_light_task()).await);
    }
    eventually(DEADLINE, async || gate.running() == 3).await;
    assert_eq!(workers_now("transcript"), 3);

    // When all are done, then one worker is left
    gate.open.add_permits(6);
    for task in &tasks {
        until_status(&kernel, task.id, TaskStatus::Completed).await;
    }
    eventually(DEADLINE, async || workers_now("transcript") == 1).await;
    assert_eq!(gate.most.load(Ordering::SeqCst), 3);

    // And it still works
    gate.open.add_permits(1);
    let last = create(&kernel, a_light_task()).await;
    until_status(&kernel, last.id, TaskStatus::Completed).await;
    shutdown.trigger();
    worker.await.unwrap();
    assert_eq!(workers_now("transcript"), 0);
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_jobs_have_a_cap_and_do_not_block_the_others() {
    // Given four workers at an engine for two, and three heavy jobs
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let gate = Gate::new();
    let worker = start_worker_with(&kernel, &shutdown, gate.clone(), workers(4, 4));
    let mut heavy = Vec::new();
    for _ in 0..3 {
        heavy.push(create(&kernel, a_task()).await);
    }
    eventually(DEADLINE, async || gate.running() == 2).await;

    // When a light one comes, then it is begun, while the third heavy one waits
    let light = create(&kernel, a_light_task()).await;
    eventually(DEADLINE, async || gate.running() == 3).await;
    let started = gate.started.lock().unwrap().clone();
    assert!(started.iter().any(|(id, _)| *id == light.id), "{started:?}");

    // And it gets its turn
    gate.open.add_permits(4);
    for task in heavy.iter().chain([&light]) {
        until_status(&kernel, task.id, TaskStatus::Completed).await;
    }
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}
