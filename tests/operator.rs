//! What an operator does by commands: look at streams, give dead letters another chance, fill NATS again.

use crate::kit::{SOON, eventually, instance::Place, story};
use async_nats::HeaderMap;
use platform::{
    bus::{Bus, HEADER_CONSUMER, HEADER_REASON, HEADER_STREAM, HEADER_SUBJECT},
    config::{Nats, Postgres, Source},
    database,
    event::{Class, NewEvent},
    outbox::Outbox,
    task::{NewTask, Priority, TaskStatus, Tasks},
    topology,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

impl Source for Place {
    fn get(&self, name: &str) -> Option<String> {
        Self::get(self, name)
    }
}

/// Given an installation whose databases an operator reaches, when somebody is made administrator by a command, then the
/// next token says so, the router lets them in, and nobody else.
#[tokio::test]
async fn an_operator_makes_the_first_administrator() {
    let place = Place::new();
    let moim = place.up().await;
    let ada = story::register(&moim.client(), "ada").await;
    let bob = story::register(&moim.client(), "bob").await;
    let accounts = "{ accounts(filter: { role: ADMIN }) { nodes { email roles } } }";
    let refused = ada.client.send(accounts, Value::Null).await;
    assert_eq!(refused.body["errors"][0]["extensions"]["code"], "UNAUTHORIZED_FIELD_OR_TYPE");

    let said = place.run(&["user", "grant", &ada.email, "admin"]).await.expect("granted");
    assert!(said.starts_with(&format!("{}: USER, ADMIN", ada.email)), "{said}");
    let unknown = place.run(&["user", "grant", "nobody@example.org", "ADMIN"]).await;
    assert!(unknown.unwrap_err().contains("there is no such account"));
    let last = place.run(&["user", "disable", &ada.email]).await;
    assert!(last.unwrap_err().contains("last administrator"));

    // What the token of before says still holds for it; a new one has the permissions.
    let refused = ada.client.send(accounts, Value::Null).await;
    assert_eq!(refused.body["errors"][0]["extensions"]["code"], "UNAUTHORIZED_FIELD_OR_TYPE");
    let login = "mutation ($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({ "email": ada.email, "password": story::PASSWORD });
    let token = moim.client().send(login, json!({ "input": input })).await.ok();
    let admin = moim.client().with_token(&token.text("/login/accessToken"));
    let seen = admin.send(accounts, Value::Null).await.ok();
    assert_eq!(
        seen.data("/accounts/nodes"),
        &json!([{ "email": ada.email, "roles": ["USER", "ADMIN"] }])
    );
    let shut = "mutation ($id: ID!) { disableAccount(input: { userId: $id }) {
        account { disabledAt } userErrors { code } } }";
    let shut = admin.send(shut, json!({ "id": bob.id })).await.ok();
    assert!(shut.data("/disableAccount/account/disabledAt").is_string());
    let input = json!({ "email": bob.email, "password": story::PASSWORD });
    let login = "mutation ($input: LoginInput!) { login(input: $input) { userErrors { code } } }";
    let refused = moim.client().send(login, json!({ "input": input })).await;
    assert_eq!(refused.body["data"]["login"]["userErrors"][0]["code"], "ACCOUNT_DISABLED");
    assert_eq!(
        place.run(&["user", "admins"]).await.expect("listed"),
        format!("{} ada\n", ada.email)
    );
}

/// An installation with its databases and streams, nothing of which runs.
struct Idle {
    place: Place,
    bus: Bus,
    pool: PgPool,
    tasks: Tasks,
}

impl Idle {
    async fn new() -> Self {
        let place = Place::new();
        place.run(&["migrate"]).await.expect("migrated");
        place.run(&["nats", "apply"]).await.expect("applied");
        let bus = Bus::connect(&Nats::from(&place).expect("settings")).await.expect("NATS");
        let postgres = Postgres::from(&place).expect("settings");
        let pool = database::connect(&postgres, "transcript").await.expect("database");
        let tasks = Tasks::new(pool.clone(), Outbox::new(), "transcript");
        Self { place, bus, pool, tasks }
    }

    async fn run(&self, arguments: &[&str]) -> String {
        self.place.run(arguments).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments).await).expect("JSON")
    }

    /// A task in its queue.
    async fn task(&self) -> Uuid {
        let mut tx = self.pool.begin().await.expect("database");
        let new = NewTask {
            kind: "TRANSCRIPTION",
            typename: "TranscriptTask",
            queue: "transcript",
            job_kind: "transcription",
            priority: Priority::Normal,
            ordering_key: Uuid::now_v7(),
            requested_by: None,
            input: json!({}),
            dedupe_key: None,
            changed: json!({}),
        };
        let task = self.tasks.create(&mut tx, new).await.expect("database");
        tx.commit().await.expect("database");
        task.id
    }

    /// A task that failed, with its job as a dead letter.
    async fn failed_task(&self) -> Uuid {
        let task = self.task().await;
        let claim = self.tasks.claim(task).await.expect("database").expect("it waits");
        let mut tx = self.pool.begin().await.expect("database");
        self.tasks.fail(&mut tx, &claim, "ENGINE_FAILED", "It broke.").await.expect("database");
        tx.commit().await.expect("database");
        let body = json!({ "id": claim.task.job_id, "kind": "transcription", "taskId": task });
        self.letter("QUEUE_TRANSCRIPT", "transcript-heavy-normal", &body).await;
        task
    }

    async fn letter(&self, stream: &str, consumer: &str, body: &Value) {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_STREAM, stream);
        headers.insert(HEADER_CONSUMER, consumer);
        headers.insert(HEADER_SUBJECT, "moim.job.transcript.normal.transcription");
        headers.insert(HEADER_REASON, "the engine broke");
        let subject = format!("moim.dead.{consumer}");
        let body = body.to_string().into();
        self.bus.publish(&subject, Uuid::now_v7(), headers, body).await.expect("stored");
    }

    async fn status(&self, task: Uuid) -> TaskStatus {
        self.tasks.fresh(&[task]).await.expect("database")[&task].status
    }

    async fn clean_up(self) {
        for declared in topology::declared().expect("nats/") {
            let name = self.bus.stream(&declared.stream.name);
            let _ = self.bus.jetstream().delete_stream(name).await;
        }
    }
}

/// Given two failed jobs and one that can't be understood among the dead letters, when an operator lists, shows,
/// replays and drops them, then the tasks wait again, and what can't be replayed is kept until it is dropped.
#[tokio::test]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let moim = Idle::new().await;
    assert_eq!(moim.run(&["dlq", "list"]).await, "no dead letters\n");
    let (one, two) = (moim.failed_task().await, moim.failed_task().await);
    moim.letter("QUEUE_TRANSCRIPT", "transcript-heavy-high", &json!("no job")).await;

    let listed = moim.run(&["dlq", "list"]).await;
    assert!(listed.starts_with("ID "), "{listed}");
    assert_eq!(listed.matches("the engine broke").count(), 3, "{listed}");
    let listed =
        moim.json(&["dlq", "list", "--json", "--consumer", "transcript-heavy-normal"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(listed[0]["body"]["taskId"], json!(one));
    let shown = moim.run(&["dlq", "show", "1"]).await;
    assert!(shown.contains(&one.to_string()) && shown.contains("the engine broke"), "{shown}");
    let none = moim.json(&["dlq", "list", "--json", "--stream", "EVENTS"]).await;
    assert_eq!(none, json!([]));

    let replayed = moim.run(&["dlq", "replay", "1"]).await;
    assert_eq!(replayed, format!("1: task {one} waits in its queue again\n"));
    assert_eq!(moim.status(one).await, TaskStatus::Pending);
    let gone = moim.place.run(&["dlq", "replay", "1"]).await.expect_err("it is gone");
    assert!(gone.contains("no dead letter 1"), "{gone}");

    let rest = moim.place.run(&["dlq", "replay", "--all"]).await.expect_err("one is no job");
    assert!(rest.contains("1 of 2 letters were not replayed"), "{rest}");
    assert_eq!(moim.status(two).await, TaskStatus::Pending);
    assert_eq!(moim.run(&["dlq", "drop", "--all"]).await, "3: dropped\n");
    assert_eq!(moim.run(&["dlq", "list"]).await, "no dead letters\n");
    moim.clean_up().await;
}

/// Given events and a task in the database, when NATS was emptied and an operator fills it again, then the streams are
/// there, and the events and the job are to be published.
#[tokio::test]
async fn an_emptied_nats_is_filled_by_one_command() {
    let moim = Idle::new().await;
    moim.task().await;
    let key = Uuid::now_v7();
    let mut tx = moim.pool.begin().await.expect("database");
    let event = NewEvent {
        kind: "moim.meeting.updated.v1",
        source: "transcript",
        ordering_key: key,
        entity: "meeting",
        entity_id: key,
        verb: "updated",
        class: Class::Event,
        data: json!({}),
        changed: json!({}),
        invalidates: vec![],
    };
    Outbox::new().append(&mut tx, event).await.expect("database");
    tx.commit().await.expect("database");
    let published = "UPDATE outbox SET published_at = now() WHERE class = 'event'";
    sqlx::query(published).execute(&moim.pool).await.expect("database");
    for declared in topology::declared().expect("nats/") {
        let name = moim.bus.stream(&declared.stream.name);
        moim.bus.jetstream().delete_stream(name).await.expect("deleted");
    }

    let told = moim.run(&["events", "republish", "transcript", "user"]).await;

    let wanted = "transcript: 2 events and 1 jobs are published again\n\
                  user: 0 events and 0 jobs are published again\n";
    assert_eq!(told, wanted);
    let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND class = 'event'";
    let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&moim.pool).await.expect("database");
    assert_eq!(waiting, 2);
    let status = moim.json(&["nats", "status", "--json"]).await;
    let streams = status.as_array().expect("streams");
    assert_eq!(streams.len(), topology::declared().expect("nats/").len());
    assert!(streams.iter().all(|stream| stream["messages"] == 0 && stream["oldestMs"].is_null()));
    let table = moim.run(&["nats", "status"]).await;
    assert!(table.contains("transcript-heavy-high") && table.contains("LAG"), "{table}");
    moim.clean_up().await;
}

/// Given a cached profile that somebody changes in the database by hand, when an operator evicts it, all of its kind, or
/// everything, then readers see the change; and a kind that there isn't is refused with those that there are.
#[tokio::test]
async fn the_cache_is_shown_and_evicted() {
    let place = Place::new();
    let moim = place.up().await;
    let person = story::register(&moim.client(), "somebody").await;
    let postgres = Postgres::from(&place).expect("settings");
    let users = database::connect(&postgres, "user").await.expect("database");
    let run = async |arguments: &[&str]| {
        place.run(arguments).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    let name =
        async || person.client.send("{ me { name } }", json!({})).await.ok().text("/me/name");

    let shown = run(&["cache", "show"]).await;
    assert!(shown.contains("user.profile: 1800 s, hot ones in each process too\n"), "{shown}");
    assert!(shown.contains("Redis: "), "{shown}");
    let mut before = "somebody".to_owned();
    for arguments in [
        &["cache", "evict", "user.profile", &person.id] as &[_],
        &["cache", "evict", "user.profile"],
        &["cache", "evict", "all"],
    ] {
        assert_eq!(name().await, before);
        before = format!("after {}", arguments.join(" "));
        sqlx::query("UPDATE users SET name = $1").bind(&before).execute(&users).await.expect("SQL");
        let evicted = run(arguments).await;
        let expected =
            if arguments.ends_with(&["all"]) { "everything is evicted" } else { "1 evicted" };
        assert_eq!(evicted.trim_end(), expected);
        eventually("the change is seen", SOON, || async { (name().await == before).then_some(()) })
            .await;
    }
    let refused = place.run(&["cache", "evict", "nonsense"]).await.expect_err("no such kind");
    assert!(refused.contains("there are meeting, "), "{refused}");
    users.close().await;
}
