//! The bounds of a queue: how many wait, how long they wait, how long they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::future::{BoxFuture, join_all};
use platform::queue::{Job, Progress, QueueError, WorkError};
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};

use super::queue::{Script, Step, until_queue_is_empty};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_requests_however_many_come_at_once() {
    // Given a queue in which three may wait
    let scope = Scope::new().await;
    let kernel = given_service(&scope).await;
    let spec = QueueSpec { pending_max: 3, ..quick_queue() };
    let request = async |new: NewTask<'static>| {
        let mut tx = kernel.pool.begin().await.unwrap();
        let task = tasks_with(&kernel, spec.clone()).request(&mut tx, new).await?;
        tx.commit().await.unwrap();
        Ok::<Task, QueueError>(task)
    };

    // When ten ask at the same moment, then three are accepted, and the others hear when to come
    let again = Some("again".to_owned());
    let first = request(NewTask { dedupe_key: again.clone(), ..a_task() }).await.unwrap();
    let answers = join_all((0..9).map(|_| request(a_task()))).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len(), 2);
    for answer in refused {
        let QueueError::Full { queue, retry_after } = answer.unwrap_err() else { panic!() };
        assert_eq!((queue.as_str(), retry_after), ("transcript", spec.retry_after));
    }
    let mut connection = kernel.pool.acquire().await.unwrap();
    assert_eq!(tasks_of(&kernel).pending(&mut connection, "transcript").await.unwrap(), 3);

    // And what was accepted is no second time refused, what an event asks for never
    assert_eq!(request(NewTask { dedupe_key: again, ..a_task() }).await.unwrap().id, first.id);
    let failed = create(&kernel, a_task()).await;

    // And a retry is refused as well, until there is room
    let claim = tasks_of(&kernel).claim(failed.id).await.unwrap().unwrap();
    let mut tx = kernel.pool.begin().await.unwrap();
    tasks_of(&kernel).fail(&mut tx, &claim, "NO_SPEECH", "Nothing heard.").await.unwrap();
    tx.commit().await.unwrap();
    let retry = async || {
        let mut tx = kernel.pool.begin().await.unwrap();
        let task = tasks_with(&kernel, spec.clone()).request_retry(&mut tx, failed.id).await?;
        tx.commit().await.unwrap();
        Ok::<Option<Task>, QueueError>(task)
    };
    assert!(matches!(retry().await, Err(QueueError::Full { .. })));
    tasks_of(&kernel).claim(first.id).await.unwrap().unwrap();
    assert_eq!(retry().await.unwrap().unwrap().status, TaskStatus::Pending);
}

async fn age(kernel: &Kernel) {
    let aged = "UPDATE tasks SET queued_at = now() - interval '61 minutes'";
    sqlx::query(aged).execute(&kernel.pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waited_too_long_expires_and_can_be_retried() {
    // Given one task whose job waits in the queue for more than an hour
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || count(&kernel.bus, "QUEUE_TRANSCRIPT").await == 1).await;
    age(&kernel).await;

    // When workers come (the first delivery, or the sweep, whichever is quicker)
    let work = Script::new([]);
    let worker = start_worker(&kernel, &shutdown, work.clone());

    // Then it is FAILED without having been started, and its job is gone
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.error_code.as_deref(), now.attempts), (Some("EXPIRED"), 0));
    assert_eq!(count(&kernel.bus, "DEAD_LETTERS").await, 0);

    // When it is retried, then it is done
    retry(&kernel, task.id).await.unwrap();
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_job_never_comes_expires_by_the_sweep() {
    // Given a task whose job waits in the outbox, for want of a relay
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let task = new_task(&kernel, None).await;
    age(&kernel).await;
    let worker = start_worker(&kernel, &shutdown, Script::new([]));
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    assert_eq!(state(&kernel, task.id).await.error_code.as_deref(), Some("EXPIRED"));
    shutdown.trigger();
    worker.await.unwrap();
}

/// A queue whose jobs may run for a very short time.
fn hasty_queue() -> QueueSpec {
    let mut spec = quick_queue();
    for job in spec.jobs.values_mut() {
        job.longest_run = Duration::from_millis(300);
    }
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_too_long_is_ended() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Hang]);
    let worker = start_worker_with(&kernel, &shutdown, work.clone(), hasty_queue());
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;
    let now = state(&kernel, task.id).await;
    assert_eq!((now.error_code.as_deref(), now.attempts), (Some("TIMED_OUT"), 1));
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

/// Work that finds out that it needs longer, and takes three times what its kind may.
struct Long {
    done: AtomicBool,
}

impl Work for Long {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let start = Instant::now();
            progress.allow(DEADLINE);
            eventually(DEADLINE, async || start.elapsed() > 3 * job.longest_run).await;
            self.done.store(true, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_needs_longer_may_say_so() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let work = Arc::new(Long { done: AtomicBool::new(false) });
    let worker = start_worker_with(&kernel, &shutdown, work.clone(), hasty_queue());
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert!(work.done.load(Ordering::SeqCst));
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}
