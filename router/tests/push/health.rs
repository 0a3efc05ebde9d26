//! What a router says of its health.

use http::Method;
use platform::cache::Cache;
use router::{Config, Router};
use serde_json::json;

use super::{
    stand::{PATIENCE, SUPERGRAPH, Stand},
    wire::Wire,
};
use crate::{http::send, shop::serve};

async fn health(base: &str, path: &str) -> (u16, serde_json::Value) {
    let reply = send(Method::GET, &format!("{base}{path}"), &[], "").await;
    (reply.status.as_u16(), reply.json())
}

async fn until(base: &str, status: u16) {
    let changed = async {
        while health(base, "/health/ready").await.0 != status {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("the health changes");
}

#[tokio::test]
async fn a_router_needs_its_event_stream_and_can_do_without_redis() {
    // Given a router whose Redis is away
    let (stand, wire) = (Stand::new().await, Wire::new().await);
    let client = async_nats::connect(&wire.url).await.expect("NATS can be reached");
    let nowhere = platform::config::Redis {
        url: "redis://127.0.0.1:1".to_owned().into(),
        prefix: String::new(),
    };
    let mut config = Config::default();
    config.rate_limit.enabled = true;
    let router = Router::builder(SUPERGRAPH, config)
        .events(async_nats::jetstream::new(client), stand.prefix.clone())
        .cache(Cache::connect(&nowhere).await.expect("it is tried later"))
        .build()
        .await
        .expect("a router");
    let base = serve(router.routes()).await;
    // Then it is degraded, and ready
    assert_eq!(health(&base, "/health/ready").await, (200, json!({"status": "DEGRADED"})));
    let (_, report) = health(&base, "/health").await;
    let of = |name: &str| {
        let components = report["components"].as_array().expect("a list");
        let of = components.iter().find(|component| component["name"] == name);
        of.expect("the component")["status"].clone()
    };
    assert_eq!((of("router.nats"), of("router.redis")), (json!("UP"), json!("DEGRADED")));
    // When the event stream is away, it is not ready, until that is back; alive it is all the time
    wire.cut();
    until(&base, 503).await;
    assert_eq!(health(&base, "/health/live").await.0, 200);
    wire.mend();
    until(&base, 200).await;
    // When it drains, it is not ready any more
    router.health().drain();
    assert_eq!(health(&base, "/health/ready").await.0, 503);
}
