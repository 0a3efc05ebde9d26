//! A todo service of its own for each test, on the real servers.

use std::time::Duration;

use contract::event::kind;
use contract::testing::{Meetings, tell_meeting};
use platform::kernel::Kernel;
use platform::shutdown::Shutdown;
use platform::task::{Task, TaskStatus, Tasks};
pub(crate) use platform::testing::viewer;
use platform::testing::{Caller, DEADLINE_MS, Scope, belongs, eventually};
use serde_json::{Value, json};
use todo::{Config, NAME, Service, migrator};
use uuid::Uuid;

pub(crate) const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);

/// What the tests look at of a todo.
pub(crate) const TODO: &str = "todo { id title description status priority dueAt version
    meeting { id } assignee { id } createdBy { id } evidence { id } }";

/// A running service and what a test does with it.
pub(crate) struct Stage {
    pub(crate) kernel: Kernel,
    pub(crate) caller: Caller,
    pub(crate) meetings: Meetings,
    pub(crate) tasks: Tasks,
    service: Service,
    shutdown: Shutdown,
    // Last: what the test made is deleted after all else has ended.
    _scope: Scope,
}

impl Stage {
    /// A service that works.
    pub(crate) async fn new() -> Self {
        let stage = Self::idle().await;
        stage.service.work(&stage.shutdown);
        stage
    }

    /// A service that answers, but whose relay, consumer and worker don't run.
    pub(crate) async fn idle() -> Self {
        let scope = Scope::new().await;
        let kernel = scope.kernel(NAME, migrator()).await;
        let meetings = Meetings::of(&kernel);
        let config = Config::from(&scope.source()).unwrap();
        let service = Service::new(kernel.clone(), config).await.unwrap();
        let caller = Caller::new(service.endpoint(), &kernel.keys);
        let tasks = Tasks::new(kernel.pool.clone(), kernel.outbox.clone(), NAME);
        let shutdown = Shutdown::default();
        Self { kernel, caller, meetings, tasks, service, shutdown, _scope: scope }
    }

    /// A meeting of these people, the first of whom leads it, which the service has heard of.
    pub(crate) async fn meeting(&self, people: &[Uuid]) -> Uuid {
        let meeting = Uuid::now_v7();
        tell_meeting(&self.kernel, kind::MEETING_CREATED, meeting, people, json!({})).await;
        for who in people {
            self.heard(meeting, *who, true).await;
        }
        meeting
    }

    /// Waits until the service's own view says so.
    pub(crate) async fn heard(&self, meeting: Uuid, who: Uuid, takes_part: bool) {
        eventually(DEADLINE, || async {
            belongs(&self.kernel.pool, meeting, who).await == takes_part
        })
        .await;
    }

    /// The payload of a mutation on todos.
    pub(crate) async fn mutate(&self, who: Uuid, name: &str, input: Value) -> Value {
        self.caller.mutate(&viewer(who), name, TODO, input).await
    }

    /// Makes a todo; gives it.
    pub(crate) async fn create(&self, who: Uuid, input: Value) -> Value {
        let mut payload = self.mutate(who, "createTodo", input).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        payload["todo"].take()
    }

    /// The meeting's tasks, oldest first.
    pub(crate) async fn tasks_of(&self, meeting: Uuid) -> Vec<Task> {
        self.tasks.of(&[meeting]).await.unwrap().remove(&meeting).unwrap_or_default()
    }

    /// Waits until the meeting's only task is so.
    pub(crate) async fn task_is(&self, meeting: Uuid, status: TaskStatus) {
        eventually(DEADLINE, || async {
            let tasks = self.tasks_of(meeting).await;
            assert!(tasks.len() <= 1, "one task per text");
            tasks.first().is_some_and(|task| task.status == status)
        })
        .await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// Codes and fields of a payload's user errors.
pub(crate) fn refusal(payload: &Value) -> (&str, &str) {
    assert_eq!(payload["todo"], Value::Null, "{payload}");
    let error = &payload["userErrors"][0];
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{payload}");
    (error["code"].as_str().unwrap(), error["field"].as_str().unwrap())
}
