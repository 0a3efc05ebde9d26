//! Rate limits as clients meet them, over sockets and a real Redis.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use platform::{config::Source as _, testing::Scope};
use router::{Config, config::Redis, rate::Policy};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::{
    authentication,
    http::{Reply, send},
    shop::Shop,
};

const JSON: (&str, &str) = ("content-type", "application/json");
const ME: &str = "{\"query\":\"{me{id}}\"}";
const PRODUCT: &str = "{\"query\":\"{product(upc:\\\"1\\\"){upc}}\"}";
const BOTH: &str = "{\"query\":\"{me{id} product(upc:\\\"1\\\"){upc}}\"}";

/// So many in an hour: no test runs long enough for them to come back.
fn per_hour(count: u32) -> Policy {
    Policy { per_second: 0, burst: 0, per_minute: 0, per_hour: count }
}

fn limited(shop: &Shop, default: u32, user: u32) -> Config {
    let mut config = shop.config();
    config.rate_limit.enabled = true;
    config.rate_limit.default = per_hour(default);
    config.rate_limit.subgraphs.insert("user".to_owned(), per_hour(user));
    config
}

/// A router that knows its clients' addresses. Answers its own.
async fn serve(shop: &Shop, config: Config) -> SocketAddr {
    let routes = shop.router_with(config).await.routes();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

async fn ask(address: SocketAddr, body: &str, headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![JSON];
    all.extend(headers);
    send(Method::POST, &format!("http://{address}/graphql"), &all, body).await
}

fn assert_refused(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let error = &reply.json()["errors"][0];
    assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
    let retry: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=7_200).contains(&retry), "{retry}");
    assert_eq!(error["extensions"]["retryAfter"], retry);
}

#[tokio::test]
async fn limits_hold_across_routers() {
    // Given two routers on one Redis
    let (shop, scope) = (Shop::open().await, Scope::new().await);
    let mut config = limited(&shop, 100, 10);
    config.rate_limit.redis = Some(Redis {
        url: scope.source().get("MOIM_REDIS_URL").unwrap(),
        prefix: scope.prefix().to_owned(),
    });
    let routers = [serve(&shop, config.clone()).await, serve(&shop, config).await];
    // When a client asks both
    let mut replies = Vec::new();
    for n in 0..25 {
        replies.push(ask(routers[n % 2], ME, &[]).await);
    }
    // Then they admit together what one may
    let (admitted, refused): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.status == StatusCode::OK);
    assert_eq!((admitted.len(), refused.len()), (10, 15));
    refused.into_iter().for_each(assert_refused);
    assert_eq!(shop.count("user"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_viewer_draws_through_two_routers_at_once_and_no_more_than_the_limit() {
    // Given two routers on one Redis, and somebody who is logged in
    let (shop, scope) = (Shop::open().await, Scope::new().await);
    let mut config = limited(&shop, 100, 20);
    config.rate_limit.redis = Some(Redis {
        url: scope.source().get("MOIM_REDIS_URL").unwrap(),
        prefix: scope.prefix().to_owned(),
    });
    config.authentication.issuers = vec![authentication::issuer().0];
    let routers = [serve(&shop, config.clone()).await, serve(&shop, config).await];
    // When he asks both at once, then both together admit exactly what he may. Only while Redis gives no
    // answer in time, as on a busy machine, each counts for itself: then it is somebody else's turn.
    let mut undisturbed = false;
    for _ in 0..10 {
        let mut claims = authentication::claims_with("", &[]);
        claims["sub"] = uuid::Uuid::now_v7().to_string().into();
        let bearer = format!("Bearer {}", authentication::issuer_of(&claims).1);
        let asks = (0..60).map(|n| {
            let (router, bearer) = (routers[n % 2], bearer.clone());
            tokio::spawn(async move { ask(router, ME, &[("authorization", &bearer)]).await })
        });
        let replies = futures::future::join_all(asks).await.into_iter().map(Result::unwrap);
        let (admitted, refused): (Vec<_>, Vec<_>) =
            replies.partition(|reply| reply.status == StatusCode::OK);
        refused.iter().for_each(assert_refused);
        undisturbed = admitted.len() == 20;
        if undisturbed {
            break;
        }
    }
    assert!(undisturbed);
}

#[tokio::test]
async fn every_response_tells_how_the_limits_stand() {
    let shop = Shop::open().await;
    let router = serve(&shop, limited(&shop, 5, 2)).await;
    let reply = ask(router, BOTH, &[]).await;
    assert_eq!(
        reply.headers["ratelimit-policy"],
        "\"product-hour\";q=5;w=3600, \"user-hour\";q=2;w=3600"
    );
    let left = reply.headers["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"product-hour\";r=4;t="), "{left}");
    assert!(left.contains("\"user-hour\";r=1;t="), "{left}");
    assert_eq!(ask(router, ME, &[]).await.status, StatusCode::OK);
    // One empty bucket refuses the whole request, and nothing is drawn from the other.
    assert_refused(&ask(router, BOTH, &[]).await);
    let reply = ask(router, PRODUCT, &[]).await;
    assert!(reply.headers["ratelimit"].to_str().unwrap().starts_with("\"product-hour\";r=3;"));
    // What touches no subgraph, or is no operation at all, is drawn from the default bucket.
    for (body, left) in [("{\"query\":\"{__typename}\"}", 4), ("{\"query\":\"{\"}", 3), ("[", 2)] {
        let reply = ask(router, body, &[]).await;
        let told = reply.headers["ratelimit"].to_str().unwrap();
        assert!(told.starts_with(&format!("\"default-hour\";r={left};")), "{body}: {told}");
    }
    ask(router, "nonsense", &[]).await;
    ask(router, "nonsense", &[]).await;
    assert_refused(&ask(router, "nonsense", &[]).await);
}

#[tokio::test]
async fn each_viewer_and_each_address_has_buckets_of_its_own() {
    let shop = Shop::open().await;
    let mut config = limited(&shop, 100, 1);
    config.client_address.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    let (issuer, token) = authentication::issuer();
    config.authentication.issuers = vec![issuer];
    let router = serve(&shop, config).await;
    let from = |address| ("x-forwarded-for", address);
    assert_eq!(ask(router, ME, &[from("198.51.100.1")]).await.status, StatusCode::OK);
    assert_refused(&ask(router, ME, &[from("198.51.100.1")]).await);
    assert_refused(&ask(router, ME, &[from("203.0.113.1, 198.51.100.1")]).await);
    assert_eq!(ask(router, ME, &[from("198.51.100.2")]).await.status, StatusCode::OK);
    // A viewer is one wherever he is.
    let bearer = format!("Bearer {token}");
    let viewer = ("authorization", bearer.as_str());
    assert_eq!(ask(router, ME, &[from("198.51.100.1"), viewer]).await.status, StatusCode::OK);
    assert_refused(&ask(router, ME, &[from("198.51.100.3"), viewer]).await);
}

#[tokio::test]
async fn an_address_cannot_be_invented() {
    let shop = Shop::open().await;
    let router = serve(&shop, limited(&shop, 100, 1)).await;
    assert_eq!(ask(router, ME, &[]).await.status, StatusCode::OK);
    for header in ["x-forwarded-for", "forwarded", "moim-client-address"] {
        assert_refused(&ask(router, ME, &[(header, "198.51.100.9")]).await);
    }
}

#[tokio::test]
async fn subgraphs_are_told_the_clients_address_with_mutations_only() {
    let shop = Shop::open().await;
    let mut config = shop.config();
    config.client_address.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    let router = serve(&shop, config).await;
    let from = [("x-forwarded-for", "198.51.100.1"), ("moim-client-address", "192.0.2.1")];
    let told = |seen: &crate::shop::Seen| -> Value {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let identity = URL_SAFE_NO_PAD.decode(&seen.headers["moim-identity"]).unwrap();
        serde_json::from_slice(&identity).unwrap()
    };
    ask(router, "{\"query\":\"mutation{ping}\"}", &from).await;
    let expected = json!({ "kind": "anonymous", "address": "198.51.100.1" });
    assert_eq!(told(&shop.seen("product")[0]), expected);
    // Answers to queries may be shared by clients of different addresses.
    ask(router, PRODUCT, &from).await;
    assert_eq!(told(&shop.seen("product")[1]), json!({ "kind": "anonymous" }));
}

#[tokio::test]
async fn operations_on_a_socket_are_counted_too() {
    let shop = Shop::open().await;
    let router = serve(&shop, limited(&shop, 100, 2)).await;
    let mut request = format!("ws://{router}/graphql").into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = json!({ "type": "connection_init" });
    socket.send(Message::text(init.to_string())).await.unwrap();
    let mut codes = Vec::new();
    for id in ["1", "2", "3"] {
        let ask = json!({ "id": id, "type": "subscribe", "payload": { "query": "{me{id}}" } });
        socket.send(Message::text(ask.to_string())).await.unwrap();
        loop {
            let message = socket.next().await.unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str().unwrap() {
                "error" => codes.push(message["payload"][0]["extensions"]["code"].clone()),
                "complete" => codes.push(Value::Null),
                _ => continue,
            }
            break;
        }
    }
    assert_eq!(codes, [Value::Null, Value::Null, json!("RATE_LIMITED")]);
}

#[tokio::test]
async fn while_redis_is_away_each_router_counts_for_itself() {
    let shop = Shop::open().await;
    let mut config = limited(&shop, 100, 2);
    config.rate_limit.redis =
        Some(Redis { url: "redis://127.0.0.1:1".to_owned(), prefix: String::new() });
    let router = serve(&shop, config).await;
    assert_eq!(ask(router, ME, &[]).await.status, StatusCode::OK);
    assert_eq!(ask(router, ME, &[]).await.status, StatusCode::OK);
    assert_refused(&ask(router, ME, &[]).await);
}

#[tokio::test]
async fn nothing_is_counted_unless_configured() {
    let shop = Shop::open().await;
    let router = serve(&shop, shop.config()).await;
    let reply = ask(router, ME, &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(!reply.headers.contains_key("ratelimit"));
}

#[tokio::test]
async fn settings_that_cannot_hold_are_refused() {
    let shop = Shop::open().await;
    let mut unknown = shop.config();
    unknown.rate_limit.subgraphs.insert("nobody".to_owned(), Policy::default());
    let mut network = shop.config();
    network.client_address.trusted_proxies = vec!["10.0.0.0/40".to_owned()];
    for config in [unknown, network] {
        let built = router::Router::builder(crate::shop::SUPERGRAPH, config).build().await;
        assert!(matches!(built, Err(router::BuildError::Config(_))));
    }
}
