//! Header rules, per subgraph and both ways.

use std::collections::BTreeMap;

use axum::{Json, http::HeaderMap, routing::post};
use http::Method;
use router::{
    Config,
    headers::{Rules, Subgraph},
};
use serde_json::json;

use crate::{
    http::send,
    shop::{SUPERGRAPH, Shop, serve},
};

const JSON: (&str, &str) = ("content-type", "application/json");

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn each_subgraph_gets_what_its_rules_say() {
    let shop = Shop::open().await;
    let mut config = shop.config();
    config.headers.propagate = names(&["x-all", "accept-language"]);
    let request = Rules {
        propagate: names(&["x-user-only"]),
        rename: pairs(&[("x-old", "x-new")]),
        set: pairs(&[("x-fixed", "always")]),
        remove: names(&["accept-language"]),
    };
    let rules = Subgraph { request, ..Subgraph::default() };
    config.headers.subgraphs.insert("user".to_owned(), rules);
    let url = format!("{}/graphql", serve(shop.router_with(config).await.routes()).await);
    let headers = [
        JSON,
        ("x-all", "1"),
        ("accept-language", "ko"),
        ("x-user-only", "2"),
        ("x-old", "3"),
        ("x-new", "spoofed"),
        ("x-fixed", "spoofed"),
        ("x-unnamed", "4"),
    ];
    let query = json!({ "query": "{ me { id } product(upc: \"1\") { upc } }" }).to_string();
    send(Method::POST, &url, &headers, &query).await;
    let user = shop.seen("user")[0].headers.clone();
    let of = |name: &str| user.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(of("x-all").as_deref(), Some("1"));
    assert_eq!(of("x-user-only").as_deref(), Some("2"));
    assert_eq!(of("x-new").as_deref(), Some("3"));
    assert_eq!(of("x-fixed").as_deref(), Some("always"));
    assert_eq!((of("x-old"), of("accept-language"), of("x-unnamed")), (None, None, None));
    assert!(user.contains_key("traceparent") && user.contains_key("moim-signature"));
    let product = shop.seen("product")[0].headers.clone();
    assert_eq!(product["x-all"], "1");
    assert_eq!(product["accept-language"], "ko");
    for name in ["x-user-only", "x-old", "x-new", "x-fixed"] {
        assert!(!product.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn answers_headers_reach_the_client_only_by_rule() {
    let answer = || async {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", "a=1".parse().unwrap());
        headers.append("set-cookie", "b=2".parse().unwrap());
        headers.insert("x-inner", "secret".parse().unwrap());
        headers.insert("x-cost", "7".parse().unwrap());
        headers.insert("moim-identity", "forged".parse().unwrap());
        (headers, Json(json!({ "data": { "me": { "id": "u1" } } })))
    };
    let subgraph = serve(axum::Router::new().route("/graphql", post(answer))).await;
    let mut config = Config::default();
    config.subgraphs.entry("user".to_owned()).or_default().url =
        Some(format!("{subgraph}/graphql"));
    let response = Rules {
        propagate: names(&["set-cookie"]),
        rename: pairs(&[("x-cost", "x-user-cost")]),
        set: pairs(&[("x-via", "router")]),
        ..Rules::default()
    };
    let rules = Subgraph { response, ..Subgraph::default() };
    config.headers.subgraphs.insert("user".to_owned(), rules);
    let router = router::Router::builder(SUPERGRAPH, config).build().await.unwrap();
    let url = format!("{}/graphql", serve(router.routes()).await);
    let reply = send(Method::POST, &url, &[JSON], "{\"query\":\"{me{id}}\"}").await;
    assert_eq!(reply.json(), json!({ "data": { "me": { "id": "u1" } } }));
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(reply.headers["x-user-cost"], "7");
    assert_eq!(reply.headers["x-via"], "router");
    for name in ["x-inner", "x-cost", "moim-identity"] {
        assert!(!reply.headers.contains_key(name), "{name}");
    }
    // A query over SSE as well: its response begins when its answer is there.
    let stream = ("accept", "text/event-stream");
    let reply = send(Method::POST, &url, &[JSON, stream], "{\"query\":\"{me{id}}\"}").await;
    assert!(String::from_utf8(reply.body).unwrap().starts_with("event: next\ndata: {\"data\""));
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(reply.headers["x-user-cost"], "7");
}

#[tokio::test]
async fn headers_of_the_router_itself_cannot_be_named() {
    let set = |name: &str| Rules { set: pairs(&[(name, "x")]), ..Rules::default() };
    let mut all = vec![Rules { propagate: names(&["moim-identity"]), ..Rules::default() }];
    all.push(Rules { rename: pairs(&[("x-mine", "moim-identity")]), ..Rules::default() });
    all.extend(["moim-signature", "traceparent", "content-length", "host", "no name"].map(set));
    for request in all {
        let mut config = Config::default();
        let rules = Subgraph { request, ..Subgraph::default() };
        config.headers.subgraphs.insert("user".to_owned(), rules);
        let built = router::Router::builder(SUPERGRAPH, config).build().await;
        assert!(matches!(built, Err(router::BuildError::Config(_))));
    }
}
