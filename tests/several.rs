//! Several routers on one NATS: one goes, by force or in order, and clients notice nothing that they can't mend.

use crate::kit::{
    SOON, eventually,
    instance::{Instance, Place},
};
use async_nats::{HeaderMap, jetstream};
use axum::{Json, extract::State, routing::post};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use router::push::{HEADER_CHANGED, HEADER_ID, HEADER_TIME, HEADER_TYPE};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

/// A supergraph with a field that an event stream feeds.
const SUPERGRAPH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/router/tests/push/fixture/supergraph.graphql");
/// How long the subgraphs take: long enough that a request is always under way.
const WORK: Duration = Duration::from_millis(10);
/// Pause between two events.
const EVENT_EVERY: Duration = Duration::from_millis(20);
const CLIENTS: usize = 6;
const ROOM: &str = "subscription ($after: Cursor) { roomUpdated(roomId: \"r1\", after: $after) {
    cursor type room { title } job { id } } }";

/// Answers for both subgraphs; `renamed` are the titles of mutations.
async fn subgraph(
    State(renamed): State<Arc<Mutex<Vec<String>>>>,
    body: Json<Value>,
) -> Json<Value> {
    tokio::time::sleep(WORK).await;
    let query = body["query"].as_str().unwrap_or_default();
    let arrays = body["variables"].as_object().into_iter().flat_map(|all| all.values());
    let entities = arrays.filter_map(Value::as_array).next().map_or(0, Vec::len);
    if query.starts_with("mutation") {
        let title = body["variables"].as_object().and_then(|all| all.values().next()).cloned();
        let title = title.unwrap_or_default();
        renamed.lock().expect("no panic").push(title.as_str().unwrap_or_default().to_owned());
        return Json(json!({ "data": { "rename": { "title": title } } }));
    }
    let room = json!({ "__typename": "Room", "id": "r1", "title": "first" });
    Json(json!({ "data": {
        "_entities": vec![room.clone(); entities], "room": room, "job": null, "latestJob": null,
    } }))
}

/// Two routers, their subgraphs, and where they are just now.
struct Stage {
    place: Place,
    arguments: Vec<String>,
    /// What a client knows: the addresses of both.
    addresses: Mutex<[String; 2]>,
    renamed: Arc<Mutex<Vec<String>>>,
    jetstream: jetstream::Context,
}

impl Stage {
    async fn open() -> (Arc<Self>, [Option<Instance>; 2]) {
        let place = Place::new();
        let renamed = Arc::<Mutex<Vec<String>>>::default();
        let routes = axum::Router::new().route("/graphql", post(subgraph));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = routes.with_state(Arc::clone(&renamed));
        tokio::spawn(async move { axum::serve(listener, service).await });
        let config = place.data().join("router.yaml");
        let url = format!("http://{address}/graphql");
        let text = format!(
            "subgraphs: {{ rooms: {{ url: \"{url}\" }}, jobs: {{ url: \"{url}\" }} }}\n\
             shutdown: {{ drain_ms: 500 }}\n"
        );
        std::fs::write(&config, text).expect("the configuration is written");
        let config = config.display().to_string();
        let arguments = ["router", "--supergraph", SUPERGRAPH, "--config", &config];
        let nats = std::env::var("MOIM_NATS_URL").expect("the test server");
        let client = async_nats::connect(nats).await.expect("NATS can be reached");
        let stage = Self {
            arguments: arguments.map(str::to_owned).to_vec(),
            addresses: Mutex::default(),
            renamed,
            jetstream: jetstream::new(client),
            place,
        };
        let prefix = stage.place.nats_prefix();
        let stream = jetstream::stream::Config {
            name: format!("{prefix}_PUSH"),
            subjects: vec![format!("{prefix}.app.>")],
            storage: jetstream::stream::StorageType::Memory,
            max_age: Duration::from_secs(600),
            ..jetstream::stream::Config::default()
        };
        stage.jetstream.create_stream(stream).await.expect("a stream");
        let stage = Arc::new(stage);
        let routers = [Some(stage.start(0).await), Some(stage.start(1).await)];
        (stage, routers)
    }

    async fn start(&self, which: usize) -> Instance {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let router = self.place.start(&arguments).await;
        let address = router.base.trim_start_matches("http://");
        address.clone_into(&mut self.addresses.lock().expect("no panic")[which]);
        router
    }

    fn address(&self, which: usize) -> String {
        self.addresses.lock().expect("no panic")[which].clone()
    }

    /// Publishes events until it is over; gives how many.
    fn publish(self: &Arc<Self>, over: &Arc<AtomicBool>) -> JoinHandle<usize> {
        let (stage, over) = (Arc::clone(self), Arc::clone(over));
        tokio::spawn(async move {
            let mut published = 0;
            while !over.load(Ordering::SeqCst) {
                let (id, mut headers) = (format!("e{published}"), HeaderMap::new());
                let changed = json!({ "room": { "__typename": "Room", "id": "r1" },
                                      "job": { "__typename": "BuildJob", "id": id } });
                headers.insert(HEADER_ID, id.as_str());
                headers.insert(HEADER_TYPE, "app.room.changed.v1");
                headers.insert(HEADER_TIME, "2026-01-02T03:04:05.678Z");
                headers.insert(HEADER_CHANGED, changed.to_string().as_str());
                let subject = format!("{}.app.event.r1.room.r1.changed", stage.place.nats_prefix());
                let sent = stage.jetstream.publish_with_headers(subject, headers, Bytes::new());
                sent.await.expect("sent").await.expect("stored");
                published += 1;
                tokio::time::sleep(EVENT_EVERY).await;
            }
            published
        })
    }
}

/// What a client does about a request whose connection broke.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    /// Sends it again, as GraphQL clients do with queries and idempotent mutations.
    Retries,
    /// Gives up.
    Fails,
}

/// A client that knows both addresses and keeps its connection.
struct Caller {
    stage: Arc<Stage>,
    at: usize,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
    broken: Broken,
    retries: usize,
}

impl Caller {
    async fn connect(&self) -> Option<http1::SendRequest<Full<Bytes>>> {
        let socket = TcpStream::connect(self.stage.address(self.at)).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    /// The other router, by a new connection.
    fn turn(&mut self) {
        (self.at, self.connection) = (1 - self.at, None);
    }

    async fn ask(&mut self, body: &str) -> Value {
        let answered = async {
            loop {
                if self.connection.is_none() {
                    self.connection = self.connect().await;
                }
                // Nothing was sent yet: any client may try elsewhere.
                let Some(connection) = &mut self.connection else {
                    self.turn();
                    continue;
                };
                let request = Request::post("/graphql")
                    .header(header::HOST, "moim")
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Full::from(body.to_owned()))
                    .expect("a request");
                let answer = async {
                    let response = connection.send_request(request).await?;
                    let close = response.headers().get(header::CONNECTION).is_some();
                    let body = response.into_body().collect().await?.to_bytes();
                    Ok::<_, hyper::Error>((close, body))
                };
                match answer.await {
                    Ok((close, body)) => {
                        if close {
                            self.turn();
                        }
                        return serde_json::from_slice(&body).expect("JSON");
                    }
                    Err(error) => {
                        assert!(self.broken == Broken::Retries, "a request failed: {error:?}");
                        self.retries += 1;
                        self.turn();
                    }
                }
            }
        };
        tokio::time::timeout(SOON, answered).await.expect("an answer in time")
    }

    /// Asks and changes until it is over; gives how often it sent something again.
    async fn run(
        mut self,
        number: usize,
        over: Arc<AtomicBool>,
        answers: Arc<AtomicUsize>,
    ) -> usize {
        let mut round = 0;
        while !over.load(Ordering::SeqCst) {
            round += 1;
            let title = format!("{number}-{round}");
            let rename =
                "mutation ($title: String!) { rename(id: \"r1\", title: $title) { title } }";
            let body = json!({ "query": rename, "variables": { "title": title } });
            let answer = self.ask(&body.to_string()).await;
            assert_eq!(answer, json!({ "data": { "rename": { "title": title } } }));
            assert!(self.stage.renamed.lock().expect("no panic").contains(&title));
            let query = json!({ "query": "{ room(id: \"r1\") { title } }" }).to_string();
            let answer = self.ask(&query).await;
            assert_eq!(answer, json!({ "data": { "room": { "title": "first" } } }));
            answers.fetch_add(2, Ordering::SeqCst);
        }
        self.retries
    }
}

/// A client that follows the room, and goes on at the other router when its own ends.
struct Follower {
    stage: Arc<Stage>,
    seen: Arc<Mutex<Vec<String>>>,
    /// Codes with which sockets were closed, 0 for one that broke.
    closes: Arc<Mutex<Vec<u16>>>,
    /// Told once it listens: what is published from then on, it must see.
    began: Arc<Notify>,
}

impl Follower {
    async fn run(self) {
        let (mut at, mut cursor) = (0, None);
        loop {
            let end = self.visit(at, &mut cursor).await;
            if let Some(code) = end {
                self.closes.lock().expect("no panic").push(code);
            }
            at = 1 - at;
        }
    }

    /// Reads one socket to its end; None when there was none.
    async fn visit(&self, at: usize, cursor: &mut Option<String>) -> Option<u16> {
        let address = self.stage.address(at);
        let mut request = format!("ws://{address}/graphql").into_client_request().ok()?;
        let protocol = "graphql-transport-ws".parse().expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let tcp = TcpStream::connect(&address).await.ok()?;
        let (mut socket, _) = client_async(request, tcp).await.ok()?;
        let subscribe = json!({ "id": "1", "type": "subscribe",
            "payload": { "query": ROOM, "variables": { "after": cursor } } });
        for message in [json!({ "type": "connection_init" }), subscribe] {
            socket.send(Message::text(message.to_string())).await.ok()?;
        }
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    assert_ne!(message["type"], "error", "{message}");
                    let event = &message["payload"]["data"]["roomUpdated"];
                    let Some(place) = event["cursor"].as_str() else { continue };
                    *cursor = Some(place.to_owned());
                    self.began.notify_one();
                    if let Some(job) = event["job"]["id"].as_str() {
                        self.seen.lock().expect("no panic").push(job.to_owned());
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return Some(frame.map_or(0, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Some(0),
            }
        }
    }
}

/// Everything that goes on while routers come and go.
struct Load {
    over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
    closes: Arc<Mutex<Vec<u16>>>,
    callers: Vec<JoinHandle<usize>>,
    publisher: JoinHandle<usize>,
    follower: JoinHandle<()>,
}

impl Load {
    async fn begin(stage: &Arc<Stage>, broken: Broken) -> Self {
        let over = Arc::<AtomicBool>::default();
        let answers = Arc::<AtomicUsize>::default();
        let (seen, closes) = (Arc::default(), Arc::default());
        let follower = Follower {
            stage: Arc::clone(stage),
            seen: Arc::clone(&seen),
            closes: Arc::clone(&closes),
            began: Arc::default(),
        };
        let snapshot = Arc::clone(&follower.began);
        let follower = tokio::spawn(follower.run());
        tokio::time::timeout(SOON, snapshot.notified()).await.expect("a snapshot");
        let callers = (0..CLIENTS).map(|number| {
            let (stage, at) = (Arc::clone(stage), number % 2);
            let caller = Caller { stage, at, connection: None, broken, retries: 0 };
            tokio::spawn(caller.run(number, Arc::clone(&over), Arc::clone(&answers)))
        });
        let callers = callers.collect();
        let publisher = stage.publish(&over);
        let load = Self { over, answers, seen, closes, callers, publisher, follower };
        load.goes_on().await;
        load
    }

    /// Waits until everybody has got something more.
    async fn goes_on(&self) {
        let (answers, seen) = (self.answers.load(Ordering::SeqCst), self.seen().len());
        eventually("answers and events come", SOON, || async {
            let more = self.answers.load(Ordering::SeqCst) >= answers + 10 * CLIENTS;
            (more && self.seen().len() >= seen + 10).then_some(())
        })
        .await;
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Ends it; gives how often clients sent something again, and how sockets ended.
    async fn end(self) -> (usize, Vec<u16>) {
        self.over.store(true, Ordering::SeqCst);
        let mut retries = 0;
        for caller in self.callers {
            retries += caller.await.expect("no request failed");
        }
        let published = self.publisher.await.expect("published");
        let expected: Vec<_> = (0..published).map(|number| format!("e{number}")).collect();
        eventually("the last event comes", SOON, || async {
            let seen = self.seen.lock().expect("no panic");
            assert!(!self.follower.is_finished(), "the follower failed");
            (seen.last() == expected.last()).then_some(())
        })
        .await;
        let seen = self.seen.lock().expect("no panic").clone();
        let first = seen.iter().zip(&expected).position(|(seen, expected)| seen != expected);
        assert_eq!(first, None, "each event once, in order");
        assert_eq!(seen.len(), expected.len());
        self.follower.abort();
        let closes = self.closes.lock().expect("no panic").clone();
        (retries, closes)
    }
}

/// Given two routers under load, when each in turn is killed and started again, then no request fails for clients that
/// retry, and a subscription that is resumed at the other router loses and doubles nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_router_fails_no_request_of_clients_that_retry() {
    let (stage, mut routers) = Stage::open().await;
    let load = Load::begin(&stage, Broken::Retries).await;
    for which in [0, 1] {
        routers[which].take().expect("running").kill().await;
        load.goes_on().await;
        routers[which] = Some(stage.start(which).await);
        load.goes_on().await;
    }
    let (retries, closes) = load.end().await;
    assert!(retries > 0, "requests were under way");
    assert!(closes.contains(&0), "the subscription was cut off: {closes:?}");
}

/// Given two routers under load, when each in turn is told to end (SIGTERM) and started again, then no request fails even
/// for clients that never send one twice, and subscribers are told to go on elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_ends_in_order_fails_no_request_at_all() {
    let (stage, mut routers) = Stage::open().await;
    let load = Load::begin(&stage, Broken::Fails).await;
    for which in [0, 1] {
        let ended = routers[which].take().expect("running").terminate().await;
        assert!(ended, "it ends cleanly");
        load.goes_on().await;
        routers[which] = Some(stage.start(which).await);
        load.goes_on().await;
    }
    let (retries, closes) = load.end().await;
    assert_eq!(retries, 0);
    assert!(!closes.is_empty() && closes.iter().all(|code| *code == 1001), "{closes:?}");
}
