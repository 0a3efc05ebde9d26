//! Each kind of fault is an error on the fault's own fields.

use std::time::{Duration, Instant};

use router::fetch::{FetchOverride, Retry};
use serde_json::{Value, json};

use super::server::{Behaviour, Server};
use crate::shop::{Shop, ask};

const MIB: usize = 1024 * 1024;
/// Allowed in these tests, where the default is larger.
const RESPONSE_MAX_BYTES: usize = MIB;
const TIMEOUT_MS: u64 = 300;

/// Asks two subgraphs, one of which behaves like this at every attempt.
async fn with(behaviour: Behaviour) -> (Value, Server) {
    let shop = Shop::open().await;
    let server = Server::start(move |_| behaviour.clone()).await;
    let mut config = shop.config();
    let inventory = config.subgraphs.get_mut("inventory").unwrap();
    inventory.url = Some(server.url.clone());
    inventory.timeout_ms = TIMEOUT_MS;
    inventory.response_max_bytes = RESPONSE_MAX_BYTES;
    let retry = Retry { backoff_ms: 1, ..Retry::default() };
    inventory.fetch = FetchOverride { retry: Some(retry), ..FetchOverride::default() };
    let router = shop.router_with(config).await;
    let began = Instant::now();
    let response = ask(&router, "{ products { name shippingEstimate } }").await;
    assert!(began.elapsed() < Duration::from_secs(5), "bounded by the subgraph's timeout");
    (response, server)
}

/// The others' data are there, and the fault is told once with this code.
async fn is_told(behaviour: Behaviour, code: &str) -> Server {
    let told = format!("{behaviour:.80?}");
    let (response, server) = with(behaviour).await;
    let products = response["data"]["products"].as_array().expect("the others' data are there");
    assert_eq!(products[0], json!({ "name": "Table", "shippingEstimate": null }), "{told}");
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{told}: {errors:?}");
    assert_eq!(errors[0]["extensions"]["code"], code, "{told}: {errors:?}");
    assert_eq!(errors[0]["extensions"]["service"], "inventory", "{told}");
    assert_eq!(errors[0]["path"][0], "products", "{told}");
    server
}

#[tokio::test]
async fn a_closed_connection_is_told_after_the_retries() {
    let server = is_told(Behaviour::Close, "SUBREQUEST_HTTP_ERROR").await;
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_subgraph_that_nobody_listens_for_is_told() {
    let shop = Shop::open().await;
    let mut config = shop.config();
    let inventory = config.subgraphs.get_mut("inventory").unwrap();
    // Bound and let go: nobody listens there.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    inventory.url = Some(format!("http://{free}/graphql"));
    let router = shop.router_with(config).await;
    let response = ask(&router, "{ products { name shippingEstimate } }").await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "SUBREQUEST_HTTP_ERROR");
    assert_eq!(response["data"]["products"][0]["name"], "Table");
}

#[tokio::test]
async fn a_stall_ends_with_the_timeout_and_is_not_repeated() {
    let server = is_told(Behaviour::Stall, "SUBREQUEST_TIMEOUT").await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn another_protocol_and_half_an_answer_are_told() {
    is_told(Behaviour::Noise, "SUBREQUEST_HTTP_ERROR").await;
    let server = is_told(Behaviour::Half, "SUBREQUEST_HTTP_ERROR").await;
    assert_eq!(server.requests(), 3, "it may have been a restart");
}

#[tokio::test]
async fn answers_that_are_no_graphql_are_told_and_not_repeated() {
    let html = "<!doctype html><h1>Sign in</h1>";
    let deep = |inner: usize| "[".repeat(inner) + &"]".repeat(inner);
    for body in [
        html.to_owned(),
        String::new(),
        "[1,2]".to_owned(),
        "\"data\"".to_owned(),
        "{\"data\":".to_owned(),
        "{\"data\":5}".to_owned(),
        "{}".to_owned(),
        deep(1_000_000 / 2),
        format!("{{\"data\":{{\"_entities\":[{{\"shippingEstimate\":{}}}]}}}}", deep(100_000)),
    ] {
        let server = is_told(Behaviour::json(&body), "SUBREQUEST_MALFORMED_RESPONSE").await;
        assert_eq!(server.requests(), 1);
    }
    is_told(Behaviour::Answer(404, html.to_owned()), "SUBREQUEST_HTTP_ERROR").await;
    let server = is_told(Behaviour::Answer(500, html.to_owned()), "SUBREQUEST_HTTP_ERROR").await;
    assert_eq!(server.requests(), 1);
    let server = is_told(Behaviour::Answer(503, html.to_owned()), "SUBREQUEST_HTTP_ERROR").await;
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn wrong_shapes_harm_only_their_own_fields() {
    for body in [
        r#"{"data":{"_entities":5}}"#,
        r#"{"data":{"_entities":[1,"x",null]}}"#,
        r#"{"data":{"other":[]}}"#,
    ] {
        let (response, _) = with(Behaviour::json(body)).await;
        let products = response["data"]["products"].as_array().expect(body);
        assert_eq!(products[0], json!({ "name": "Table", "shippingEstimate": null }), "{body}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_cut_off_before_it_fills_the_memory() {
    for announced in [true, false] {
        let huge = Behaviour::Huge { bytes: 100 * MIB, announced };
        let server = is_told(huge, "SUBREQUEST_MALFORMED_RESPONSE").await;
        // The rest is what sockets hold.
        assert!(server.written() < 16 * MIB, "{} bytes were taken", server.written());
        assert_eq!(server.requests(), 1);
    }
}
