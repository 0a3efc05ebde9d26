//! Many meetings at once, as a client asks for them and follows their task.

use crate::kit::{SOON, instance::Place, sse::Stream, story};
use platform::{config::Postgres, database};
use serde_json::{Value, json};

const CREATE: &str = "mutation ($input: CreateMeetingsInput!) { createMeetings(input: $input) {
    task { id kind status } userErrors { code field message } } }";
const FOLLOW: &str = "subscription ($taskId: ID!) { taskUpdated(taskId: $taskId) { type
    task { id kind status progress ... on MeetingTask { result { meetings { title status } } } } } }";

/// Given people, when one asks for many meetings, then the task can be followed to its end, and all who take part find
/// them; when the queue is full, then the client is told when to come again.
#[tokio::test]
async fn many_meetings_are_followed_to_their_end_or_refused_while_the_queue_is_full() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let guest = story::register(&moim.client(), "guest").await;

    let plan = |title: &str| json!({ "title": title, "participantIds": [guest.id] });
    let input = json!({ "meetings": [plan("Monday"), plan("Tuesday")], "idempotencyKey": "week" });
    let answer = host.client.send(CREATE, json!({ "input": input })).await.ok();
    assert_eq!(answer.data("/createMeetings/task/kind"), "BULK_CREATE");
    let task = answer.text("/createMeetings/task/id");

    let variables = json!({ "taskId": task });
    let mut stream = Stream::open(&host.client, FOLLOW, variables.clone(), None).await;
    let last = loop {
        let event = stream.next_data(SOON).await.1["data"]["taskUpdated"]["task"].take();
        if event["status"] == "COMPLETED" {
            break event;
        }
        assert_eq!(event["result"], Value::Null, "{event}");
    };
    let created = json!([{ "title": "Monday", "status": "SCHEDULED" },
                         { "title": "Tuesday", "status": "SCHEDULED" }]);
    assert_eq!((&last["progress"], &last["result"]["meetings"]), (&json!(100), &created));
    let found = guest.client.send("{ meetings { nodes { title status } } }", json!({})).await.ok();
    let found = found.data("/meetings/nodes").as_array().expect("a list").clone();
    assert_eq!(found.len(), 2, "{found:?}");
    // It isn't the guest's to follow.
    let mut refused = Stream::open(&guest.client, FOLLOW, variables, None).await;
    let refused = refused.next(SOON).await.expect("a reason").data;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "NOT_FOUND", "{refused}");

    fill_the_queue(&place).await;
    let input = json!({ "meetings": [plan("Wednesday")] });
    let answer = host.client.send(CREATE, json!({ "input": input })).await;
    assert_eq!(answer.error_code(), Some("QUEUE_FULL"), "{answer:?}");
    assert_eq!(answer.body["errors"][0]["extensions"]["retryAfter"], 60, "{answer:?}");
    assert!(moim.stop().await, "it ends cleanly");
}

/// As many tasks as the queue takes, waiting for a worker.
async fn fill_the_queue(place: &Place) {
    let postgres = Postgres::from(place).expect("Postgres' settings");
    let pool = database::connect(&postgres, "meeting").await.expect("the database is there");
    sqlx::query(
        "INSERT INTO tasks (id, job_id, kind, typename, queue, job_kind, ordering_key)
         SELECT gen_random_uuid(), gen_random_uuid(), 'BULK_CREATE', 'MeetingTask', 'meeting',
                'bulkCreation', gen_random_uuid()
         FROM generate_series(1, 1000)",
    )
    .execute(&pool)
    .await
    .expect("tasks");
}
