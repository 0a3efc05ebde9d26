//! What an event shows is never older than what it announces, however much is read meanwhile.

use crate::kit::{SOON, client::Client, instance::Place, sse::Stream, story};
use platform::{
    config::Postgres,
    database,
    event::{Class, NewEvent},
    outbox::Outbox,
};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::task::JoinSet;

/// How often each thing is changed.
const CHANGES: i64 = 40;
/// Who reads all the time, so that what is dropped from the cache is put there again at once.
const READERS: usize = 4;

/// People who read the same again and again until it is over.
struct Readers {
    over: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
    reading: JoinSet<()>,
}

impl Readers {
    fn start(client: &Client, query: &'static str, variables: &Value) -> Self {
        let (over, reads) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut reading = JoinSet::new();
        for _ in 0..READERS {
            let (client, variables) = (client.clone(), variables.clone());
            let (over, reads) = (Arc::clone(&over), Arc::clone(&reads));
            reading.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    client.send(query, variables.clone()).await.ok();
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { over, reads, reading }
    }

    /// Ends them; gives how often they read.
    async fn end(mut self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.reading.join_next().await {
            ended.expect("nobody failed to read");
        }
        self.reads.load(Ordering::SeqCst)
    }
}

/// Given people who read a meeting all the time, when its host changes it again and again, then the event of each
/// change shows at least that change; and the same of somebody's todos and their statistics.
#[tokio::test]
async fn an_event_shows_at_least_what_it_announces() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;

    let updated = "subscription ($id: ID!) { meetingUpdated(meetingId: $id) { type
        meeting { title version } } }";
    let variables = json!({ "id": meeting });
    let mut stream = Stream::open(&host.client, updated, variables.clone(), None).await;
    let snapshot = stream.next_data(SOON).await.1;
    let version = |event: &Value| {
        event["data"]["meetingUpdated"]["meeting"]["version"].as_i64().expect("a version")
    };
    let before = version(&snapshot);
    let read = "query ($id: ID!) { meeting(id: $id) { title version } }";
    let readers = Readers::start(&host.client, read, &variables);
    let change = "mutation ($input: UpdateMeetingInput!) { updateMeeting(input: $input) {
        meeting { version } userErrors { code } } }";
    let changing = async {
        for number in 1..=CHANGES {
            let input = json!({ "meetingId": meeting, "title": format!("Title {number}") });
            host.client.send(change, json!({ "input": input })).await.ok();
        }
    };
    let following = async {
        let mut number = 0;
        while number < CHANGES {
            let event = stream.next_data(SOON).await.1;
            if event["data"]["meetingUpdated"]["type"] == "MEETING_UPDATED" {
                number += 1;
                assert!(version(&event) >= before + number, "change {number} shows {event}");
            }
        }
    };
    tokio::join!(changing, following);
    let reads = readers.end().await;
    assert!(reads > READERS, "they read meanwhile: {reads}");

    let updated = "subscription { todosUpdated { type me { todos(first: 100) { nodes { id } }
        todoStatistics { open } } } }";
    let mut stream = Stream::open(&host.client, updated, Value::Null, None).await;
    stream.next_data(SOON).await;
    let read = "{ me { todos(first: 100) { nodes { id } } todoStatistics { open } } }";
    let readers = Readers::start(&host.client, read, &Value::Null);
    let create = "mutation ($input: CreateTodoInput!) { createTodo(input: $input) {
        todo { id } userErrors { code } } }";
    let changing = async {
        for number in 1..=CHANGES {
            let input = json!({ "title": format!("Todo {number}") });
            host.client.send(create, json!({ "input": input })).await.ok();
        }
    };
    let following = async {
        for number in 1..=CHANGES {
            let event = stream.next_data(SOON).await.1;
            let me = &event["data"]["todosUpdated"]["me"];
            let listed = me["todos"]["nodes"].as_array().map_or(0, Vec::len);
            assert!(
                i64::try_from(listed).is_ok_and(|listed| listed >= number),
                "{number}: {event}"
            );
            let counted = me["todoStatistics"]["open"].as_i64();
            assert!(counted.is_some_and(|counted| counted >= number), "{number}: {event}");
        }
    };
    tokio::join!(changing, following);
    readers.end().await;
}

/// Given a meeting in the cache that is older than the database (whoever changed it could not reach Redis), when the
/// event of the change comes, then it shows the change all the same: the older value is a miss.
#[tokio::test]
async fn a_cached_value_that_is_older_than_the_event_is_a_miss() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let updated = "subscription ($id: ID!) { meetingUpdated(meetingId: $id) { type
        meeting { title version } } }";
    let mut stream = Stream::open(&host.client, updated, json!({ "id": meeting }), None).await;
    let mut shown = async || loop {
        let event = stream.next_data(SOON).await.1["data"]["meetingUpdated"].take();
        if event["type"] == "MEETING_UPDATED" {
            break event["meeting"]["title"].as_str().expect("a title").to_owned();
        }
    };
    let read = async || {
        let query = "query ($id: ID!) { meeting(id: $id) { title } }";
        host.client.send(query, json!({ "id": meeting })).await.ok().text("/meeting/title")
    };
    // What came before is over: nothing more drops the value that is cached from here on.
    let change = "mutation ($input: UpdateMeetingInput!) { updateMeeting(input: $input) {
        meeting { version } userErrors { code } } }";
    let input = json!({ "meetingId": meeting, "title": "Old" });
    host.client.send(change, json!({ "input": input })).await.ok();
    assert_eq!(shown().await, "Old");
    assert_eq!(read().await, "Old");

    let id: uuid::Uuid = meeting.parse().expect("an id");
    let postgres = Postgres::from(&place).expect("settings");
    let pool = database::connect(&postgres, "meeting").await.expect("the database");
    let version: i32 = sqlx::query_scalar(
        "UPDATE meetings SET title = 'New', version = version + 1 WHERE id = $1 RETURNING version",
    )
    .bind(id)
    .fetch_one(&pool)
    .await
    .expect("changed");
    assert_eq!(read().await, "Old", "nobody has dropped it");
    let event = NewEvent {
        kind: "moim.meeting.updated.v1",
        source: "meeting",
        ordering_key: id,
        entity: "meeting",
        entity_id: id,
        verb: "updated",
        class: Class::Event,
        data: json!({ "meetingId": id, "meetingTitle": "New", "hostId": host.id,
                      "participantIds": [host.id], "change": "PLAN" }),
        changed: json!({ "meeting": { "__typename": "Meeting", "id": id, "version": version } }),
        invalidates: Vec::new(),
    };
    let mut tx = pool.begin().await.expect("a transaction");
    Outbox::new().append(&mut tx, event).await.expect("told");
    tx.commit().await.expect("committed");
    assert_eq!(shown().await, "New");
    assert_eq!(read().await, "New", "the newer value has taken its place");
}
