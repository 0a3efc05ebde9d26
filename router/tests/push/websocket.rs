//! graphql-transport-ws with a real client on a real socket.

use std::{sync::atomic::Ordering, time::Duration};

use futures::{SinkExt, StreamExt};
use router::push::{Config, WebSocket as Bounds};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::log;

use super::{
    house::{House, MEMBER, OUTSIDER, token},
    stand::{PATIENCE, eventually},
};

const ROOM: &str = "subscription { roomUpdated(roomId: \"r1\") { cursor type room { title } } }";
const JOB: &str = "subscription { jobUpdated(jobId: \"j1\") { type job { progress } } }";

pub(super) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(
        house: &House,
        protocol: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Self, Error> {
        let url = format!("ws://{}/graphql", house.address);
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        if let Some(protocol) = protocol {
            headers.insert("sec-websocket-protocol", protocol.parse().expect("a value"));
        }
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().expect("a value"));
        }
        connect_async(request).await.map(|(socket, _)| Self(socket))
    }

    /// Connected, not yet initialised.
    async fn open(house: &House) -> Self {
        let opened = Self::connect(house, Some("graphql-transport-ws"), None).await;
        opened.expect("a socket")
    }

    /// Initialised as a viewer.
    pub(super) async fn of(house: &House, viewer: &str) -> Self {
        let mut client = Self::open(house).await;
        let payload = json!({"authorization": token(viewer, 600)});
        client.say(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
        client
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({"id": id, "type": "subscribe", "payload": {"query": query}})).await;
    }

    async fn frame(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("something in time").expect("not over yet").expect("a frame")
    }

    pub(super) async fn hear(&mut self) -> Value {
        loop {
            match self.frame().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// The next answer of an operation.
    pub(super) async fn next(&mut self, id: &str) -> Value {
        let mut message = self.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// The code with which the server closes.
    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.frame().await {
                return frame.expect("a reason").code.into();
            }
        }
    }
}

#[tokio::test]
async fn subscriptions_queries_and_mutations_share_a_socket() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("room", ROOM).await;
    let event = client.next("room").await["data"]["roomUpdated"].take();
    assert_eq!((&event["type"], &event["room"]["title"]), (&json!("SNAPSHOT"), &json!("first")));

    client.subscribe("m", "mutation { rename(id: \"r1\", title: \"new\") { title } }").await;
    assert_eq!(client.next("m").await, json!({"data": {"rename": {"title": "new"}}}));
    assert_eq!(client.hear().await, json!({"id": "m", "type": "complete"}));

    house.stand.room("r1").await;
    assert_eq!(client.next("room").await["data"]["roomUpdated"]["room"]["title"], "new");

    let query = "query Q($id: ID!) { room(id: $id) { title } } query Other { __typename }";
    client
        .say(json!({"id": "q", "type": "subscribe", "payload":
            {"query": query, "operationName": "Q", "variables": {"id": "r1"}, "extensions": {"x": 1}}}))
        .await;
    assert_eq!(client.next("q").await, json!({"data": {"room": {"title": "new"}}}));
    assert_eq!(client.hear().await, json!({"id": "q", "type": "complete"}));

    // An id may be used again once its operation is over.
    client.subscribe("q", "{ room(id: \"r1\") { id } }").await;
    assert_eq!(client.next("q").await, json!({"data": {"room": {"id": "r1"}}}));
}

#[tokio::test]
async fn a_client_that_completes_or_goes_frees_its_places() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    for id in ["a", "b"] {
        client.subscribe(id, ROOM).await;
        client.next(id).await;
    }
    assert_eq!(house.subscriptions(), 2);
    client.say(json!({"id": "a", "type": "complete"})).await;
    client.say(json!({"id": "unknown", "type": "complete"})).await;
    eventually(|| house.subscriptions() == 1).await;
    house.stand.room("r1").await;
    client.next("b").await;
    drop(client);
    eventually(|| house.subscriptions() == 0).await;
}

#[tokio::test]
async fn the_last_event_completes_the_operation() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("j", JOB).await;
    client.next("j").await;
    house.stand.job("j1", Some("t")).await;
    assert_eq!(client.next("j").await["data"]["jobUpdated"]["type"], "JOB_STATE_CHANGED");
    assert_eq!(client.hear().await, json!({"id": "j", "type": "complete"}));
    assert_eq!(house.subscriptions(), 0);
}

#[tokio::test]
async fn a_dropped_socket_goes_on_after_its_last_event() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("1", ROOM).await;
    let cursor = client.next("1").await["data"]["roomUpdated"]["cursor"].take();
    drop(client);
    house.stand.room("r1").await;
    house.stand.room("r1").await;
    let mut client = Client::of(&house, MEMBER).await;
    let query =
        "subscription($c: Cursor) { roomUpdated(roomId: \"r1\", after: $c) { type job { id } } }";
    client
        .say(json!({"id": "2", "type": "subscribe", "payload": {"query": query, "variables": {"c": cursor}}}))
        .await;
    for id in ["e0", "e1"] {
        assert_eq!(client.next("2").await["data"]["roomUpdated"]["job"]["id"], id);
    }
}

#[tokio::test]
async fn a_refused_operation_is_an_error_and_the_socket_stays() {
    let house = House::new().await;
    let mut client = Client::of(&house, OUTSIDER).await;
    for (query, code) in [
        (ROOM, "NOT_FOUND"),
        ("subscription { roomUpdated(roomId: \">\") { type } }", "BAD_USER_INPUT"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        client.subscribe("1", query).await;
        let message = client.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")));
        assert_eq!(message["payload"][0]["extensions"]["code"], code);
    }
    client.say(json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(client.hear().await, json!({"type": "pong", "payload": {"n": 1}}));
    // Nobody is signed in on this one.
    let mut anonymous = Client::open(&house).await;
    anonymous.say(json!({"type": "connection_init"})).await;
    anonymous.hear().await;
    anonymous.subscribe("1", ROOM).await;
    let message = anonymous.hear().await;
    assert_eq!(message["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn who_breaks_the_rules_is_closed_with_the_code_for_it() {
    let house = House::new().await;

    let mut garbage = Client::open(&house).await;
    garbage.0.send(Message::text("{")).await.expect("sent");
    assert_eq!(garbage.close_code().await, 4400);

    let mut binary = Client::open(&house).await;
    binary.0.send(Message::binary(vec![1])).await.expect("sent");
    assert_eq!(binary.close_code().await, 4400);

    let mut hasty = Client::open(&house).await;
    hasty.subscribe("1", ROOM).await;
    assert_eq!(hasty.close_code().await, 4401);

    for authorization in [json!(token(MEMBER, -60)), json!("Bearer x.y.z"), json!(7)] {
        let mut forged = Client::open(&house).await;
        let payload = json!({"authorization": authorization});
        forged.say(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(forged.close_code().await, 4403);
    }

    let mut twice = Client::of(&house, MEMBER).await;
    twice.subscribe("1", ROOM).await;
    twice.next("1").await;
    twice.subscribe("1", ROOM).await;
    assert_eq!(twice.close_code().await, 4409);

    let mut again = Client::of(&house, MEMBER).await;
    again.say(json!({"type": "connection_init"})).await;
    assert_eq!(again.close_code().await, 4429);
    eventually(|| house.subscriptions() == 0).await;
}

#[tokio::test]
async fn another_subprotocol_is_not_spoken() {
    let house = House::new().await;
    let mut none = Client::connect(&house, None, None).await.expect("a socket");
    assert_eq!(none.close_code().await, 4406);
    // A client that insists on its own protocol gives up by itself.
    assert!(Client::connect(&house, Some("graphql-ws"), None).await.is_err());
}

#[tokio::test]
async fn who_never_initialises_is_closed() {
    let house = House::with(Config {
        websocket: Bounds { init_timeout_ms: 30, ..Bounds::default() },
        ..Config::default()
    })
    .await;
    let mut client = Client::open(&house).await;
    assert_eq!(client.close_code().await, 4408);
}

#[tokio::test]
async fn operations_on_a_socket_are_bounded() {
    let house = House::with(Config {
        websocket: Bounds { max_subscriptions: 1, ..Bounds::default() },
        ..Config::default()
    })
    .await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("1", ROOM).await;
    client.next("1").await;
    client.subscribe("2", ROOM).await;
    let message = client.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("2")));
    house.stand.room("r1").await;
    client.next("1").await;
}

#[tokio::test]
async fn foreign_pages_may_not_connect() {
    let house = House::new().await;
    let protocol = Some("graphql-transport-ws");
    match Client::connect(&house, protocol, Some("https://evil.example.org")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("not refused: {:?}", other.err()),
    }
    let own = format!("http://{}", house.address);
    assert!(Client::connect(&house, protocol, Some(&own)).await.is_ok());
}

#[tokio::test]
async fn signs_of_life_are_wanted() {
    let house = House::with(Config { heartbeat_ms: 40, ..Config::default() }).await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("1", ROOM).await;
    client.next("1").await;
    for _ in 0..3 {
        assert!(matches!(client.frame().await, Message::Ping(_)));
    }
    assert_eq!(house.subscriptions(), 1, "who answers pings stays");
    // Whoever reads nothing answers no ping either.
    eventually(|| house.subscriptions() == 0).await;
}

#[tokio::test]
async fn an_expiring_token_ends_the_operation() {
    let house = House::new().await;
    let mut client = Client::open(&house).await;
    let payload = json!({"Authorization": token(MEMBER, 2)});
    client.say(json!({"type": "connection_init", "payload": payload})).await;
    client.hear().await;
    client.subscribe("1", ROOM).await;
    client.next("1").await;
    let message = client.hear().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
    // Nothing that it could do is possible any more, either
    let rename = "mutation { rename(id: \"r1\", title: \"stolen\") { title } }";
    for query in [rename, "{ room(id: \"r1\") { title } }", ROOM] {
        client.subscribe("2", query).await;
        let message = client.hear().await;
        assert_eq!(message["type"], "error", "{query}: {message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "UNAUTHENTICATED", "{query}");
    }
    assert_eq!(*house.state.title.lock().expect("no panic"), "first");
}

#[tokio::test]
async fn a_router_that_stops_says_goodbye() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("1", ROOM).await;
    client.next("1").await;
    house.router.close();
    assert_eq!(client.close_code().await, 1001);
    tokio::time::timeout(Duration::from_secs(5), client.0.close(None)).await.expect("closed").ok();
}

#[tokio::test]
async fn a_router_that_stops_answers_what_was_asked_before() {
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    client.subscribe("1", ROOM).await;
    client.next("1").await;
    // A mutation is under way when the router stops
    let turn = house.state.turns.acquire().await.expect("open");
    client.subscribe("m", "mutation { rename(id: \"r1\", title: \"last\") { title } }").await;
    eventually(|| house.state.waiting.load(Ordering::SeqCst) == 1).await;
    house.router.close();
    drop(turn);
    assert_eq!(client.next("m").await, json!({"data": {"rename": {"title": "last"}}}));
    assert_eq!(client.hear().await, json!({"id": "m", "type": "complete"}));
    assert_eq!(client.close_code().await, 1001);
    drop(client);
    tokio::time::timeout(PATIENCE, house.router.closed()).await.expect("the socket is gone");
}

#[tokio::test]
async fn errors_name_their_trace() {
    let house = House::new().await;
    let mut client = Client::of(&house, OUTSIDER).await;
    let queries = ["{", "{ nothing }", ROOM, "{ room(id: 1.5) { id } }"];
    let mut traces = std::collections::BTreeSet::new();
    for query in queries {
        client.subscribe("1", query).await;
        let message = client.hear().await;
        assert_eq!(message["type"], "error", "{message}");
        let trace = message["payload"][0]["extensions"]["traceId"].as_str().expect("a trace id");
        assert_eq!(trace.len(), 32);
        traces.insert(trace.to_owned());
    }
    // Also for what names no document at all.
    let persisted = json!({"persistedQuery": {"version": 1, "sha256Hash": "0"}});
    client.say(json!({"id": "1", "type": "subscribe", "payload": {"extensions": persisted}})).await;
    let error = client.hear().await["payload"][0].take();
    assert_eq!(error["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    traces.insert(error["extensions"]["traceId"].as_str().expect("a trace id").to_owned());
    assert_eq!(traces.len(), queries.len() + 1, "each operation has its own");
}

#[tokio::test]
async fn every_operation_has_a_line_in_the_log_and_is_counted() {
    log::keep();
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    // When there are a query, a mutation, a subscription, and operations that are refused
    client.subscribe("1", "query LoggedQuery { room(id: \"r1\") { title } }").await;
    client.next("1").await;
    client.hear().await;
    let rename =
        "mutation LoggedMutation($title: String!) { rename(id: \"r1\", title: $title) { id } }";
    let payload = json!({"query": rename, "variables": {"title": "a secret title"}});
    client.say(json!({"id": "1", "type": "subscribe", "payload": payload})).await;
    client.next("1").await;
    client.hear().await;
    let room = "subscription LoggedSubscription { roomUpdated(roomId: \"r1\") { type } }";
    client.subscribe("stays", room).await;
    client.next("stays").await;
    client.subscribe("1", "query LoggedCost { room(id: 1.5) { id } }").await;
    let refused = client.hear().await["payload"][0]["extensions"]["traceId"].take();
    // Then each has its line
    for (name, kind) in [
        ("LoggedQuery", "query"),
        ("LoggedMutation", "mutation"),
        ("LoggedSubscription", "subscription"),
    ] {
        let lines = log::lines("operation", name);
        let [line] = lines.as_slice() else { panic!("{name}: {lines:?}") };
        let told = [&line["kind"], &line["way"], &line["message"], &line["viewer"]];
        assert_eq!(told, [kind, "websocket", "operation", MEMBER], "{line}");
        assert_eq!((&line["status"], &line["errors"]), (&json!(200), &json!(0)), "{line}");
        assert!(line["cost"].as_u64().is_some_and(|cost| cost > 0), "{line}");
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert!(!line.to_string().contains("a secret title"), "{line}");
    }
    let lines = log::lines("trace_id", refused.as_str().expect("a trace"));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["status"], &line["errors"]), (&json!(400), &json!(1)), "{line}");
    // And is counted
    let metrics = platform::metrics::text();
    for (kind, outcome) in [("query", "ok"), ("mutation", "ok"), ("subscription", "ok")] {
        let counted = format!(
            "moim_graphql_operations_total{{graphql_operation_type=\"{kind}\",outcome=\"{outcome}\"}} 0"
        );
        assert!(!metrics.contains(&counted), "{counted}");
        let timed = format!(
            "moim_graphql_operation_duration_seconds_count{{graphql_operation_type=\"{kind}\",way=\"websocket\"}} "
        );
        let count = metrics.lines().find_map(|line| line.strip_prefix(&timed)).expect("timed");
        assert_ne!(count, "0", "{timed}");
    }
}

#[tokio::test]
async fn an_operation_that_its_client_stops_is_told_too() {
    log::keep();
    let house = House::new().await;
    let mut client = Client::of(&house, MEMBER).await;
    // Given a mutation that can't get on
    let turn = house.state.turns.acquire().await.expect("a turn");
    client.subscribe("m", "mutation LoggedStop { rename(id: \"r1\", title: \"x\") { id } }").await;
    eventually(|| house.state.waiting.load(Ordering::SeqCst) == 1).await;
    // When its client doesn't want it any more
    client.say(json!({"id": "m", "type": "complete"})).await;
    // Then the log says so
    eventually(|| !log::lines("operation", "LoggedStop").is_empty()).await;
    assert_eq!(log::lines("operation", "LoggedStop")[0]["status"], 499);
    drop(turn);
}
