//! What others hear.

use std::time::Duration;

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
    assert_eq!(assert_all_fit(&case.kernel.pool).await, 1);
}

/// Every event in the outbox is as the schema of its type says.
async fn assert_all_fit(pool: &sqlx::PgPool) -> usize {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/events");
    let read = |name: &str| -> Value {
        let text =
            std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let envelope = read("envelope.schema.json");
    let registry = jsonschema::Registry::new()
        .add("urn:moim:event:envelope", envelope)
        .unwrap()
        .prepare()
        .unwrap();
    let events: Vec<Value> = sqlx::query_scalar("SELECT body FROM outbox WHERE class = 'event'")
        .fetch_all(pool)
        .await
        .unwrap();
    for event in &events {
        let schema = read(&format!("{}.schema.json", event["type"].as_str().unwrap()));
        let validator = jsonschema::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        let complaints: Vec<String> =
            validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{event}");
    }
    events.len()
}
