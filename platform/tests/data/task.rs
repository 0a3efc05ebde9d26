//! Tasks: only the latest start may write, and progress never falls.

use platform::page::Page;
use platform::shutdown::Shutdown;
use platform::task::{Claim, List};
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

/// A paused task isn't in the queue until it is submitted, and nobody works on it under an old claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_task_waits_outside_the_queue() {
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    let tasks = tasks_of(&kernel);
    let task = new_task(&kernel, Some("part".into())).await;
    let older = tasks.claim(task.id).await.unwrap().unwrap();
    let newer = tasks.claim(task.id).await.unwrap().unwrap();
    assert!(tasks.progress(&newer, 30).await.unwrap());
    let pause = async |claim: &Claim| {
        let mut tx = kernel.pool.begin().await.unwrap();
        let paused = tasks.pause(&mut tx, claim).await.unwrap();
        tx.commit().await.unwrap();
        paused
    };
    let pending = async || {
        let mut connection = kernel.pool.acquire().await.unwrap();
        tasks.pending(&mut connection, &task.queue).await.unwrap()
    };
    let submit = async || {
        let mut tx = kernel.pool.begin().await.unwrap();
        let submitted = tasks.submit(&mut tx, "part", json!({ "more": true })).await.unwrap();
        tx.commit().await.unwrap();
        submitted
    };

    assert!(!pause(&older).await);
    assert!(submit().await.is_none(), "it is at work");
    assert!(pause(&newer).await);
    let now = state(&kernel, task.id).await;
    assert_eq!((now.status, now.progress, now.tries), (TaskStatus::Pending, 30, 0));
    assert_eq!(pending().await, 0);
    assert!(!pause(&newer).await);
    assert!(!tasks.progress(&newer, 90).await.unwrap());
    assert!(!complete(&kernel, &newer).await);

    assert!(submit().await.is_some());
    assert!(submit().await.is_none(), "once");
    assert_eq!(pending().await, 1);
    let again = tasks.claim(task.id).await.unwrap().unwrap();
    assert_eq!(again.task.input, json!({ "more": true }));
    assert!(complete(&kernel, &again).await);
}

/// A task in this state, with the last claim to it, which may be stale.
async fn given_task_that_is(kernel: &Kernel, status: TaskStatus) -> (Uuid, Claim) {
    let id = new_task(kernel, None).await.id;
    let claim = tasks_of(kernel).claim(id).await.unwrap().unwrap();
    match status {
        TaskStatus::Processing => {}
        TaskStatus::Completed => assert!(complete(kernel, &claim).await),
        TaskStatus::Cancelled => assert!(cancel(kernel, id).await.is_some()),
        TaskStatus::Failed => assert!(fail(kernel, &claim).await),
        TaskStatus::Pending => {
            assert!(fail(kernel, &claim).await);
            assert!(retry(kernel, id).await.is_some());
        }
    }
    assert_eq!(state(kernel, id).await.status, status);
    (id, claim)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_allows_what_it_should_and_nothing_else() {
    use TaskStatus::{Cancelled, Completed, Failed, Pending, Processing};
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    // What becomes of a task in each state; where nothing happens, the answer says so.
    let table = [
        (Pending, "cancel", Cancelled),
        (Pending, "retry", Pending),
        (Pending, "complete", Pending),
        (Pending, "fail", Pending),
        (Pending, "progress", Pending),
        (Processing, "cancel", Cancelled),
        (Processing, "retry", Processing),
        (Processing, "complete", Completed),
        (Processing, "fail", Failed),
        (Processing, "progress", Processing),
        (Completed, "cancel", Completed),
        (Completed, "retry", Completed),
        (Completed, "complete", Completed),
        (Completed, "fail", Completed),
        (Completed, "progress", Completed),
        (Failed, "cancel", Failed),
        (Failed, "retry", Pending),
        (Failed, "complete", Failed),
        (Failed, "fail", Failed),
        (Failed, "progress", Failed),
        (Cancelled, "cancel", Cancelled),
        (Cancelled, "retry", Cancelled),
        (Cancelled, "complete", Cancelled),
        (Cancelled, "fail", Cancelled),
        (Cancelled, "progress", Cancelled),
    ];
    for (before, operation, after) in table {
        let (id, claim) = given_task_that_is(&kernel, before).await;
        let was = state(&kernel, id).await;
        let done = match operation {
            "cancel" => cancel(&kernel, id).await.is_some(),
            "retry" => retry(&kernel, id).await.is_some(),
            "complete" => complete(&kernel, &claim).await,
            "fail" => fail(&kernel, &claim).await,
            _ => tasks_of(&kernel).progress(&claim, 70).await.unwrap(),
        };
        let now = state(&kernel, id).await;
        let moved = before != after || (before, operation) == (Processing, "progress");
        assert_eq!((now.status, done), (after, moved), "{before:?}, {operation}");
        assert_eq!(now.version > was.version, moved, "{before:?}, {operation}");
        assert!(now.progress >= was.progress, "{before:?}, {operation}");
        assert_eq!(now.completed_at.is_some(), after.is_final(), "{before:?}, {operation}");
        assert_eq!(now.error_code.is_some(), after == Failed, "{before:?}, {operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_state_is_in_redis_and_its_absence_changes_no_answer() {
    // Given a task that was looked at
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let task = new_task(&kernel, None).await;
    let tasks = kernel.tasks();
    let status = async |tasks: &Tasks| {
        let found = tasks.get(&[task.id]).await;
        found.map(|mut found| found.remove(&task.id).unwrap().status)
    };
    assert_eq!(status(&tasks).await.unwrap(), TaskStatus::Pending);
    let closed = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
    closed.close().await;
    let without_database =
        Tasks::new(closed, kernel.outbox.clone(), kernel.service).cached(&kernel.cache);

    // Then its state is there without the database, and a change that was told is seen by all
    assert_eq!(status(&without_database).await.unwrap(), TaskStatus::Pending);
    let relay = start_relay(&kernel, &shutdown);
    cancel(&kernel, task.id).await.unwrap();
    kernel.outbox.wake();
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    assert_eq!(status(&tasks).await.unwrap(), TaskStatus::Cancelled);

    // And with an empty Redis, or none, the answers are the same
    let empty = Scope::new().await;
    assert_eq!(
        status(&tasks_of(&kernel).cached(&empty.cache().await)).await.unwrap(),
        TaskStatus::Cancelled
    );
    let nowhere = platform::config::Values::new().with("MOIM_REDIS_URL", "redis://127.0.0.1:1");
    let config = platform::config::Redis::from(&nowhere).unwrap();
    let away = platform::cache::Cache::connect(&config).await.unwrap();
    assert_eq!(status(&tasks_of(&kernel).cached(&away)).await.unwrap(), TaskStatus::Cancelled);
    shutdown.trigger();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_a_viewer_what_is_theirs_page_by_page() {
    // Given a viewer who belongs to one of two groups, and asked for something in neither
    let scope = Scope::new().await;
    let kernel = scope.kernel("transcript", &NO_TABLES).await;
    let (viewer, group, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let mut tx = kernel.pool.begin().await.unwrap();
    platform::membership::Membership::add(&mut tx, group, viewer).await.unwrap();
    tx.commit().await.unwrap();
    let mut theirs = Vec::new();
    for n in 0..5 {
        let (ordering_key, requested_by) = match n {
            4 => (Uuid::now_v7(), Some(viewer)),
            _ => (group, None),
        };
        theirs.push(create(&kernel, NewTask { ordering_key, requested_by, ..a_task() }).await.id);
        create(&kernel, NewTask { ordering_key: other, ..a_task() }).await;
    }
    theirs.reverse();
    cancel(&kernel, theirs[1]).await.unwrap();

    // Then pages of theirs follow each other, the newest first
    let tasks = tasks_of(&kernel);
    let list = List { typename: "TranscriptTask", viewer: Some(viewer), ..List::default() };
    let ids = |tasks: Vec<Task>| tasks.into_iter().map(|task| task.id).collect::<Vec<_>>();
    let first = ids(tasks.list(Page::new(Some(2), None).unwrap(), &list).await.unwrap());
    assert_eq!(first, theirs[..3], "one more than asked for, as the sign of a next page");
    let after = platform::page::encode(theirs[1]);
    let rest = Page::new(Some(10), Some(&after)).unwrap();
    assert_eq!(ids(tasks.list(rest, &list).await.unwrap()), theirs[2..]);

    // And filters narrow them
    let all = Page::new(None, None).unwrap();
    let narrow = List { statuses: Some(vec![TaskStatus::Cancelled]), ..list.clone() };
    assert_eq!(ids(tasks.list(all, &narrow).await.unwrap()), [theirs[1]]);
    let narrow = List { group: Some(group), ..list.clone() };
    assert_eq!(ids(tasks.list(all, &narrow).await.unwrap()), theirs[1..]);
    for none in [
        List { group: Some(other), ..list.clone() },
        List { kinds: Some(vec!["VERIFICATION".to_owned()]), ..list.clone() },
        List { typename: "AnotherTask", ..list.clone() },
    ] {
        assert!(tasks.list(all, &none).await.unwrap().is_empty(), "{none:?}");
    }
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
