//! Identical concurrent queries are fetched once.

use std::time::Duration;

use futures::future::join_all;
use platform::identity::{Identity, Viewer};
use router::{RequestContext, Router, Variables};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Fault, Shop};

const SLOW: Fault = Fault::Delay(Duration::from_millis(200));

fn viewer() -> Identity {
    Identity::Viewer(Viewer {
        id: Uuid::new_v4(),
        scopes: vec![],
        roles: vec![],
        expires_at: 4_000_000_000,
    })
}

async fn ask(router: &Router, query: &str, ctx: RequestContext) -> Value {
    let engine = router.engine();
    let prepared = engine.prepare(query, None).await.unwrap();
    let body = engine.execute(&prepared, &Variables::default(), &ctx).await;
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn one_fetch_answers_the_same_viewers_queries() {
    let shop = Shop::open().await;
    shop.fault("product", SLOW);
    let router = shop.router().await;
    let who = viewer();
    let query = "{ products { name inStock } }";
    let asked = (0..10).map(|_| ask(&router, query, RequestContext::new(who.clone())));
    let responses = join_all(asked).await;
    assert!(responses.iter().all(|response| response == &responses[0]));
    assert_eq!(responses[0]["data"]["products"][0]["name"], "Table");
    assert_eq!(shop.count("product"), 1);
    assert_eq!(shop.count("inventory"), 1, "entity fetches too");
    ask(&router, query, RequestContext::new(who)).await;
    assert_eq!(shop.count("product"), 2, "answers are not kept");
}

#[tokio::test]
async fn viewers_and_headers_are_kept_apart() {
    let shop = Shop::open().await;
    shop.fault("product", SLOW);
    let router = shop.router().await;
    let (one, two) = (viewer(), viewer());
    let mut korean = RequestContext::new(one.clone());
    korean.headers.insert("accept-language", http::HeaderValue::from_static("ko"));
    let contexts = [
        RequestContext::new(one),
        RequestContext::new(two),
        RequestContext::new(Identity::Anonymous),
        korean,
    ];
    join_all(contexts.map(|ctx| ask(&router, "{ products { name } }", ctx))).await;
    assert_eq!(shop.count("product"), 4);
}

#[tokio::test]
async fn mutations_and_fresh_requests_are_never_shared() {
    let shop = Shop::open().await;
    shop.fault("product", SLOW);
    let router = shop.router().await;
    let ctx = || RequestContext::new(Identity::Anonymous);
    join_all((0..4).map(|_| ask(&router, "mutation { ping }", ctx()))).await;
    assert_eq!(shop.count("product"), 4);
    let fresh = || RequestContext { fresh: true, ..ctx() };
    join_all((0..4).map(|_| ask(&router, "{ products { name } }", fresh()))).await;
    assert_eq!(shop.count("product"), 8);
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let shop = Shop::open().await;
    shop.fault("product", SLOW);
    let mut config = shop.config();
    config.fetch.deduplicate = false;
    let router = shop.router_with(config).await;
    let ctx = || RequestContext::new(Identity::Anonymous);
    let responses = join_all((0..4).map(|_| ask(&router, "{ products { name } }", ctx()))).await;
    assert_eq!(responses[3]["data"]["products"][0], json!({ "name": "Table" }));
    assert_eq!(shop.count("product"), 4);
}
