//! Jobs are done once, whatever happens to workers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::BoxFuture;
use platform::queue::{Job, Progress, WorkError};
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};

use super::*;

/// What happens at a start of the work.
pub(super) enum Step {
    /// Gets to 40 % and then never ends.
    Hang,
    /// Fails, and may be tried again.
    Retry,
    /// What it needs is away for a moment; within so many seconds in all.
    PutOff(u64),
    /// Fails for good.
    Fail,
    /// Takes the worker's task with it.
    Panic,
    /// Ends well.
    Done,
}

/// Work that goes through given steps, one each time it is started, and then ends well.
pub(super) struct Script {
    steps: Vec<Step>,
    starts: AtomicU32,
    dones: AtomicU32,
    started_at: Mutex<Vec<Instant>>,
}

impl Script {
    pub(super) fn new(steps: impl Into<Vec<Step>>) -> Arc<Self> {
        let (starts, dones, started_at) = Default::default();
        Arc::new(Self { steps: steps.into(), starts, dones, started_at })
    }

    pub(super) fn dones(&self) -> u32 {
        self.dones.load(Ordering::SeqCst)
    }
}

impl Work for Script {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            assert_eq!(job.kind, "transcription");
            let start = self.starts.fetch_add(1, Ordering::SeqCst);
            self.started_at.lock().unwrap().push(Instant::now());
            match self.steps.get(start as usize).unwrap_or(&Step::Done) {
                Step::Hang => {
                    assert!(progress.report(40).await);
                    std::future::pending().await
                }
                Step::Retry => Err(WorkError::retry("not this time")),
                Step::PutOff(longest_s) => Err(WorkError::put_off(
                    "away",
                    Duration::from_millis(100),
                    Duration::from_secs(*longest_s),
                )),
                Step::Fail => Err(WorkError::fail("NOT_AUDIO", "This is no recording.")),
                Step::Panic => panic!("as the script says"),
                Step::Done => {
                    progress.report(20).await;
                    self.dones.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            }
        })
    }
}

/// Lets jobs of dead workers come again after 1 s rather than 10 s.
pub(super) async fn given_short_ack_wait(kernel: &Kernel) {
    change_consumer(kernel, "QUEUE_TRANSCRIPT", "transcript-heavy-normal", |config| {
        config.ack_wait = Duration::from_secs(1);
    })
    .await;
}

pub(super) async fn until_queue_is_empty(kernel: &Kernel) {
    eventually(DEADLINE, async || count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_is_killed_is_done_once_by_another() {
    // Given a worker in the middle of a job
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    given_short_ack_wait(&kernel).await;
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Hang]);
    let killed = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || state(&kernel, task.id).await.progress == 40).await;

    // When it is killed, and another worker is there
    killed.abort();
    let _ = killed.await;
    let worker = start_worker(&kernel, &shutdown, work.clone());

    // Then the job is done by that one, once, with progress that did not fall
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    until_queue_is_empty(&kernel).await;
    assert_eq!(work.dones(), 1);
    assert_eq!(state(&kernel, task.id).await.attempts, 2);
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
    let of_the_task = |event: &Event| event.entity_id == Some(task.id);
    let mut told = events(&kernel.bus, "EVENTS").await;
    told.retain(of_the_task);
    let told: Vec<_> = told.iter().map(|event| event.data["progress"].as_i64().unwrap()).collect();
    assert_eq!(told, [0, 0, 40, 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_shutdown_a_job_is_given_back_at_once() {
    // Given a worker in the middle of a job
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Hang]);
    let ending = Shutdown::default();
    let first = start_worker(&kernel, &ending, work.clone());
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || state(&kernel, task.id).await.progress == 40).await;

    // When it is told to end, and another one is there
    ending.trigger();
    first.await.unwrap();
    let worker = start_worker(&kernel, &shutdown, work.clone());

    // Then that one needs not wait for the job, and the interrupted try doesn't count
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.attempts, now.tries), (2, 1));
    until_queue_is_empty(&kernel).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_and_in_the_end_given_up() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);

    // Given work that fails in all kinds of ways, five times
    let steps = [Step::Retry, Step::Panic, Step::Retry, Step::Retry, Step::Retry];
    let work = Script::new(steps);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;

    // Then the task fails, and the job is a dead letter
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.error_code.as_deref(), now.attempts), (Some("ENGINE_FAILED"), 5));
    eventually(DEADLINE, async || count(&kernel.bus, "DEAD_LETTERS").await == 1).await;

    // When it is retried, then it is done
    retry(&kernel, task.id).await.unwrap();
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_leaves_the_queue_and_comes_again_as_often_as_it_takes() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);

    // Given work that is put off more often than there are tries
    let spec = quick_queue();
    let often = usize::try_from(spec.tries_max).unwrap() + 2;
    let steps: Vec<Step> = (0..often).map(|_| Step::PutOff(60)).collect();
    let work = Script::new(steps);
    let worker = start_worker_with(&kernel, &shutdown, work.clone(), spec);
    let task = new_task(&kernel, None).await;

    // Then it is done in the end, and none of that was a try
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.tries, usize::try_from(now.attempts).unwrap()), (1, often + 1));
    until_queue_is_empty(&kernel).await;
    assert_eq!(work.dones(), 1);

    // When it may not be put off any longer, it is given up, and kept
    let work = Script::new([Step::PutOff(0)]);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
    let shutdown = Shutdown::default();
    let relay = start_relay(&kernel, &shutdown);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    eventually(DEADLINE, async || count(&kernel.bus, "DEAD_LETTERS").await == 1).await;
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_can_be_called_off() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let steps: Vec<Step> = (0..1_000).map(|_| Step::PutOff(60)).collect();
    let work = Script::new(steps);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || state(&kernel, task.id).await.attempts >= 2).await;

    let mut tx = kernel.pool.begin().await.unwrap();
    assert!(tasks_of(&kernel).cancel(&mut tx, task.id).await.unwrap().is_some());
    tx.commit().await.unwrap();

    until_status(&kernel, task.id, TaskStatus::Cancelled).await;
    until_queue_is_empty(&kernel).await;
    assert_eq!(work.dones(), 0);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_between_tries_grows() {
    // Given a queue that waits 0.4 s after the first failure
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let first = Duration::from_millis(400);
    let backoff = Backoff { first, longest: 10 * first };
    let spec = QueueSpec { backoff, ..quick_queue() };

    // When work fails twice
    let work = Script::new([Step::Retry, Step::Retry]);
    let worker = start_worker_with(&kernel, &shutdown, work.clone(), spec);
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Completed).await;

    // Then it was tried again after that wait, and then after twice that (less the jitter)
    let at = work.started_at.lock().unwrap().clone();
    let waits: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] >= first / 2 && waits[1] >= first, "{waits:?}");
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_failure_is_not_tried_again() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Fail]);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.error_code.as_deref(), now.attempts), (Some("NOT_AUDIO"), 1));
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_stops_its_work_and_frees_its_worker() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Hang, Step::Hang]);
    let worker = start_worker(&kernel, &shutdown, work.clone());

    // Given two jobs that never end, thus no worker free
    let (one, two) = (new_task(&kernel, None).await, new_task(&kernel, None).await);
    eventually(DEADLINE, async || work.starts.load(Ordering::SeqCst) == 2).await;
    // and a third that was cancelled before it started
    let third = new_task(&kernel, None).await;

    // When these are cancelled
    for task in [&one, &third] {
        let mut tx = kernel.pool.begin().await.unwrap();
        tasks_of(&kernel).cancel(&mut tx, task.id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
    }

    // Then the cancelled work stops, and the next job is done
    let last = new_task(&kernel, None).await;
    until_status(&kernel, last.id, TaskStatus::Completed).await;
    eventually(DEADLINE, async || count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 1).await;
    assert_eq!(state(&kernel, one.id).await.status, TaskStatus::Cancelled);
    assert_eq!(state(&kernel, third.id).await.attempts, 0);
    assert_eq!(state(&kernel, two.id).await.status, TaskStatus::Processing);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_a_full_queue_refuses_wait_and_hold_no_event_up() {
    // Given a queue that takes one job, and three tasks
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let jetstream = kernel.bus.jetstream();
    let stream = jetstream.get_stream(kernel.bus.stream("QUEUE_TRANSCRIPT")).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_messages = 1;
    jetstream.update_stream(config).await.unwrap();
    let relay = start_relay(&kernel, &shutdown);
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(new_task(&kernel, None).await);
    }

    // Then all events are told, and two jobs wait in the outbox
    eventually(DEADLINE, async || count(&kernel.bus, "EVENTS").await == 3).await;
    eventually(DEADLINE, async || {
        count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 1 && unpublished(&kernel).await == 2
    })
    .await;

    // When a worker makes room, then they get their turn
    let work = Script::new([]);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    for task in &tasks {
        until_status(&kernel, task.id, TaskStatus::Completed).await;
    }
    assert_eq!(work.dones(), 3);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_job_and_worker_are_gone_is_queued_again() {
    // Given a task in the middle of its work, whose worker died and whose job is lost
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let task = new_task(&kernel, None).await;
    tasks_of(&kernel).claim(task.id).await.unwrap().unwrap();
    sqlx::query("DELETE FROM outbox WHERE class = 'job'").execute(&kernel.pool).await.unwrap();
    let silent = "UPDATE tasks SET alive_at = now() - interval '11 minutes'";
    sqlx::query(silent).execute(&kernel.pool).await.unwrap();

    // When a worker comes that knows of nothing, then the task is done
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([]);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_queue_is_filled_again_from_the_tasks() {
    // Given a task whose job is in a queue that was lost
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 1).await;
    let name = kernel.bus.stream("QUEUE_TRANSCRIPT");
    kernel.bus.jetstream().get_stream(&name).await.unwrap().purge().await.unwrap();

    // When unfinished tasks are queued again (twice, by mistake)
    assert_eq!(tasks_of(&kernel).requeue("transcript").await.unwrap(), 1);
    assert_eq!(tasks_of(&kernel).requeue("transcript").await.unwrap(), 1);

    // Then the task is done, once
    let work = Script::new([]);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    until_queue_is_empty(&kernel).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}
