//! Tasks: only the latest start may write, and progress never falls.

use platform::shutdown::Shutdown;
use platform::task::Claim;
use platform::testing::{Scope, eventually};

use super::*;

async fn complete(kernel: &Kernel, claim: &Claim) -> bool {
    let mut tx = kernel.pool.begin().await.unwrap();
    let done = tasks_of(kernel).complete(&mut tx, claim).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn fail(kernel: &Kernel, claim: &Claim) -> bool {
    let mut tx = kernel.pool.begin().await.unwrap();
    let failed =
        tasks_of(kernel).fail(&mut tx, claim, "NO_SPEECH", "Nothing heard.").await.unwrap();
    tx.commit().await.unwrap();
    failed
}

async fn retry(kernel: &Kernel, id: Uuid) -> Option<Task> {
    let mut tx = kernel.pool.begin().await.unwrap();
    let task = tasks_of(kernel).retry(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    task
}

async fn cancel(kernel: &Kernel, id: Uuid) -> Option<Task> {
    let mut tx = kernel.pool.begin().await.unwrap();
    let task = tasks_of(kernel).cancel(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_start_can_write_nothing() {
    // Given a task that was started twice
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    let tasks = tasks_of(&kernel);
    let task = new_task(&kernel, None).await;
    let older = tasks.claim(task.id).await.unwrap().unwrap();
    assert!(tasks.progress(&older, 30).await.unwrap());
    let newer = tasks.claim(task.id).await.unwrap().unwrap();

    // Then the older start changes nothing
    assert!(!tasks.progress(&older, 90).await.unwrap());
    assert!(!complete(&kernel, &older).await);
    assert!(!fail(&kernel, &older).await);
    let mut tx = kernel.pool.begin().await.unwrap();
    assert!(!tasks.holds(&mut tx, &older).await.unwrap());
    assert!(tasks.holds(&mut tx, &newer).await.unwrap());
    drop(tx);

    // And the newer one goes on from the progress that was made
    assert!(tasks.progress(&newer, 10).await.unwrap());
    let now = state(&kernel, task.id).await;
    assert_eq!((now.status, now.progress, now.attempts), (TaskStatus::Processing, 30, 2));
    assert!(complete(&kernel, &newer).await);
    let now = state(&kernel, task.id).await;
    assert_eq!((now.status, now.progress), (TaskStatus::Completed, 100));
    assert!(now.completed_at.is_some());

    // And what is final stays so
    assert!(!complete(&kernel, &newer).await);
    assert!(tasks.claim(task.id).await.unwrap().is_none());
    assert!(retry(&kernel, task.id).await.is_none());
    assert!(cancel(&kernel, task.id).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_can_be_retried_and_a_cancelled_one_cannot() {
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    let tasks = tasks_of(&kernel);
    let task = new_task(&kernel, None).await;
    assert!(retry(&kernel, task.id).await.is_none());

    // Given a task that failed at 40 %
    let claim = tasks.claim(task.id).await.unwrap().unwrap();
    tasks.progress(&claim, 40).await.unwrap();
    assert!(fail(&kernel, &claim).await);
    assert_eq!(state(&kernel, task.id).await.error_code.as_deref(), Some("NO_SPEECH"));

    // When it is retried, then it waits under another job, with its progress and without its error
    let again = retry(&kernel, task.id).await.unwrap();
    assert_eq!((again.status, again.progress), (TaskStatus::Pending, 40));
    assert_eq!((again.error_code, again.completed_at), (None, None));
    assert_ne!(again.job_id, task.job_id);
    assert!(!complete(&kernel, &claim).await);

    // When it is cancelled, then nothing brings it back
    let claim = tasks.claim(task.id).await.unwrap().unwrap();
    assert_eq!(cancel(&kernel, task.id).await.unwrap().status, TaskStatus::Cancelled);
    assert!(!tasks.progress(&claim, 50).await.unwrap());
    assert!(!complete(&kernel, &claim).await);
    assert!(retry(&kernel, task.id).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_work_asked_for_twice_at_once_is_one_task() {
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    let asked = (0..4).map(|_| new_task(&kernel, Some("the same".to_owned())));
    let tasks = futures::future::join_all(asked).await;
    assert!(tasks.iter().all(|task| task.id == tasks[0].id));
    // Its event and its job, once
    assert_eq!(unpublished(&kernel).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_at_most_once_a_second() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let tasks = tasks_of(&kernel);
    let task = new_task(&kernel, None).await;
    let claim = tasks.claim(task.id).await.unwrap().unwrap();

    // When progress is noted several times within a second, the last time out of order
    for percent in [10, 20, 60, 30] {
        assert!(tasks.progress(&claim, percent).await.unwrap());
    }
    assert!(complete(&kernel, &claim).await);

    // Then the first is told, and the states are; all in the order of their commits
    eventually(DEADLINE, async || count(&kernel.bus, "PUSH").await == 4).await;
    let told: Vec<_> = events(&kernel.bus, "PUSH")
        .await
        .iter()
        .map(|event| (event.kind.clone(), event.data["progress"].as_i64().unwrap()))
        .collect();
    let live: Vec<_> = told.iter().filter(|(kind, _)| kind == "moim.task.progress.v1").collect();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].1, 10);
    let states: Vec<_> = told.iter().filter(|(kind, _)| kind != "moim.task.progress.v1").collect();
    assert_eq!(states.iter().map(|(_, p)| *p).collect::<Vec<_>>(), [0, 0, 100]);
    shutdown.trigger();
    relay.await.unwrap();
}
