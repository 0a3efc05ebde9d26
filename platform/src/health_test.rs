use std::sync::atomic::AtomicUsize;

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

async fn ask(registry: &Registry, path: &str) -> (StatusCode, serde_json::Value) {
    let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    let response = registry.routes().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn failing() -> Result<(), Cause> {
    Err("10.0.0.7 is away".into())
}

#[tokio::test]
async fn nothing_needed_is_ready() {
    let registry = Registry::default();
    assert_eq!(ask(&registry, "/health/live").await.0, StatusCode::OK);
    assert_eq!(ask(&registry, "/health/ready").await.0, StatusCode::OK);
}

#[tokio::test]
async fn without_a_required_component_it_is_not_ready_but_alive() {
    let registry = Registry::default();
    registry.add("database", Need::Required, || async { failing() });
    registry.add("cache", Need::Degraded, || async { failing() });
    assert_eq!(ask(&registry, "/health/live").await.0, StatusCode::OK);
    let (status, body) = ask(&registry, "/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, serde_json::json!({"status": "DOWN"}));
}

#[tokio::test]
async fn without_a_component_that_only_helps_it_is_degraded_and_ready() {
    let registry = Registry::default();
    registry.add("cache", Need::Degraded, || async { failing() });
    let (status, body) = ask(&registry, "/health/ready").await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &"DEGRADED".into()));
    // Inner addresses are told only where that was switched on.
    let (_, body) = ask(&registry, "/health").await;
    assert_eq!(body, serde_json::json!({ "status": "DEGRADED" }));
    let report = registry.report().await;
    let body = serde_json::to_value(&report).unwrap();
    assert_eq!(body["components"][0]["detail"], "10.0.0.7 is away");
}

#[tokio::test]
async fn many_who_ask_cause_one_look() {
    let registry = Registry::default();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    registry.add("database", Need::Required, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    join_all((0..20).map(|_| registry.report())).await;
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_takes_too_long_is_a_failure() {
    let registry = Registry::default();
    registry.add("database", Need::Required, std::future::pending::<Result<(), Cause>>);
    assert_eq!(registry.report().await.status, Status::Down);
}

#[tokio::test]
async fn a_process_about_to_end_is_not_ready() {
    let registry = Registry::default();
    registry.drain();
    assert_eq!(ask(&registry, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&registry, "/health/live").await.0, StatusCode::OK);
}
