use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, EmptySubscription, Object, Schema};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::*;
use crate::error::{ApiError, Code, Internal as _};
use crate::identity::{Identity, Viewer};
use crate::signature::Keys;
use crate::telemetry::{TRACEPARENT, TraceContext};

struct Squares(Arc<AtomicUsize>);

impl Loader<i32> for Squares {
    type Value = i32;
    type Error = std::convert::Infallible;

    async fn load(&self, keys: &[i32]) -> Result<std::collections::HashMap<i32, i32>, Self::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(keys.iter().map(|key| (*key, key * key)).collect())
    }
}

struct Query;

#[Object]
impl Query {
    async fn who(&self, ctx: &Context<'_>) -> String {
        match Identity::from_ctx(ctx) {
            Identity::Anonymous => "nobody".into(),
            Identity::Viewer(viewer) => viewer.id.to_string(),
            Identity::Service { name } => format!("service {name}"),
            Identity::Group { id } => format!("group {id}"),
        }
    }

    async fn mine(&self, ctx: &Context<'_>) -> async_graphql::Result<bool> {
        Identity::from_ctx(ctx).viewer().map(|_| true)
    }

    async fn square(&self, ctx: &Context<'_>, of: i32) -> async_graphql::Result<Option<i32>> {
        ctx.data_unchecked::<DataLoader<Squares>>().load_one(of).await.internal()
    }

    async fn by_id(&self, id: Uuid) -> Uuid {
        id
    }

    async fn trace(&self, ctx: &Context<'_>) -> String {
        let trace = ctx.data_unchecked::<TraceContext>();
        format!("{} {}", trace.trace_id(), crate::telemetry::current() == Some(*trace))
    }

    async fn public_error(&self) -> async_graphql::Result<bool> {
        Err(ApiError::new(Code::QUEUE_FULL, "come back later"))?
    }

    async fn inner_error(&self) -> async_graphql::Result<bool> {
        Err(std::io::Error::other("secret address 10.0.0.7"))?
    }

    async fn text_error(&self) -> async_graphql::Result<bool> {
        Err(async_graphql::Error::new("secret text"))
    }

    async fn panics(&self) -> bool {
        std::hint::black_box(None).expect("on purpose")
    }

    async fn big(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }

    async fn never(&self) -> bool {
        std::future::pending().await
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn echo(&self, text: Option<String>) -> Option<String> {
        text
    }
}

struct Stage {
    keys: Keys,
    endpoint: Arc<Endpoint>,
    http: Http,
    loads: Arc<AtomicUsize>,
}

async fn stage() -> Stage {
    let keys = Keys::random();
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let schema = Schema::new(Query, Mutation, EmptySubscription);
    let endpoint = Endpoint::new("test", keys.clone(), schema, move |request| {
        request.data(DataLoader::new(Squares(Arc::clone(&counted)), tokio::spawn))
    });
    let address = serve(endpoint.routes()).await;
    let http = Http::new(&format!("http://{address}/graphql"), HttpOptions::default()).unwrap();
    Stage { keys, endpoint, http, loads }
}

async fn serve(routes: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn viewer() -> Identity {
    Identity::Viewer(Viewer {
        id: Uuid::from_u128(5),
        scopes: vec![],
        roles: vec![],
        expires_at: i64::MAX,
    })
}

fn request(keys: &Keys, identity: &Identity, body: impl Into<Bytes>) -> Request {
    let body = body.into();
    let mut headers = HeaderMap::new();
    keys.sign("test", identity, &body, &mut headers);
    let mut request = Request::new(body);
    *request.headers_mut() = headers;
    request
}

fn document(query: &str) -> String {
    json!({ "query": query }).to_string()
}

impl Stage {
    /// Sends the same request over both ways, which must answer alike; gives status and body.
    async fn ask(&self, body: &str) -> (StatusCode, Value) {
        let by = |way: &dyn Transport| way.call(request(&self.keys, &viewer(), body.to_owned()));
        let inside = by(&*self.endpoint).await.unwrap();
        let outside = by(&self.http).await.unwrap();
        assert_eq!(inside.status(), outside.status());
        assert_eq!(inside.body(), outside.body(), "{body}");
        assert_eq!(outside.headers()["content-type"], "application/json");
        (inside.status(), serde_json::from_slice(inside.body()).unwrap())
    }

    async fn error(&self, query: &str) -> Value {
        let (status, body) = self.ask(&document(query)).await;
        assert_eq!(status, StatusCode::OK);
        body["errors"][0].clone()
    }
}

#[tokio::test]
async fn both_ways_give_the_same_answers() {
    let stage = stage().await;
    let (status, body) = stage.ask(&document("{ who mine }")).await;
    assert_eq!(status, StatusCode::OK);
    let id = Uuid::from_u128(5);
    assert_eq!(body, json!({"data": {"who": id, "mine": true}}));

    let operations = json!({
        "query": "query A { who } mutation B($text: String) { echo(text: $text) }",
        "operationName": "B", "variables": { "text": "네" },
    });
    assert_eq!(stage.ask(&operations.to_string()).await.1, json!({"data": {"echo": "네"}}));
    let nulls = json!({ "query": "{ who }", "operationName": null, "variables": null });
    assert_eq!(stage.ask(&nulls.to_string()).await.1, json!({"data": {"who": id}}));
    let (_, body) = stage.ask(&document("{ big(bytes: 3000000) }")).await;
    assert_eq!(body["data"]["big"].as_str().unwrap().len(), 3_000_000);
}

#[tokio::test]
async fn every_error_has_a_code_and_inner_ones_are_masked() {
    let stage = stage().await;
    let cases = [
        ("{ who", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { who } query B { who }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ byId(id: \"no\") }", "BAD_USER_INPUT"),
        ("{ publicError }", "QUEUE_FULL"),
        ("{ innerError }", "INTERNAL_SERVER_ERROR"),
        ("{ textError }", "INTERNAL_SERVER_ERROR"),
    ];
    for (query, code) in cases {
        let body = document(query);
        let response =
            stage.endpoint.call(request(&stage.keys, &Identity::Anonymous, body)).await.unwrap();
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{query}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let anonymous = request(&stage.keys, &Identity::Anonymous, document("{ mine }"));
    let response = stage.http.call(anonymous).await.unwrap();
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_variable_that_does_not_fit_is_bad_input_or_invalid() {
    let stage = stage().await;
    let body = json!({ "query": "query($id: UUID!) { byId(id: $id) }", "variables": {"id": "no"} });
    let (_, answer) = stage.ask(&body.to_string()).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned();
    assert!(["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code.as_str()), "{answer}");
}

#[tokio::test]
async fn a_panic_is_one_failed_answer() {
    let stage = stage().await;
    for way in [&*stage.endpoint as &dyn Transport, &stage.http] {
        let response =
            way.call(request(&stage.keys, &viewer(), document("{ panics }"))).await.unwrap();
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
        assert_eq!(answer["data"], Value::Null);
    }
    assert_eq!(stage.error("{ nothing }").await["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn what_is_not_signed_is_refused_on_both_ways() {
    let stage = stage().await;
    let body = Bytes::from(document("{ who }"));
    let unsigned = || Request::new(body.clone());
    let tampered = || {
        let mut request = request(&stage.keys, &viewer(), document("{ mine }"));
        *request.body_mut() = body.clone();
        request
    };
    let for_another = || {
        let mut request = Request::new(body.clone());
        stage.keys.sign("other", &viewer(), &body, request.headers_mut());
        request
    };
    for make in [&unsigned as &dyn Fn() -> Request, &tampered, &for_another] {
        for way in [&*stage.endpoint as &dyn Transport, &stage.http] {
            let response = way.call(make()).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            let answer: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(answer["errors"][0]["extensions"]["code"], "SUBGRAPH_UNTRUSTED_REQUEST");
        }
    }
}

#[tokio::test]
async fn what_is_not_a_graphql_request_is_refused() {
    let stage = stage().await;
    for body in ["", "{", "[]", "7", "{\"query\": 7}", "{\"query\":\"{who}\",\"variables\":[]}"] {
        let (status, answer) = stage.ask(body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    }
    let response =
        stage.http.call(request(&stage.keys, &viewer(), vec![b' '; REQUEST_MAX_BYTES + 1])).await;
    // The server answers early; whether the client still sees that depends on the sockets.
    assert!(
        matches!(&response, Ok(answer) if answer.status() == StatusCode::PAYLOAD_TOO_LARGE)
            || matches!(&response, Err(TransportError::Closed(_))),
        "{response:?}"
    );
}

#[tokio::test]
async fn loaders_live_as_long_as_a_request() {
    let stage = stage().await;
    let query = "{ a: square(of: 2) b: square(of: 3) c: square(of: 2) }";
    let call = || stage.endpoint.call(request(&stage.keys, &viewer(), document(query)));
    let answer = call().await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer["data"], json!({"a": 4, "b": 9, "c": 4}));
    assert_eq!(stage.loads.load(Ordering::SeqCst), 1);
    call().await.unwrap();
    assert_eq!(stage.loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_trace_goes_on_in_the_subgraph() {
    let stage = stage().await;
    let trace = TraceContext::new();
    let mut request = request(&stage.keys, &viewer(), document("{ trace }"));
    trace.inject(request.headers_mut());
    assert!(request.headers().contains_key(TRACEPARENT));
    let response = stage.http.call(request).await.unwrap();
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["data"]["trace"], format!("{} true", trace.trace_id()));
}

#[tokio::test]
async fn a_call_may_be_given_less_time() {
    let stage = stage().await;
    for way in [&*stage.endpoint as &dyn Transport, &stage.http] {
        let mut request = request(&stage.keys, &viewer(), document("{ never }"));
        request.extensions_mut().insert(CallTimeout(Duration::from_millis(30)));
        let error = way.call(request).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout(30)), "{error:?}");
    }
}

#[tokio::test]
async fn peers_ask_each_other_as_services() {
    let stage = stage().await;
    let peers = Peers::default();
    let ask = |query: &'static str| peers.query(&stage.keys, "us", "test", query, json!({}));
    assert!(matches!(ask("{ who }").await, Err(PeerError::Unknown(_))));
    for way in [stage.endpoint.clone() as Arc<dyn Transport>, Arc::new(stage.http.clone())] {
        peers.set("test", way);
        assert_eq!(ask("{ who }").await.unwrap(), json!({"who": "service us"}));
        let error = ask("{ publicError }").await.unwrap_err();
        assert!(matches!(&error, PeerError::Graphql { code, .. } if code == "QUEUE_FULL"));
    }
    let stranger = Keys::random();
    let refused = peers.query(&stranger, "us", "test", "{ who }", json!({})).await;
    assert!(matches!(refused, Err(PeerError::Status { status: StatusCode::FORBIDDEN, .. })));
}

/// A server that reads one request and then does as the test says with the socket.
async fn raw<F>(then: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            then(socket).await;
        }
    });
    format!("http://{address}/graphql")
}

async fn call(url: &str, options: HttpOptions) -> Result<Response, TransportError> {
    Http::new(url, options).unwrap().call(Request::new(Bytes::from_static(b"{}"))).await
}

fn small() -> HttpOptions {
    HttpOptions { response_max_bytes: 1_000, timeout_ms: 5_000, ..HttpOptions::default() }
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn an_answer_that_is_announced_too_large_is_not_read() {
    let url = raw(async |mut socket| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
        let _ = socket.write_all(head).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = call(&url, small()).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge(1_000)), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off_at_the_limit() {
    let url = raw(async |mut socket| {
        let _ = socket.write_all(CHUNKED).await;
        let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
        while socket.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    let error = call(&url, small()).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge(1_000)), "{error:?}");
}

#[tokio::test]
async fn an_answer_of_many_pieces_comes_as_one() {
    let url = raw(async |mut socket| {
        let _ = socket.write_all(CHUNKED).await;
        for n in 0..9 {
            let _ = socket.write_all(format!("2\r\n{n}{n}\r\n").as_bytes()).await;
            let _ = socket.flush().await;
            tokio::task::yield_now().await;
        }
        let _ = socket.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let answer = call(&url, small()).await.unwrap();
    assert_eq!(answer.body(), "001122334455667788");
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let quick = HttpOptions { timeout_ms: 50, ..small() };
    let silent = raw(async |_socket| std::future::pending().await).await;
    let halfway = raw(async |mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab").await;
        std::future::pending::<()>().await;
    })
    .await;
    for url in [silent, halfway] {
        let error = call(&url, quick.clone()).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout(50)), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_too_early_is_told_apart() {
    let before = raw(async |_socket| {}).await;
    let error = call(&before, small()).await.unwrap_err();
    assert!(matches!(error, TransportError::Closed(_)), "{error:?}");

    let during = raw(async |mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab").await;
    })
    .await;
    let error = call(&during, small()).await.unwrap_err();
    assert!(matches!(error, TransportError::Body(_)), "{error:?}");

    let garbage = raw(async |mut socket| {
        let _ = socket.write_all(b"what do you want?\r\n\r\n").await;
    })
    .await;
    let error = call(&garbage, small()).await.unwrap_err();
    assert!(matches!(error, TransportError::Protocol(_)), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = call(&nobody, small()).await.unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
}

#[test]
fn only_http_urls_are_taken() {
    for url in ["", "graphql", "ftp://h/", "http://", "/graphql"] {
        assert!(Http::new(url, HttpOptions::default()).is_err(), "{url}");
    }
    assert!(Http::new("https://h:1/graphql", HttpOptions::default()).is_ok());
}

#[tokio::test]
async fn the_endpoint_can_be_asked_without_a_socket() {
    let stage = stage().await;
    let mut headers = HeaderMap::new();
    let body = document("{ who }");
    stage.keys.sign("test", &Identity::Anonymous, body.as_bytes(), &mut headers);
    let answer = stage.endpoint.handle(&headers, body.as_bytes()).await;
    assert_eq!(answer.body(), r#"{"data":{"who":"nobody"}}"#);
}
