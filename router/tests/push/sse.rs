//! GraphQL over SSE with a real client on a real socket.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::log;

use super::{
    house::{House, MEMBER, OUTSIDER, token},
    stand::{PATIENCE, eventually},
};

const ROOM: &str = "subscription($id: ID!, $after: Cursor) { now: roomUpdated(roomId: $id, after: $after) { type room { id title status } job { id progress ... on BuildJob { status } } } }";
const JOB: &str = "subscription { jobUpdated(jobId: \"j1\") { cursor type job { __typename id progress completedAt } } }";

/// One event of the stream; a comment has the name ":".
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    data: String,
}

impl Event {
    pub(super) fn data(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

pub(super) struct Stream {
    response: Response<Incoming>,
    text: String,
    events: VecDeque<Event>,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The socket closes with it.
        self.connection.abort();
    }
}

impl Stream {
    pub(super) async fn open(house: &House, request: Request<Full<Bytes>>) -> Self {
        let socket = tokio::net::TcpStream::connect(house.address).await.expect("connected");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.expect("a connection");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.expect("a response");
        Self { response, text: String::new(), events: VecDeque::new(), connection }
    }

    /// The next event or comment; None at the end of the body.
    async fn any(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            let frame = tokio::time::timeout(PATIENCE, self.response.frame()).await;
            let frame = frame.expect("something in time")?.expect("a frame");
            if let Ok(data) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
            }
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                self.events.push_back(parse(event));
                self.text = rest.to_owned();
            }
        }
        self.events.pop_front()
    }

    pub(super) async fn event(&mut self) -> Event {
        loop {
            let event = self.any().await.expect("not over yet");
            if event.name != ":" {
                return event;
            }
        }
    }

    async fn completes(&mut self) {
        assert_eq!(self.event().await.name, "complete");
        assert!(self.any().await.is_none(), "the body ends");
    }

    /// The code of the only error, after which it completes.
    async fn refusal(&mut self) -> String {
        assert_eq!(self.response.status(), StatusCode::OK);
        let event = self.event().await;
        assert_eq!((event.name.as_str(), &event.id), ("next", &None));
        let code =
            event.data()["errors"][0]["extensions"]["code"].as_str().expect("a code").to_owned();
        self.completes().await;
        code
    }
}

fn parse(text: &str) -> Event {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let values: Vec<_> = lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect();
        (!values.is_empty()).then(|| values.join("\n"))
    };
    Event {
        name: field("event").unwrap_or_else(|| ":".to_owned()),
        id: field("id"),
        data: field("data").unwrap_or_default(),
    }
}

pub(super) fn post(house: &House, token: Option<&str>, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::post("/graphql")
        .header(header::HOST, house.address.to_string())
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    request.body(Full::from(body.to_string())).expect("a request")
}

fn room(house: &House, viewer: &str) -> Request<Full<Bytes>> {
    let body = json!({"query": ROOM, "variables": {"id": "r1"}});
    post(house, Some(&token(viewer, 600)), &body)
}

#[tokio::test]
async fn a_snapshot_and_events_with_entities_of_two_subgraphs() {
    let house = House::new().await;
    let mut stream = Stream::open(&house, room(&house, MEMBER)).await;
    assert_eq!(stream.response.headers()[header::CONTENT_TYPE], "text/event-stream; charset=utf-8");
    let snapshot = stream.event().await;
    assert_eq!(snapshot.name, "next");
    assert_eq!(
        snapshot.data(),
        json!({"data": {"now": {"type": "SNAPSHOT",
            "room": {"id": "r1", "title": "first", "status": "OPEN"},
            "job": {"id": "j1", "progress": 0, "status": "RUNNING"}}}})
    );
    "second".clone_into(&mut house.state.title.lock().expect("no panic"));
    *house.state.progress.lock().expect("no panic") = 40;
    let id = house.stand.room("r1").await;
    let event = stream.event().await;
    assert_eq!(
        event.data(),
        json!({"data": {"now": {"type": "ROOM_CHANGED",
            "room": {"id": "r1", "title": "second", "status": "OPEN"},
            "job": {"id": id, "progress": 40, "status": "RUNNING"}}}})
    );
    assert!(event.id.is_some() && event.id != snapshot.id, "the cursor is there unasked");
}

#[tokio::test]
async fn a_dropped_stream_goes_on_after_its_last_event() {
    let house = House::new().await;
    let mut stream = Stream::open(&house, room(&house, MEMBER)).await;
    stream.event().await;
    house.stand.room("r1").await;
    let last = stream.event().await.id.expect("a cursor");
    drop(stream);
    eventually(|| house.subscriptions() == 0).await;
    let missed = [house.stand.room("r1").await, house.stand.room("r1").await];
    let mut request = room(&house, MEMBER);
    request.headers_mut().insert("last-event-id", last.parse().expect("a value"));
    let mut by_header = Stream::open(&house, request).await;
    let body = json!({"query": ROOM, "variables": {"id": "r1", "after": last}});
    let request = post(&house, Some(&token(MEMBER, 600)), &body);
    let mut by_argument = Stream::open(&house, request).await;
    for id in &missed {
        for stream in [&mut by_header, &mut by_argument] {
            assert_eq!(stream.event().await.data()["data"]["now"]["job"]["id"], id.as_str());
        }
    }
}

#[tokio::test]
async fn the_final_state_completes_the_stream() {
    let house = House::new().await;
    let request = post(&house, Some(&token(MEMBER, 600)), &json!({"query": JOB}));
    let mut stream = Stream::open(&house, request).await;
    let snapshot = stream.event().await;
    let event = &snapshot.data()["data"]["jobUpdated"];
    assert_eq!(
        event["job"],
        json!({"__typename": "BuildJob", "id": "j1", "progress": 0, "completedAt": null})
    );
    assert_eq!(event["cursor"], snapshot.id.as_deref().expect("a cursor"));
    *house.state.completed_at.lock().expect("no panic") = Some("t".to_owned());
    house.stand.job("j1", Some("t")).await;
    let last = stream.event().await.data();
    assert_eq!(last["data"]["jobUpdated"]["job"]["completedAt"], "t");
    stream.completes().await;
}

#[tokio::test]
async fn refusals_are_events_of_the_stream() {
    let house = House::new().await;
    let mut outsider = Stream::open(&house, room(&house, OUTSIDER)).await;
    assert_eq!(outsider.refusal().await, "NOT_FOUND");
    let anonymous = post(&house, None, &json!({"query": ROOM, "variables": {"id": "r1"}}));
    assert_eq!(Stream::open(&house, anonymous).await.refusal().await, "UNAUTHENTICATED");
    let member = token(MEMBER, 600);
    for (query, variables, code) in [
        (ROOM, json!({"id": "r9"}), "NOT_FOUND"),
        (ROOM, json!({"id": "*"}), "BAD_USER_INPUT"),
        (ROOM, json!({}), "BAD_USER_INPUT"),
        (ROOM, json!({"id": "r1", "after": "x"}), "INVALID_CURSOR"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
    ] {
        let body = json!({"query": query, "variables": variables});
        let mut stream = Stream::open(&house, post(&house, Some(&member), &body)).await;
        assert_eq!(stream.refusal().await, code, "{query} {variables}");
    }
    eventually(|| house.subscriptions() == 0).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_a_status() {
    let house = House::new().await;
    let expired = post(&house, Some(&token(MEMBER, -60)), &json!({"query": JOB}));
    let stream = Stream::open(&house, expired).await;
    assert_eq!(stream.response.status(), StatusCode::UNAUTHORIZED);
    let mutation = "/graphql?query=mutation%7Brename(id:%22r1%22,title:%22x%22)%7Bid%7D%7D";
    let stream = Stream::open(&house, get(&house, mutation)).await;
    assert_eq!(stream.response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(*house.state.title.lock().expect("no panic"), "first");
}

fn get(house: &House, uri: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::GET)
        .uri(uri)
        .header(header::HOST, house.address.to_string())
        .header(header::ACCEPT, "text/event-stream")
        .header(header::AUTHORIZATION, token(MEMBER, 600))
        .header("apollo-require-preflight", "1")
        .body(Full::default())
        .expect("a request")
}

#[tokio::test]
async fn queries_and_mutations_and_requests_by_get_work_too() {
    let house = House::new().await;
    let query = get(&house, "/graphql?query=%7Broom(id:%22r1%22)%7Btitle%7D%7D");
    let mut stream = Stream::open(&house, query).await;
    assert_eq!(stream.event().await.data(), json!({"data": {"room": {"title": "first"}}}));
    stream.completes().await;
    let rename = json!({"query": "mutation { rename(id: \"r1\", title: \"x\") { title } }"});
    let request = post(&house, Some(&token(MEMBER, 600)), &rename);
    let mut stream = Stream::open(&house, request).await;
    assert_eq!(stream.event().await.data(), json!({"data": {"rename": {"title": "x"}}}));
    stream.completes().await;
    let lines =
        get(&house, "/graphql?query=subscription%7Blines(roomId:%22r1%22)%7Bline%7Btext%7D%7D%7D");
    house.stand.line("r1", "l1").await;
    let mut stream = Stream::open(&house, lines).await;
    assert_eq!(
        stream.event().await.data(),
        json!({"data": {"lines": {"line": {"text": "text of l1"}}}})
    );
}

#[tokio::test]
async fn clients_dont_learn_where_events_come_from() {
    let house = House::new().await;
    let query = "{ __schema { types { name } directives { name args { type { name ofType { name } } } } } }";
    let mut stream = Stream::open(&house, post(&house, None, &json!({"query": query}))).await;
    let schema = stream.event().await.data;
    assert!(schema.contains("RoomEvent"), "{schema}");
    for inner in ["eventSource", "EventStart", "RETAINED"] {
        assert!(!schema.contains(inner), "{inner} is told");
    }
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let house =
        House::with(router::push::Config { heartbeat_ms: 20, ..router::push::Config::default() })
            .await;
    let mut stream = Stream::open(&house, room(&house, MEMBER)).await;
    stream.event().await;
    for _ in 0..3 {
        assert_eq!(stream.any().await.expect("a heartbeat").name, ":");
    }
    house.stand.room("r1").await;
    assert_eq!(stream.event().await.name, "next");
}

#[tokio::test]
async fn an_expiring_token_ends_the_stream() {
    let house = House::new().await;
    let body = json!({"query": ROOM, "variables": {"id": "r1"}});
    let request = post(&house, Some(&token(MEMBER, 2)), &body);
    let mut stream = Stream::open(&house, request).await;
    stream.event().await;
    assert_eq!(stream.refusal().await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn who_is_removed_loses_the_stream() {
    let house = House::new().await;
    let mut stream = Stream::open(&house, room(&house, MEMBER)).await;
    stream.event().await;
    house.state.removed.store(true, std::sync::atomic::Ordering::Relaxed);
    house.stand.room("r1").await;
    assert_eq!(stream.refusal().await, "NOT_FOUND");
    eventually(|| house.subscriptions() == 0).await;
}

#[tokio::test]
async fn a_router_that_stops_lets_its_clients_come_back() {
    let house = House::new().await;
    let mut stream = Stream::open(&house, room(&house, MEMBER)).await;
    stream.event().await;
    house.router.close();
    assert_eq!(stream.any().await.expect("a comment").name, ":");
    assert!(stream.any().await.is_none(), "the body ends without a `complete`");
}

#[tokio::test]
async fn each_stream_has_a_line_that_says_how_it_began() {
    log::keep();
    let house = House::new().await;
    let body = |name: &str, field: &str| json!({"query": format!("{name} {{ {field} }}")});
    let room = "roomUpdated(roomId: \"r1\") { type }";
    // Given one that begins, one whose guard refuses it, a query that fails, and a refused one
    let mut begun = Stream::open(
        &house,
        post(&house, Some(&token(MEMBER, 600)), &body("subscription StreamBegun", room)),
    )
    .await;
    begun.event().await;
    for request in [
        post(&house, Some(&token(OUTSIDER, 600)), &body("subscription StreamGuarded", room)),
        post(&house, None, &body("subscription StreamGuarded", room)),
    ] {
        Stream::open(&house, request).await.refusal().await;
    }
    let failing = body("mutation StreamFailed", "rename(id: \"r1\", title: \"x\") { id }");
    let mut failed = Stream::open(&house, post(&house, None, &failing)).await;
    assert!(failed.event().await.data()["errors"].is_array());
    failed.completes().await;
    let mut refused =
        Stream::open(&house, post(&house, Some(&token(MEMBER, 600)), &body("subscription", "no")))
            .await;
    let error = refused.event().await.data()["errors"][0].take();
    // Then their lines tell it
    let told = |name: &str| {
        let lines = log::lines("operation", name).into_iter();
        lines
            .map(|line| {
                assert_eq!(
                    (&line["way"], &line["status"]),
                    (&json!("http"), &json!(200)),
                    "{line}"
                );
                line["errors"].as_u64().expect("a number")
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(told("StreamBegun"), [0]);
    assert_eq!(told("StreamGuarded"), [1, 1]);
    assert_eq!(told("StreamFailed"), [1]);
    let trace = error["extensions"]["traceId"].as_str().expect("a trace");
    let lines = log::lines("trace_id", trace);
    let line = lines.iter().find(|line| line["message"] == "request").expect("its line");
    assert_eq!((&line["status"], &line["errors"]), (&json!(200), &json!(1)), "{line}");
}
