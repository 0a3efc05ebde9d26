//! Retries, the circuit breaker, places and the request's own time.

use std::time::{Duration, Instant};

use futures::future::join_all;
use router::{
    Config, Router,
    fetch::{CircuitBreaker, Fetch, InFlight, Retry},
};
use serde_json::{Value, json};

use super::server::{Behaviour, Server};
use crate::shop::{SUPERGRAPH, ask, serve};

const STORES: &str = r#"{"data":{"stores":3}}"#;

async fn router(server: &Server, fetch: Fetch) -> Router {
    let mut config = Config { fetch, ..Config::default() };
    for name in ["inventory", "product"] {
        let settings = router::config::Subgraph {
            url: Some(server.url.clone()),
            timeout_ms: 10_000,
            ..Default::default()
        };
        config.subgraphs.insert(name.to_owned(), settings);
    }
    Router::builder(SUPERGRAPH, config).build().await.unwrap()
}

fn code(response: &Value) -> &Value {
    &response["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn a_query_survives_a_subgraphs_restart() {
    let server = Server::start(|number| match number {
        0 => Behaviour::Close,
        1 => Behaviour::Answer(503, String::new()),
        _ => Behaviour::json(STORES),
    })
    .await;
    let router = router(&server, Fetch::default()).await;
    assert_eq!(ask(&router, "{ stores }").await, json!({ "data": { "stores": 3 } }));
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_mutation_is_sent_once_whatever_comes() {
    for behaviour in [Behaviour::Close, Behaviour::Answer(503, String::new()), Behaviour::Half] {
        let server = Server::start(move |_| behaviour.clone()).await;
        let router = router(&server, Fetch::default()).await;
        let response = ask(&router, "mutation { ping }").await;
        assert_eq!(*code(&response), "SUBREQUEST_HTTP_ERROR");
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn retries_end_with_the_budget_and_can_be_switched_off() {
    let server = Server::start(|_| Behaviour::Close).await;
    let retry = Retry { budget_percent: 0, budget_burst: 3, backoff_ms: 0, ..Retry::default() };
    let limited = router(&server, Fetch { retry, ..Fetch::default() }).await;
    for _ in 0..5 {
        ask(&limited, "{ stores }").await;
    }
    assert_eq!(server.requests(), 5 + 3);
    let retry = Retry { max: 0, ..Retry::default() };
    let without = router(&server, Fetch { retry, ..Fetch::default() }).await;
    ask(&without, "{ stores }").await;
    assert_eq!(server.requests(), 5 + 3 + 1);
}

#[tokio::test]
async fn a_failing_subgraph_is_left_alone_and_taken_back() {
    let healthy = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = Server::start({
        let healthy = healthy.clone();
        move |_| match healthy.load(std::sync::atomic::Ordering::SeqCst) {
            true => Behaviour::json(STORES),
            false => Behaviour::Answer(500, String::new()),
        }
    })
    .await;
    let circuit_breaker =
        CircuitBreaker { min_requests: 3, open_ms: 200, ..CircuitBreaker::default() };
    let router = router(&server, Fetch { circuit_breaker, ..Fetch::default() }).await;
    for _ in 0..3 {
        assert_eq!(*code(&ask(&router, "{ stores }").await), "SUBREQUEST_HTTP_ERROR");
    }
    let opened = Instant::now();
    let refused = ask(&router, "{ stores }").await;
    if opened.elapsed() < Duration::from_millis(150) {
        assert_eq!(*code(&refused), "SUBGRAPH_UNAVAILABLE");
        assert_eq!(refused["errors"][0]["path"], json!(["stores"]));
        assert_eq!(server.requests(), 3, "it is not asked");
    }
    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(10);
    while ask(&router, "{ stores }").await != json!({ "data": { "stores": 3 } }) {
        assert!(Instant::now() < until, "it is taken back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn too_many_requests_at_a_time_are_refused() {
    let server =
        Server::start(|_| Behaviour::Late(Duration::from_millis(300), STORES.to_owned())).await;
    let in_flight = InFlight { max: 2, queue_max: 1, wait_ms: 5_000 };
    let fetch = Fetch { in_flight, deduplicate: false, ..Fetch::default() };
    let router = router(&server, fetch).await;
    let responses = join_all((0..6).map(|_| ask(&router, "{ stores }"))).await;
    let refused = responses.iter().filter(|it| *code(it) == "SUBGRAPH_OVERLOADED").count();
    let answered = responses.iter().filter(|it| it["data"]["stores"] == 3).count();
    assert_eq!((answered, refused), (3, 3), "two at once, one that waits");
    assert_eq!(ask(&router, "{ stores }").await["data"]["stores"], 3, "places are freed");
}

#[tokio::test]
async fn a_request_has_an_end() {
    let server = Server::start(|_| Behaviour::Stall).await;
    let mut config = Config::default();
    config.http.timeout_ms = 200;
    let settings = router::config::Subgraph { url: Some(server.url.clone()), ..Default::default() };
    config.subgraphs.insert("inventory".to_owned(), settings);
    let router = Router::builder(SUPERGRAPH, config).build().await.unwrap();
    let url = format!("{}/graphql", serve(router.routes()).await);
    let response = post(&url, "{ stores }").await;
    assert_eq!(*code(&response), "SUBREQUEST_TIMEOUT");
}

async fn post(url: &str, query: &str) -> Value {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<bytes::Bytes>>();
    let request = http::Request::post(url)
        .header("content-type", "application/json")
        .body(json!({ "query": query }).to_string().into())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}
