//! What others hear, and what the service hears.

use contract::testing::told;
use platform::{
    event::{Class, NewEvent},
    relay::Relay,
    shutdown::Shutdown,
    testing::eventually,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Case, DEADLINE},
    upload::put_bytes,
};

#[tokio::test]
async fn others_hear_what_they_need_of_a_meeting_and_watchers_what_changed() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let id = case.started().await;

    case.step("endMeeting", &id).await;

    let bus = case.scope.bus().await;
    let stream = bus.jetstream().get_stream(bus.stream("EVENTS")).await.unwrap();
    let subject = bus.subject(&format!("moim.event.{id}.meeting.{id}.ended"));
    let message = async || stream.get_last_raw_message_by_subject(&subject).await.ok();
    eventually(DEADLINE, async || message().await.is_some()).await;
    let message = message().await.unwrap();
    let changed: Value =
        serde_json::from_str(message.headers.get("Moim-Changed").unwrap().as_str()).unwrap();
    let meeting = json!({ "__typename": "Meeting", "id": id, "version": 3 });
    assert_eq!(changed, json!({ "meeting": meeting }));
    let envelope: Value = serde_json::from_slice(&message.payload).unwrap();
    let data = &envelope["data"];
    assert_eq!(data["meetingId"], id);
    assert_eq!(data["meetingTitle"], "Stand-up");
    assert_eq!(data["participantIds"], json!([case.host.id, case.guest.id]));
    assert_eq!(data["audioFileUrl"], Value::Null);
    assert_eq!(data["recordingId"], Value::Null);
    for time in ["startTime", "endTime", "occurredAt"] {
        let time = data[time].as_str().unwrap_or_else(|| panic!("no {time}: {data}"));
        chrono::DateTime::parse_from_rfc3339(time).unwrap();
    }
    let titles = json!({ "ko": "개요", "en": "Overview" });
    let section = json!({ "key": "overview", "title": "개요", "titles": titles });
    assert_eq!(data["templateSections"][0], section);
    assert!(shutdown.finish().await);
}

#[tokio::test]
async fn the_sections_are_in_the_language_of_the_meeting() {
    let case = Case::new().await;
    let input = json!({ "title": "T", "language": "en" });
    let payload = case.mutate(&case.host, "createMeeting", input).await;
    let id = payload["meeting"]["id"].as_str().unwrap();
    case.step("startMeeting", id).await;
    case.step("endMeeting", id).await;
    let (_, data) = case.told().await.pop().unwrap();
    assert_eq!(data["language"], "en");
    assert_eq!(data["templateSections"][0], json!({ "key": "overview", "title": "Overview" }));
}

#[tokio::test]
async fn a_transcript_that_is_told_over_the_bus_makes_the_minutes_ready() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let id = case.started().await;
    case.step("endMeeting", &id).await;
    // Read into the cache, so that the relay has to drop it there.
    assert_eq!(case.status(&id).await, "ENDED");

    tell_transcript(&case, id.parse().unwrap(), &shutdown).await;

    eventually(DEADLINE, async || case.status(&id).await == "MINUTES_READY").await;
    assert_eq!(case.told_kinds().await.last().unwrap(), "minutesReady.v1");
    assert_eq!(told(&case.kernel).await.len(), 4);
    assert!(shutdown.finish().await);
}

/// Tells of a transcript from another service's outbox.
async fn tell_transcript(case: &Case, meeting_id: Uuid, shutdown: &Shutdown) {
    let kernel = case.scope.kernel("transcript", &NO_MIGRATIONS).await;
    let transcript_id = Uuid::now_v7();
    let event = NewEvent {
        kind: meeting::events::TRANSCRIPT_CREATED,
        source: "transcript",
        ordering_key: meeting_id,
        entity: "transcript",
        entity_id: transcript_id,
        verb: "created",
        class: Class::Event,
        data: json!({ "meetingId": meeting_id, "transcriptId": transcript_id, "objectKey": "transcripts/x.json" }),
        changed: json!({}),
        invalidates: Vec::new(),
    };
    let mut tx = kernel.pool.begin().await.unwrap();
    kernel.outbox.append(&mut tx, event).await.unwrap();
    tx.commit().await.unwrap();
    let relay = Relay::new(kernel.pool, kernel.bus, kernel.cache, kernel.outbox);
    shutdown.spawn(relay.run(shutdown.clone()));
}

static NO_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

#[tokio::test]
async fn what_is_told_is_as_its_schema_says() {
    let case = Case::new().await;
    let (ended, cancelled) = (case.started().await, case.planned().await);
    case.mutate(&case.host, "updateMeeting", json!({ "meetingId": cancelled, "agenda": "A" }))
        .await;
    case.step("cancelMeeting", &cancelled).await;
    let input = json!({ "meetingId": ended, "contentType": "audio/wav", "sizeBytes": 3 });
    let upload = case.request(&case.host, input).await;
    put_bytes(&upload["upload"], b"abc").await;
    let input = json!({ "meetingId": ended, "recordingId": upload["recording"]["id"] });
    case.mutate(&case.host, "endMeeting", input).await;
    // Created twice, started, the plan changed, cancelled, a recording arrived, ended.
    assert_eq!(told(&case.kernel).await.len(), 7);
}
