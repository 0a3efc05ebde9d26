//! Many meetings at once.

use std::thread::JoinHandle;

use contract::{event::kind, testing::tell};
use meeting::{Service, worker::TASK_TYPENAME};
use platform::{
    kernel::Kernel,
    shutdown::Shutdown,
    task::{Task, TaskStatus},
    testing::eventually,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::harness::{Case, DEADLINE, Person, configuration, service};

const FIELDS: &str = "id kind status progress attempts completedAt error { code }
    result { meetings { id title host { id } participants { user { id } role } } }";

/// The payload of a mutation on tasks.
async fn mutate(case: &Case, who: &Person, mutation: &str, input: Value) -> Value {
    let mut input_type = mutation.to_owned();
    input_type[..1].make_ascii_uppercase();
    let document = format!(
        "mutation($input: {input_type}Input!) {{ {mutation}(input: $input) {{
            task {{ {FIELDS} }} userErrors {{ code field message }} }} }}"
    );
    let mut data = case.data(&who.identity, &document, json!({ "input": input })).await;
    data[mutation].take()
}

/// Asks for meetings with these titles, of the host and the guest; gives the task.
async fn asked(case: &Case, titles: &[String], key: Option<&str>) -> Value {
    let plan = |title: &String| json!({ "title": title, "participantIds": [case.guest.id] });
    let plans: Vec<Value> = titles.iter().map(plan).collect();
    let input = json!({ "meetings": plans, "idempotencyKey": key });
    let mut payload = mutate(case, &case.host, "createMeetings", input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["task"].take()
}

/// The task as `who` sees it.
async fn seen(case: &Case, who: &Person, id: &Value) -> Value {
    let query = format!("query($id: ID!) {{ meetingTask(id: $id) {{ {FIELDS} }} }}");
    case.data(&who.identity, &query, json!({ "id": id })).await["meetingTask"].take()
}

/// Waits until the task is so, as its owner sees it; gives it.
async fn becomes(case: &Case, id: &Value, status: &str) -> Value {
    eventually(DEADLINE, || async { seen(case, &case.host, id).await["status"] == status }).await;
    seen(case, &case.host, id).await
}

/// Titles of the host's meetings in the database, in the order of their ids.
async fn stored(case: &Case) -> Vec<String> {
    let titles = sqlx::query_scalar("SELECT title FROM meetings ORDER BY id");
    titles.fetch_all(&case.kernel.pool).await.expect("database")
}

fn titles(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("Meeting {place}")).collect()
}

#[tokio::test]
async fn the_task_creates_all_of_them_and_shows_what_it_created() {
    // Given a service that works
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    // when three meetings are asked for, with a key, twice,
    let titles = titles(3);
    let task = asked(&case, &titles, Some("k1")).await;
    assert_eq!(task["kind"], "BULK_CREATE");
    let again = asked(&case, &titles, Some("k1")).await;
    assert_eq!(task["id"], again["id"], "one task");
    // then its result has them, as they were asked for,
    let done = becomes(&case, &task["id"], "COMPLETED").await;
    assert_eq!((&done["progress"], &done["error"]), (&json!(100), &Value::Null));
    let meetings = done["result"]["meetings"].as_array().expect("meetings");
    for (meeting, title) in meetings.iter().zip(&titles) {
        assert_eq!(meeting["title"], *title);
        assert_eq!(meeting["host"]["id"], case.host.id.to_string());
        assert_eq!(meeting["participants"][1]["user"]["id"], case.guest.id.to_string());
    }
    // each once, told once, and found by who takes part.
    assert_eq!(stored(&case).await, titles);
    let told = case.told().await;
    let created = told.iter().filter(|(kind, _)| kind == "moim.meeting.created.v1");
    assert_eq!(created.count(), 3);
    let found = case.data(&case.guest.identity, "{ meetings { nodes { title } } }", json!({}));
    assert_eq!(found.await["meetings"]["nodes"].as_array().map(Vec::len), Some(3));
    // Nobody else sees the task, but our services and the list of who asked.
    for other in [&case.guest, &case.outsider] {
        assert_eq!(seen(&case, other, &task["id"]).await, Value::Null);
        let input = json!({ "taskId": task["id"] });
        let refused = mutate(&case, other, "cancelMeetingTask", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "TASK_NOT_FOUND");
    }
    let entity =
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on MeetingTask { id } } }";
    let reference = json!({ "r": [{ "__typename": TASK_TYPENAME, "id": task["id"] }] });
    for (who, sees) in [(&service(), true), (&case.guest.identity, false)] {
        let found = case.data(who, entity, reference.clone()).await;
        assert_eq!(!found["_entities"][0].is_null(), sees);
    }
    let list = "query($s: [TaskStatus!]) { meetingTasks(filter: { status: $s }) { nodes { id } } }";
    for (status, count) in [("COMPLETED", 1), ("FAILED", 0)] {
        let found = case.data(&case.host.identity, list, json!({ "s": [status] })).await;
        assert_eq!(found["meetingTasks"]["nodes"].as_array().map(Vec::len), Some(count));
    }
    shutdown.trigger();
}

#[tokio::test]
async fn one_bad_plan_refuses_all_and_says_which() {
    let case = Case::new().await;
    let refused = async |plans: Value| -> Vec<(String, String)> {
        let input = json!({ "meetings": plans });
        let payload = mutate(&case, &case.host, "createMeetings", input).await;
        assert_eq!(payload["task"], Value::Null);
        let errors = payload["userErrors"].as_array().expect("errors").iter();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        errors.map(|error| (text(&error["code"]), text(&error["field"]))).collect()
    };
    let error = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    let bad = json!([{ "title": " " }, { "title": "Fine" }, { "title": "X", "language": "fr" }]);
    let expected = [
        error("INVALID_TITLE", "meetings.0.title"),
        error("INVALID_LANGUAGE", "meetings.2.language"),
    ];
    assert_eq!(refused(bad).await, expected);
    let stranger =
        json!([{ "title": "Fine" }, { "title": "X", "participantIds": [Uuid::now_v7()] }]);
    let unknown = [error("UNKNOWN_PARTICIPANT", "meetings.1.participantIds")];
    assert_eq!(refused(stranger).await, unknown);
    let wrong = [error("WRONG_NUMBER_OF_MEETINGS", "meetings")];
    assert_eq!(refused(json!([])).await, wrong);
    let many: Vec<Value> = titles(101).iter().map(|title| json!({ "title": title })).collect();
    assert_eq!(refused(json!(many)).await, wrong);
    assert!(case.told().await.is_empty(), "nothing was accepted");
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_again() {
    // Given a queue in which one place is left, and nobody who works
    let case = Case::new().await;
    sqlx::query(
        "INSERT INTO tasks (id, job_id, kind, typename, queue, job_kind, ordering_key)
         SELECT gen_random_uuid(), gen_random_uuid(), 'BULK_CREATE', 'MeetingTask', 'meeting',
                'bulkCreation', gen_random_uuid()
         FROM generate_series(1, 999)",
    )
    .execute(&case.kernel.pool)
    .await
    .expect("database");
    // when two ask, then the first is accepted and the second refused,
    let task = asked(&case, &titles(1), Some("first")).await;
    assert_eq!(task["status"], "PENDING");
    let document =
        "mutation($input: CreateMeetingsInput!) { createMeetings(input: $input) { task { id } } }";
    let input = json!({ "input": { "meetings": [{ "title": "X" }], "idempotencyKey": "second" } });
    let refused = case.caller.answer(&case.host.identity, document, input.clone()).await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["retryAfter"]),
        (&json!("QUEUE_FULL"), &json!(60))
    );
    // what was accepted is answered again,
    assert_eq!(asked(&case, &titles(1), Some("first")).await["id"], task["id"]);
    // and with a free place again the refused key counts as new.
    let called_off =
        mutate(&case, &case.host, "cancelMeetingTask", json!({ "taskId": task["id"] }));
    assert_eq!(called_off.await["task"]["status"], "CANCELLED");
    let accepted = case.data(&case.host.identity, document, input).await;
    assert!(accepted["createMeetings"]["task"]["id"].is_string());
    let input = json!({ "taskId": task["id"] });
    let refused = mutate(&case, &case.host, "retryMeetingTask", input).await;
    assert_eq!(refused["userErrors"][0]["code"], "TASK_NOT_RETRYABLE");
}

/// A worker in a runtime of its own, which can die in the middle of anything.
struct Mortal {
    dies: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Mortal {
    async fn work(case: &Case) -> Self {
        let (dies, death) = oneshot::channel();
        let (ready, born) = oneshot::channel();
        let kernel = case.another_kernel().await;
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async move {
                let service = Service::new(kernel, configuration()).await.expect("service");
                service.work(&Shutdown::default());
                ready.send(()).expect("somebody waits");
                death.await.ok();
            });
            // Whatever runs is dropped where it stands: nothing is committed, handed back or confirmed.
            runtime.shutdown_background();
        });
        born.await.expect("it works");
        Self { dies, thread }
    }

    fn dies(self) {
        self.dies.send(()).expect("it lives");
        self.thread.join().expect("no panic");
    }
}

/// The only task in the database.
async fn only_task(kernel: &Kernel, id: &Value) -> Task {
    let id: Uuid = id.as_str().and_then(|id| id.parse().ok()).expect("an id");
    kernel.tasks().fresh(&[id]).await.expect("database").remove(&id).expect("the task")
}

#[tokio::test]
async fn killed_in_the_middle_it_loses_no_meeting_and_doubles_none() {
    const COUNT: usize = 30;
    const STOPS_AT: usize = 12;
    let case = Case::new().await;
    let titles = titles(COUNT);
    let task = asked(&case, &titles, None).await;
    let input = only_task(&case.kernel, &task["id"]).await.input;
    let stops: Uuid =
        serde_json::from_value(input["meetings"][STOPS_AT]["id"].clone()).expect("id");
    // Given a worker that has to wait in the middle of a meeting's transaction
    let mut held = case.kernel.pool.begin().await.expect("database");
    case.kernel.outbox.order(&mut held, stops).await.expect("a lock");
    let mortal = Mortal::work(&case).await;
    eventually(DEADLINE, || async { stored(&case).await.len() == STOPS_AT }).await;
    let before = seen(&case, &case.host, &task["id"]).await;
    assert_eq!((&before["status"], &before["result"]), (&json!("PROCESSING"), &Value::Null));
    // when it dies there,
    mortal.dies();
    held.rollback().await.expect("database");
    assert_eq!(stored(&case).await, titles[..STOPS_AT]);
    // then another one goes on,
    let heir = Mortal::work(&case).await;
    let done = becomes(&case, &task["id"], "COMPLETED").await;
    assert_eq!(done["attempts"], 2);
    assert_eq!(done["result"]["meetings"].as_array().map(Vec::len), Some(COUNT));
    // and every meeting is there once, and told once.
    assert_eq!(stored(&case).await, titles);
    let created =
        case.told().await.into_iter().filter(|(kind, _)| kind == "moim.meeting.created.v1");
    let created: Vec<String> =
        created.map(|(_, data)| data["meetingTitle"].as_str().expect("title").to_owned()).collect();
    assert_eq!(created, titles);
    heir.dies();
}

#[tokio::test]
async fn called_off_in_the_middle_it_creates_nothing_more() {
    let case = Case::new().await;
    let task = asked(&case, &titles(10), None).await;
    let input = only_task(&case.kernel, &task["id"]).await.input;
    let stops: Uuid = serde_json::from_value(input["meetings"][4]["id"].clone()).expect("id");
    let mut held = case.kernel.pool.begin().await.expect("database");
    case.kernel.outbox.order(&mut held, stops).await.expect("a lock");
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    eventually(DEADLINE, || async { stored(&case).await.len() == 4 }).await;
    // The one under way is finished first: whoever calls off waits for it.
    let input = json!({ "taskId": task["id"] });
    let called_off = mutate(&case, &case.host, "cancelMeetingTask", input);
    let (called_off, ()) = tokio::join!(called_off, async { held.rollback().await.expect("free") });
    assert_eq!(called_off["task"]["status"], "CANCELLED", "{called_off}");
    let at_the_end = stored(&case).await;
    assert!(at_the_end.len() < 10, "{at_the_end:?}");
    // Whoever asks the worker's claim again is told that it is over: no meeting comes after the answer.
    shutdown.trigger();
    shutdown.finish().await;
    assert_eq!(stored(&case).await, at_the_end);
    assert_eq!(only_task(&case.kernel, &task["id"]).await.status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn who_deletes_the_account_is_left_with_no_meeting() {
    // Given somebody who deletes the account while the work is about to begin
    let case = Case::new().await;
    let task = asked(&case, &titles(5), None).await;
    let data = json!({ "userId": case.host.id });
    tell(&case.kernel, kind::USER_DELETED, case.host.id, case.host.id, data).await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    // then the task ends, and whichever came first, nothing is theirs.
    eventually(DEADLINE, || async {
        let led = sqlx::query_scalar("SELECT count(*) FROM participants WHERE user_id = $1");
        let led: i64 = led.bind(case.host.id).fetch_one(&case.kernel.pool).await.expect("database");
        led == 0 && only_task(&case.kernel, &task["id"]).await.status.is_final()
    })
    .await;
    shutdown.trigger();
}

#[tokio::test]
async fn who_has_gone_before_the_work_begins_is_left_out() {
    let case = Case::new().await;
    let task = asked(&case, &titles(1), None).await;
    // Given a user service that doesn't know the guest any more
    case.users(&[&case.host]);
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let done = becomes(&case, &task["id"], "COMPLETED").await;
    let people = done["result"]["meetings"][0]["participants"].as_array().map(Vec::len);
    assert_eq!(people, Some(1), "the host alone");
    shutdown.trigger();
}

#[tokio::test]
async fn everything_is_described() {
    let schema = meeting::schema::builder().finish();
    assert_eq!(platform::testing::undescribed(&schema).await, Vec::<String>::new());
}
