//! What others hear.

use std::time::Duration;

use contract::testing::told;
use platform::{shutdown::Shutdown, testing};
use serde_json::Value;

use crate::harness::{Case, PASSWORD};

#[tokio::test]
async fn others_hear_of_a_new_account() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);

    let session = case.register("ada@example.com", PASSWORD, "Ada").await;

    let id = session["user"]["id"].as_str().unwrap();
    let bus = case.scope.bus().await;
    let stream = bus.jetstream().get_stream(bus.stream("EVENTS")).await.unwrap();
    let subject = bus.subject(&format!("moim.event.{id}.user.{id}.created"));
    let message = async || stream.get_last_raw_message_by_subject(&subject).await.ok();
    testing::eventually(Duration::from_secs(20), async || message().await.is_some()).await;
    let message = message().await.unwrap();

    let envelope: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(envelope["type"], "moim.user.created.v1");
    assert_eq!(envelope["data"]["userId"], id);
    assert_eq!(envelope["data"]["email"], "ada@example.com");
    assert!(!String::from_utf8_lossy(&message.payload).contains("argon2"));
    assert_eq!(message.headers.get("Moim-Type").unwrap().as_str(), "moim.user.created.v1");
    assert!(shutdown.finish().await);
}

#[tokio::test]
async fn what_is_told_is_as_its_schema_says() {
    let case = Case::new().await;
    case.register("ada@example.com", PASSWORD, "Ada").await;
    assert_eq!(told(&case.kernel).await.len(), 1);
}
