//! The topology of nats/.

use platform::bus::DELIVERIES_MAX;
use platform::queue::{HEARTBEAT_MS, RUNS_MAX};
use platform::testing::Scope;
use platform::topology::{apply, declared, status};
use serde_json::json;
use uuid::Uuid;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn applying_twice_changes_nothing() {
    // Given a topology with an event in it
    let scope = Scope::new().await;
    let bus = scope.bus().await;
    let key = Uuid::now_v7();
    let body = event(key, json!({})).envelope(key, chrono::Utc::now()).to_string();
    let subject = event(key, json!({})).subject();
    bus.publish(&subject, key, Default::default(), body.into()).await.unwrap();
    let created = async || {
        let stream = bus.jetstream().get_stream(bus.stream("EVENTS")).await.unwrap();
        stream.cached_info().created
    };
    let before = created().await;

    // When it is applied again
    apply(&bus).await.unwrap();

    // Then streams and consumers are the same, with what they held
    assert_eq!(created().await, before);
    let status = status(&bus).await.unwrap();
    let names: Vec<_> = status.iter().map(|stream| stream.name.clone()).collect();
    let ours = ["DEAD_LETTERS", "EVENTS", "QUEUE_TRANSCRIPT", "PUSH"];
    assert_eq!(names, ours.map(|name| bus.stream(name)));
    let events = status.iter().find(|stream| stream.name.ends_with("EVENTS")).unwrap();
    assert_eq!(events.messages, 1);
    let waiting: Vec<_> = events.consumers.iter().map(|c| (c.name.as_str(), c.waiting)).collect();
    assert_eq!(waiting, [("transcript-events", 1), ("meeting-events", 0)]);
}

#[test]
fn limits_of_the_files_fit_those_of_the_code() {
    let all = declared().unwrap();
    for consumer in all.iter().flat_map(|one| &one.consumers) {
        let name = consumer.durable_name.as_deref().unwrap();
        // The program gives a message up itself, with a dead letter, before the server would.
        assert!(consumer.max_deliver > DELIVERIES_MAX.max(RUNS_MAX), "{name}");
        if name.ends_with("-jobs") {
            assert!(consumer.ack_wait >= Duration::from_millis(3 * HEARTBEAT_MS), "{name}");
        } else {
            assert!(consumer.ack_wait > Duration::from_millis(platform::bus::HANDLE_TIMEOUT_MS));
            assert_eq!(consumer.max_ack_pending, 1, "{name}: the order would not hold");
        }
    }
}
