//! What live updates cost: subscribers of `moim router` on real sockets, events through a real NATS.
//!
//! Each event is told to all subscribers before the next one is published, so that what is counted is the cost
//! of an event and not that of a queue.

use std::{
    cell::{Cell, RefCell},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::{
    HeaderMap,
    jetstream::{self, stream::StorageType},
};
use axum::{Json, routing::post};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use futures::{SinkExt as _, StreamExt as _, stream};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use router::push::{HEADER_CHANGED, HEADER_ID, HEADER_TIME, HEADER_TYPE};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    task::LocalSet,
    time::timeout,
};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};
use uuid::Uuid;

use crate::{
    contestant::{begun, file, free_address},
    machine, milli,
    process::Process,
    say,
};

/// The supergraph as composed, with the address that is replaced.
const SUPERGRAPH: &str = include_str!("../push/schema/supergraph.graphql");
const ADDRESS: &str = "127.0.0.1:4204";
const ISSUER: &str = "bench";
/// The room that everybody follows; a name that a group can have.
const ROOM: &str = "0190b5a0-0000-7000-8000-0000000000aa";
/// All that is selected is the same for everybody.
const SHARED: &str =
    "subscription { roomUpdated(roomId: \"ROOM\") { cursor type room { id title status } } }";
/// The note is each viewer's own.
const PRIVATE: &str =
    "subscription { roomUpdated(roomId: \"ROOM\") { cursor type room { id title status note } } }";
/// Events before those that are measured.
const WARM_UP_EVENTS: u32 = 20;
/// Subscribers that come and go before memory is measured.
const WARM_UP_SUBSCRIBERS: usize = 100;
/// Subscribers that are opened at a time.
const OPENED_AT_A_TIME: usize = 32;
/// How long anything that must happen may take, in milliseconds.
const PATIENCE_MS: u64 = 60_000;
/// How long memory may settle after subscribers came or went, in milliseconds.
const SETTLE_MS: u64 = 2_000;
/// Read and write buffer of a subscriber's socket, in bytes.
const BUFFER_BYTES: usize = 4_096;
/// Open files that this program and the routers it starts may have.
const OPEN_FILES: u64 = 20_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder for results, logs and the router's files
    #[arg(long)]
    results: PathBuf,
    /// Our router; the binary beside this one unless given
    #[arg(long)]
    moim: Option<PathBuf>,
    /// NATS with JetStream
    #[arg(long, env = "MOIM_NATS_URL", hide_env_values = true)]
    nats: String,
    /// Subscribers that every event is told to
    #[arg(long, env = "BENCH_SUBSCRIBERS", default_value_t = 1_000)]
    subscribers: usize,
    /// Events that are measured
    #[arg(long, env = "BENCH_EVENTS", default_value_t = 200)]
    events: u32,
    /// Subscribers that hear nothing, for the memory of one
    #[arg(long, env = "BENCH_IDLE", default_value_t = 5_000)]
    idle: usize,
}

/// How a subscriber is connected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    WebSocket,
    Sse,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    date: String,
    machine: String,
    events: Vec<Told>,
    memory: Vec<Idle>,
}

/// The cost of events.
#[derive(Serialize)]
struct Told {
    execution: &'static str,
    subscribers: usize,
    events: u32,
    cpu_us_per_event: f64,
    cpu_us_per_delivery: f64,
    /// From the publication to the client.
    p50_ms: f64,
    p99_ms: f64,
    load_average: String,
}

/// The memory of subscriptions to which nothing happens.
#[derive(Serialize)]
struct Idle {
    transport: &'static str,
    subscribers: usize,
    kib_each: f64,
}

/// What all measurements share.
struct Ground {
    jetstream: jetstream::Context,
    prefix: String,
    key: SigningKey,
    moim: PathBuf,
    supergraph: PathBuf,
    config: PathBuf,
    results: PathBuf,
}

/// A router that runs.
struct Running {
    process: Process,
    address: SocketAddr,
}

/// What the subscribers have heard.
#[derive(Default)]
struct Heard {
    deliveries: Cell<usize>,
    wanted: Cell<usize>,
    published: Cell<Option<Instant>>,
    latencies_us: RefCell<Vec<u64>>,
    all: Notify,
}

impl Heard {
    fn one(&self) {
        self.deliveries.set(self.deliveries.get() + 1);
        if let Some(published) = self.published.get() {
            let micros = u64::try_from(published.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.latencies_us.borrow_mut().push(micros);
        }
        if self.deliveries.get() == self.wanted.get() {
            self.all.notify_one();
        }
    }

    /// The latency that this share of the deliveries didn't exceed, in milliseconds.
    fn percentile_ms(&self, percent: usize) -> f64 {
        let mut all = self.latencies_us.borrow().clone();
        all.sort_unstable();
        let last = all.len().saturating_sub(1);
        milli(all.get(last * percent / 100).copied().unwrap_or_default())
    }
}

/// Measures, and writes `push.md` and `push.json`.
///
/// # Errors
/// When a server, the router or a subscriber doesn't do what it must.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let current = Some(most.map_or(OPEN_FILES, |most| most.min(OPEN_FILES)));
    let limit = rustix::process::Rlimit { current, maximum: most };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    let ground = Ground::new(&arguments).await?;
    let mut report = Report {
        date: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        machine: machine(),
        events: Vec::new(),
        memory: Vec::new(),
    };
    for (execution, document) in [("shared", SHARED), ("private", PRIVATE)] {
        let told = LocalSet::new().run_until(ground.tell(execution, document, &arguments)).await?;
        say(&format!("{execution}: {:.0} µs CPU per event", told.cpu_us_per_event));
        report.events.push(told);
    }
    for transport in [Transport::WebSocket, Transport::Sse] {
        let idle = LocalSet::new().run_until(ground.rest(transport, arguments.idle)).await?;
        say(&format!("{}: {:.1} KiB for each subscription", idle.transport, idle.kib_each));
        report.memory.push(idle);
    }
    ground.jetstream.delete_stream(ground.stream()).await?;
    let table = report.table();
    file(&ground.results, "push.json", &serde_json::to_string_pretty(&report)?)?;
    file(&ground.results, "push.md", &table)?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("\n{table}").as_bytes())?;
    Ok(())
}

impl Ground {
    async fn new(arguments: &Arguments) -> Result<Self> {
        let moim = match &arguments.moim {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("moim"),
        };
        let moim = fs::canonicalize(&moim)
            .with_context(|| format!("{} isn't there: build it first", moim.display()))?;
        fs::create_dir_all(&arguments.results)?;
        let results = fs::canonicalize(&arguments.results)?;
        let client = async_nats::connect(&arguments.nats).await.context("no NATS")?;
        let key = SigningKey::from_bytes(&[7; 32]);
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "x": x });
        let jwks = json!({ "inline": json!({ "keys": [jwk] }).to_string() });
        let issuer = json!({ "issuer": ISSUER, "trust": "own", "jwks": jwks });
        // YAML is a superset of JSON.
        let config = json!({ "authentication": { "issuers": [issuer] } });
        let rooms = serve_rooms().await?;
        let supergraph = SUPERGRAPH.replace(ADDRESS, &rooms.to_string());
        let ground = Self {
            jetstream: jetstream::new(client),
            prefix: format!("bench{}", &Uuid::now_v7().simple().to_string()[20..]),
            key,
            moim,
            supergraph: file(&results, "push.graphql", &supergraph)?,
            config: file(&results, "push.yaml", &config.to_string())?,
            results,
        };
        let stream = jetstream::stream::Config {
            name: ground.stream(),
            subjects: vec![format!("{}.bench.>", ground.prefix)],
            storage: StorageType::Memory,
            ..Default::default()
        };
        ground.jetstream.create_stream(stream).await?;
        Ok(ground)
    }

    fn stream(&self) -> String {
        format!("{}_PUSH", self.prefix)
    }

    async fn router(&self) -> Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(&self.moim);
        command.arg("router").arg("--supergraph").arg(&self.supergraph);
        command.arg("--config").arg(&self.config).current_dir(&self.results);
        command.env("MOIM_LISTEN", address.to_string()).env("MOIM_NATS_PREFIX", &self.prefix);
        let mut process = Process::start(command, &self.results.join("push.log"))?;
        begun(&mut process, address).await.context("see push.log in the results")?;
        Ok(Running { process, address })
    }

    /// The cost of events.
    async fn tell(
        &self,
        execution: &'static str,
        document: &str,
        arguments: &Arguments,
    ) -> Result<Told> {
        let router = self.router().await?;
        let heard = Rc::new(Heard::default());
        let count = arguments.subscribers;
        self.open(router.address, (Transport::WebSocket, document), count, &heard).await?;
        for _ in 0..WARM_UP_EVENTS {
            self.publish(count, &heard).await?;
        }
        heard.latencies_us.borrow_mut().clear();
        let load_average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let before = router.process.cpu_us()?;
        for _ in 0..arguments.events {
            self.publish(count, &heard).await?;
        }
        let spent = router.process.cpu_us()?.saturating_sub(before);
        let cpu_us_per_event = milli(spent) * 1_000.0 / f64::from(arguments.events.max(1));
        let subscribers = u32::try_from(count.max(1)).context("too many subscribers")?;
        Ok(Told {
            execution,
            subscribers: count,
            events: arguments.events,
            cpu_us_per_event,
            cpu_us_per_delivery: cpu_us_per_event / f64::from(subscribers),
            p50_ms: heard.percentile_ms(50),
            p99_ms: heard.percentile_ms(99),
            load_average: load_average.split(' ').next().unwrap_or_default().to_owned(),
        })
    }

    /// The memory of subscriptions that hear nothing.
    async fn rest(&self, transport: Transport, count: usize) -> Result<Idle> {
        let router = self.router().await?;
        let heard = Rc::new(Heard::default());
        let what = (transport, SHARED);
        let first = self.open(router.address, what, WARM_UP_SUBSCRIBERS, &heard).await?;
        first.into_iter().for_each(|it| it.abort());
        tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
        let before = router.process.memory_kib()?;
        let all = self.open(router.address, what, count, &heard).await?;
        tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
        let after = router.process.memory_kib()?;
        ensure!(!all.iter().any(|it| it.is_finished()), "a subscriber was cut off");
        let count_f = f64::from(u32::try_from(count.max(1)).context("too many subscribers")?);
        Ok(Idle {
            transport: match transport {
                Transport::WebSocket => "WebSocket",
                Transport::Sse => "SSE",
            },
            subscribers: count,
            kib_each: milli(after.saturating_sub(before)) * 1_000.0 / count_f,
        })
    }

    /// Opens subscribers, each on a connection of its own and given its snapshot.
    async fn open(
        &self,
        router: SocketAddr,
        (transport, document): (Transport, &str),
        count: usize,
        heard: &Rc<Heard>,
    ) -> Result<Vec<tokio::task::JoinHandle<()>>> {
        let document = document.replace("ROOM", ROOM);
        let opening = (0..count).map(|_| async {
            let token = self.token()?;
            let opened = async {
                match transport {
                    Transport::WebSocket => {
                        websocket(router, &token, &document, Rc::clone(heard)).await
                    }
                    Transport::Sse => sse(router, &token, &document, Rc::clone(heard)).await,
                }
            };
            timeout(Duration::from_millis(PATIENCE_MS), opened).await?
        });
        let opened: Vec<Result<_>> =
            stream::iter(opening).buffer_unordered(OPENED_AT_A_TIME).collect().await;
        opened.into_iter().collect()
    }

    /// One event; back when all have heard it.
    async fn publish(&self, subscribers: usize, heard: &Heard) -> Result<()> {
        let mut headers = HeaderMap::new();
        let id = Uuid::now_v7().to_string();
        let changed = json!({ "room": { "__typename": "Room", "id": ROOM } }).to_string();
        headers.insert(HEADER_ID, id.as_str());
        headers.insert(HEADER_TYPE, "bench.room.changed.v1");
        headers.insert(HEADER_TIME, "2026-01-02T03:04:05.678Z");
        headers.insert(HEADER_CHANGED, changed.as_str());
        let subject = format!("{}.bench.event.{ROOM}.room.changed", self.prefix);
        heard.deliveries.set(0);
        heard.wanted.set(subscribers);
        heard.published.set(Some(Instant::now()));
        self.jetstream.publish_with_headers(subject, headers, "{}".into()).await?.await?;
        timeout(Duration::from_millis(PATIENCE_MS), heard.all.notified())
            .await
            .context("not everybody heard an event")
    }

    /// A token of somebody new.
    fn token(&self) -> Result<String> {
        let der = self.key.to_pkcs8_der()?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k".to_owned());
        let expires = chrono::Utc::now().timestamp() + 24 * 3_600;
        let claims = json!({ "iss": ISSUER, "sub": Uuid::now_v7(), "exp": expires });
        let key = EncodingKey::from_ed_der(der.as_bytes());
        Ok(format!("Bearer {}", jsonwebtoken::encode(&header, &claims, &key)?))
    }
}

/// The subgraph: one room, whoever asks. In a thread of its own, as long as the process lives.
async fn serve_rooms() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = |Json(request): Json<Value>| async move {
        let room = json!({ "__typename": "Room", "id": ROOM, "title": "Stand-up", "status": "OPEN",
                           "note": "mine" });
        let asked = request["query"].as_str().unwrap_or_default();
        Json(match asked.contains("_entities") {
            true => json!({ "data": { "_entities": [room] } }),
            false => json!({ "data": { "room": room } }),
        })
    };
    let routes = axum::Router::new().route("/graphql", post(answer));
    std::thread::Builder::new().name("rooms".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes).await
        })
    })?;
    Ok(address)
}

/// A subscriber over graphql-transport-ws, with its snapshot.
async fn websocket(
    router: SocketAddr,
    token: &str,
    document: &str,
    heard: Rc<Heard>,
) -> Result<tokio::task::JoinHandle<()>> {
    let stream = TcpStream::connect(router).await?;
    let mut request = format!("ws://{router}/graphql").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(64 * BUFFER_BYTES);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    let init = json!({ "type": "connection_init", "payload": { "authorization": token } });
    socket.send(Message::text(init.to_string())).await?;
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": document } });
    let mut is_subscribed = false;
    while let Some(message) = socket.next().await {
        let message = message?;
        let text = message.to_text().unwrap_or_default();
        if text.contains("\"connection_ack\"") {
            socket.send(Message::text(subscribe.to_string())).await?;
        } else if is_next(text)? {
            is_subscribed = true;
            break;
        }
    }
    ensure!(is_subscribed, "the socket was closed");
    Ok(tokio::task::spawn_local(async move {
        // Pings are answered by the library.
        while let Some(Ok(message)) = socket.next().await {
            if message.to_text().is_ok_and(|text| is_next(text).unwrap_or_default()) {
                heard.one();
            }
        }
    }))
}

fn is_next(text: &str) -> Result<bool> {
    if text.contains("\"errors\"") || text.contains("\"type\":\"error\"") {
        bail!("a subscriber was told {text}");
    }
    Ok(text.contains("\"type\":\"next\""))
}

/// A subscriber over SSE, with its snapshot.
async fn sse(
    router: SocketAddr,
    token: &str,
    document: &str,
    heard: Rc<Heard>,
) -> Result<tokio::task::JoinHandle<()>> {
    const NEXT: &str = "event: next";
    let mut stream = TcpStream::connect(router).await?;
    let body = json!({ "query": document }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {router}\r\naccept: text/event-stream\r\n\
         content-type: application/json\r\nauthorization: {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    while !text.contains(NEXT) || !text.contains("data: ") {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the stream was closed: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    ensure!(!text.contains("\"errors\""), "a subscriber was told {text}");
    Ok(tokio::task::spawn_local(async move {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..read]);
            (0..text.matches(NEXT).count()).for_each(|_| heard.one());
        }
    }))
}

impl Report {
    fn table(&self) -> String {
        let mut text = format!("{} · {}\n\n", self.date, self.machine);
        text += "| execution | subscribers | events | CPU µs/event | CPU µs/delivery | P50 ms | P99 ms | load average |\n";
        text += "|---|--:|--:|--:|--:|--:|--:|--:|\n";
        for it in &self.events {
            text += &format!(
                "| {} | {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {} |\n",
                it.execution,
                it.subscribers,
                it.events,
                it.cpu_us_per_event,
                it.cpu_us_per_delivery,
                it.p50_ms,
                it.p99_ms,
                it.load_average
            );
        }
        text += "\n| idle subscriptions over | subscribers | KiB each |\n|---|--:|--:|\n";
        for it in &self.memory {
            text += &format!("| {} | {} | {:.1} |\n", it.transport, it.subscribers, it.kib_each);
        }
        text
    }
}
