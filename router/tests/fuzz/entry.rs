//! Where arbitrary bytes go in. One home for the fuzz targets (`fuzz/`), the inputs that are kept
//! (`fuzz/corpus/`), and the property tests beside this file.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use platform::{
    identity::Identity,
    subgraph::{Response, Transport, TransportError},
};
use router::{Config, RequestContext, Router, Variables, push::Cursor};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

const SUPERGRAPH: &str = include_str!("../fixtures/shop.graphql");
const SUBGRAPHS: [&str; 4] = ["inventory", "product", "review", "user"];
/// The longest that one input may keep the router busy.
const LONGEST: Duration = Duration::from_secs(20);
/// What both ends of a connection may have under way, in bytes.
const PIPE_BYTES: usize = 64 * 1024;
const UPGRADE: &[u8] = b"GET /graphql HTTP/1.1\r\nhost: moim\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: graphql-transport-ws\r\n\r\n";

/// A router whose subgraphs answer whatever they are told to.
struct Stage {
    runtime: tokio::runtime::Runtime,
    router: Router,
    answer: Arc<Mutex<Bytes>>,
}

/// A subgraph that can't be trusted.
struct Liar(Arc<Mutex<Bytes>>);

impl Transport for Liar {
    fn call(
        &self,
        _request: platform::subgraph::Request,
    ) -> BoxFuture<'static, Result<Response, TransportError>> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move { Ok(Response::new(body)) }.boxed()
    }
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let answer = Arc::<Mutex<Bytes>>::default();
        let mut builder = Router::builder(SUPERGRAPH, Config::default());
        for name in SUBGRAPHS {
            builder = builder.transport(name, Arc::new(Liar(Arc::clone(&answer))));
        }
        let router = runtime.block_on(builder.build()).expect("the fixture is right");
        Stage { runtime, router, answer }
    })
}

/// A document, its variables (JSON) and what subgraphs answer, with zero bytes between.
pub fn pipeline(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let Some(Ok(document)) = parts.next().map(std::str::from_utf8) else { return };
    let variables = parts.next().and_then(|json| serde_json::from_slice(json).ok());
    let answer = parts.next().unwrap_or(b"{\"data\":{}}");
    let stage = stage();
    *stage.answer.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::copy_from_slice(answer);
    let work = execute(&stage.router, document, variables.unwrap_or_default());
    stage.runtime.block_on(in_time(work));
}

/// Runs the whole pipeline; the response is one by the specification.
pub async fn execute(router: &Router, document: &str, variables: Value) {
    let engine = router.engine();
    let Ok(prepared) = engine.prepare(document, None).await else {
        return;
    };
    let variables = Variables::from_json(variables).unwrap_or_default();
    let ctx = RequestContext::new(Identity::Anonymous);
    let body = engine.execute(&prepared, &variables, &ctx).await;
    let response: Value = serde_json::from_slice(&body).expect("the response is JSON");
    let errors = response.get("errors").and_then(Value::as_array);
    assert!(response.get("data").is_some() || errors.is_some_and(|errors| !errors.is_empty()));
}

/// An HTTP request: a byte that chooses method, `accept` and `content-type`, a line that is the query string
/// and `Last-Event-ID`, and the body.
pub fn request(data: &[u8]) {
    const ACCEPT: [&str; 4] = [
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
        "multipart/mixed;subscriptionSpec=1.0",
    ];
    let Some((choice, rest)) = data.split_first() else { return };
    let (line, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (&rest[..0], rest),
    };
    let method = if choice & 1 == 0 { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .header(header::ACCEPT, ACCEPT[usize::from(choice >> 1 & 3)])
        .header("apollo-require-preflight", "1");
    if choice & 8 == 0 {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Ok(value) = http::HeaderValue::from_bytes(line) {
        request = request.header("last-event-id", value);
    }
    let uri = format!("/graphql?{}", String::from_utf8_lossy(line));
    let body = Full::new(Bytes::copy_from_slice(body));
    // What is no HTTP doesn't reach the router.
    let Ok(request) = request.uri(uri).body(axum::body::Body::new(body)) else { return };
    let stage = stage();
    stage.runtime.block_on(in_time(async {
        let Ok(response) = stage.router.routes().oneshot(request).await;
        assert!(!response.status().is_server_error(), "{}", response.status());
        response.into_body().collect().await.expect("a body");
    }));
}

/// Frames on a WebSocket. Each begins with its kind and its length; the rest is what it says.
pub fn socket(mut data: &[u8]) {
    let mut sent = UPGRADE.to_vec();
    frame(&mut sent, 0x1, b"{\"type\":\"connection_init\"}");
    while let [kind, length, rest @ ..] = data {
        let (said, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        match kind % 8 {
            5 => frame(&mut sent, 0x2, said),
            6 => frame(&mut sent, 0x9, said),
            7 => sent.extend_from_slice(said),
            _ => frame(&mut sent, 0x1, said),
        }
        data = rest;
    }
    let stage = stage();
    stage.runtime.block_on(in_time(async {
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let service = TowerToHyperService::new(stage.router.routes());
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), service)
            .with_upgrades();
        let serving = tokio::spawn(serving);
        let (mut hearing, mut saying) = tokio::io::split(client);
        let say = async {
            // The router may have closed it, as it should after most of these.
            let _ = saying.write_all(&sent).await;
            let _ = saying.shutdown().await;
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(say, hearing.read_to_end(&mut heard));
        read.expect("the router lets go");
        assert!(heard.starts_with(b"HTTP/1.1 101"));
        let _ = serving.await;
    }));
}

/// A whole frame of a client, masked with zeros.
fn frame(to: &mut Vec<u8>, opcode: u8, said: &[u8]) {
    to.push(0x80 | opcode);
    match u8::try_from(said.len()) {
        Ok(length @ ..=125) => to.push(0x80 | length),
        _ => {
            to.push(0x80 | 126);
            to.extend_from_slice(&u16::try_from(said.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(said);
}

/// A cursor as clients send it.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
    }
}

async fn in_time(work: impl Future<Output = ()>) {
    tokio::time::timeout(LONGEST, work).await.expect("it takes no longer than it may");
}
