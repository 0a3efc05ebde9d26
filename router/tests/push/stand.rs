//! A stream of its own per test, routers' push planes on it, and a scripted engine.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{self, stream::StorageType},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use router::push::{
    Config, Cursor, Delivery, EventStream, Execution, HEADER_CHANGED, HEADER_ID, HEADER_TIME,
    HEADER_TYPE, Plane, Request, Root, Subscriber,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const SUPERGRAPH: &str = include_str!("fixture/supergraph.graphql");

const ROOM: &str = "subscription($roomId: ID!) { roomUpdated(roomId: $roomId) { cursor type room { id } job { ... on BuildJob { id } } } }";
const JOB: &str =
    "subscription($jobId: ID!) { jobUpdated(jobId: $jobId) { cursor type job { __typename id } } }";
const LINES: &str =
    "subscription($roomId: ID!) { lines(roomId: $roomId) { cursor type line { id } } }";
const INBOX: &str = "subscription { inbox { cursor type } }";

/// A stream of its own on the shared server.
pub(crate) struct Stand {
    pub(crate) context: jetstream::Context,
    pub(crate) prefix: String,
    /// Makes ids of events.
    published: AtomicUsize,
}

/// One router's push plane. Dropping it stops its reader.
pub(crate) struct Side {
    pub(crate) plane: Arc<Plane>,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        let url = std::env::var("MOIM_NATS_URL").expect("MOIM_NATS_URL names the test server");
        let client = async_nats::connect(url).await.expect("NATS can be reached");
        let stand = Self {
            context: jetstream::new(client),
            prefix: format!("p{}", &Uuid::now_v7().simple().to_string()[20..]),
            published: AtomicUsize::new(0),
        };
        stand.create_stream().await;
        stand
    }

    pub(crate) fn stream(&self) -> String {
        format!("{}_PUSH", self.prefix)
    }

    pub(crate) async fn create_stream(&self) {
        let config = jetstream::stream::Config {
            name: self.stream(),
            subjects: vec![format!("{}.app.>", self.prefix)],
            storage: StorageType::Memory,
            // Left-overs of a failed test go by themselves.
            max_age: Duration::from_secs(600),
            duplicate_window: Duration::from_millis(100),
            ..jetstream::stream::Config::default()
        };
        self.context.create_stream(config).await.expect("a stream");
    }

    pub(crate) async fn delete_stream(&self) {
        self.context.delete_stream(self.stream()).await.expect("deleted");
    }

    pub(crate) fn side(&self, config: Config) -> Side {
        self.side_by(self.context.clone(), config)
    }

    /// A router that reaches the server by a connection of its own.
    pub(crate) fn side_by(&self, context: jetstream::Context, config: Config) -> Side {
        let stream = EventStream { context, prefix: self.prefix.clone() };
        let plane = Plane::start(SUPERGRAPH, stream, config).expect("the fixture is right");
        Side { plane: plane.expect("the fixture has event sources") }
    }

    /// How many events were published by [`Self::room`].
    pub(crate) fn published(&self) -> usize {
        self.published.load(Ordering::Relaxed)
    }

    /// Publishes an event of its own id about a room, and gives that id.
    pub(crate) async fn room(&self, room: &str) -> String {
        let id = format!("e{}", self.published.fetch_add(1, Ordering::Relaxed));
        let changed = json!({"room": {"__typename": "Room", "id": room},
                             "job": {"__typename": "BuildJob", "id": id}});
        let subject = format!("app.event.{room}.room.{room}.changed");
        self.publish(&subject, &id, "app.room.changed.v1", &changed).await;
        id
    }

    pub(crate) async fn job(&self, job: &str, completed_at: Option<&str>) {
        let id = Uuid::now_v7().to_string();
        let changed =
            json!({"job": {"__typename": "BuildJob", "id": job, "completedAt": completed_at}});
        let subject = format!("app.event.r1.job.{job}.stateChanged");
        self.publish(&subject, &id, "app.job.stateChanged.v1", &changed).await;
    }

    pub(crate) async fn line(&self, room: &str, line: &str) {
        let changed = json!({"line": {"__typename": "Line", "id": line}});
        let subject = format!("app.live.{room}.line.{line}.recognised");
        let id = Uuid::now_v7().to_string();
        self.publish(&subject, &id, "app.line.recognised.v1", &changed).await;
    }

    /// Publishes a message; true when the stream itself saw that it is a copy.
    pub(crate) async fn publish(
        &self,
        subject: &str,
        id: &str,
        kind: &str,
        changed: &Value,
    ) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_ID, id);
        headers.insert(HEADER_TYPE, kind);
        headers.insert(HEADER_TIME, "2026-01-02T03:04:05.678Z");
        headers.insert(HEADER_CHANGED, changed.to_string().as_str());
        let subject = format!("{}.{subject}", self.prefix);
        let ack = self
            .context
            .publish_with_headers(subject, headers, Bytes::from_static(b"{}"))
            .await
            .expect("sent");
        ack.await.expect("stored").duplicate
    }
}

/// The engine's part, scripted: the guard answers what the test says, and an event's
/// response is its root object.
pub(crate) struct Script {
    answer: Mutex<Value>,
    during_guard: Option<Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>>,
}

impl Script {
    pub(crate) fn answering(answer: Value) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(answer), during_guard: None })
    }

    pub(crate) fn during_guard(
        answer: Value,
        happens: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(answer), during_guard: Some(Box::new(happens)) })
    }

    /// Changes what the guard answers.
    pub(crate) fn answer_from_now_on(&self, answer: Value) {
        *self.answer.lock().expect("no panic") = answer;
    }

    /// A guard that knows room r1.
    pub(crate) fn room() -> Arc<Self> {
        Self::answering(json!({"data": {"room": {"__typename": "Room", "id": "r1"}, "job": null}}))
    }

    /// A guard that knows job j1.
    pub(crate) fn job(completed_at: Option<&str>) -> Arc<Self> {
        let job = json!({"__typename": "BuildJob", "id": "j1", "completedAt": completed_at});
        Self::answering(json!({"data": {"job": job}}))
    }
}

impl Execution for Script {
    fn guard<'a>(&'a self, _query: &'a str, variables: Map<String, Value>) -> BoxFuture<'a, Bytes> {
        async move {
            assert!(!variables.contains_key("after"), "only what the guard declares");
            if let Some(happens) = &self.during_guard {
                happens().await;
            }
            self.answer.lock().expect("no panic").to_string().into()
        }
        .boxed()
    }

    fn event<'a>(&'a self, _: Option<Cursor>, root: &'a Root<'a>) -> BoxFuture<'a, Bytes> {
        async move {
            let root: Value = serde_json::from_slice(&root()).expect("JSON");
            json!({ "data": root }).to_string().into()
        }
        .boxed()
    }

    fn flag(&self, _variable: &str) -> Option<bool> {
        None
    }
}

pub(crate) fn viewer() -> Option<Subscriber> {
    Some(Subscriber { id: "v1".to_owned(), expires_at: i64::MAX })
}

/// A request for one of the fixture's fields.
pub(crate) fn request(field: &str, execution: Arc<Script>, after: Option<&str>) -> Request {
    let (document, argument) = match field {
        "roomUpdated" => (ROOM, json!({"roomId": "r1"})),
        "jobUpdated" => (JOB, json!({"jobId": "j1"})),
        "lines" => (LINES, json!({"roomId": "r1"})),
        _ => (INBOX, json!({})),
    };
    let Value::Object(mut arguments) = argument else { unreachable!() };
    if let Some(after) = after {
        arguments.insert("after".to_owned(), after.into());
    }
    Request {
        field: field.to_owned(),
        arguments,
        document: document.into(),
        subscriber: viewer(),
        last_event_id: None,
        execution,
    }
}

/// A started subscription as a client sees it.
pub(crate) struct Client(BoxStream<'static, Delivery>);

/// One event at the client.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) cursor: String,
    pub(crate) event: Value,
}

impl Seen {
    pub(crate) fn kind(&self) -> &str {
        self.event["type"].as_str().expect("a type")
    }
}

impl Side {
    pub(crate) async fn subscribe(&self, request: Request) -> Client {
        let started = tokio::time::timeout(PATIENCE, self.plane.subscribe(request)).await;
        match started.expect("an answer in time") {
            Ok(subscription) => Client(subscription.deliveries()),
            Err(errors) => panic!("refused: {errors:?}"),
        }
    }

    /// The code of the error that refuses a subscription.
    pub(crate) async fn refusal(&self, request: Request) -> String {
        match self.plane.subscribe(request).await {
            Ok(_) => panic!("it was not refused"),
            Err(errors) => errors[0].code().to_owned(),
        }
    }
}

impl Client {
    pub(crate) async fn delivery(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("a delivery in time").expect("not over yet")
    }

    pub(crate) async fn event(&mut self) -> Seen {
        match self.delivery().await {
            Delivery::Next { cursor, body } => {
                let response: Value = serde_json::from_slice(&body).expect("JSON");
                let root = response["data"].as_object().expect("data");
                let cursor = cursor.expect("every event has a cursor");
                let event = root.values().next().expect("one field").clone();
                assert_eq!(event["cursor"], cursor.as_str());
                Seen { cursor, event }
            }
            other => panic!("no event but {other:?}"),
        }
    }

    /// The code of the error that ends it.
    pub(crate) async fn failure(&mut self) -> String {
        match self.delivery().await {
            Delivery::Failed(errors) => errors[0].code().to_owned(),
            other => panic!("no failure but {other:?}"),
        }
    }

    pub(crate) async fn completes(&mut self) {
        assert!(matches!(self.delivery().await, Delivery::Complete));
        assert!(self.0.next().await.is_none(), "nothing comes after the end");
    }

    /// Whether something is there without waiting.
    pub(crate) fn has_more(&mut self) -> bool {
        self.0.next().now_or_never().is_some()
    }
}

/// Waits until `holds`, looking again whenever other tasks had their turn.
pub(crate) async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it came true in time");
}
