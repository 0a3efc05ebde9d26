//! Starting, ending, calling off; and the minutes.

use platform::{event::Event, inbox::Handler as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Case, refusal};

const ILLEGAL: (&str, Option<&str>) = ("ILLEGAL_STATUS", Some("meetingId"));

#[tokio::test]
async fn a_meeting_goes_from_scheduled_to_ended() {
    let case = Case::new().await;
    let id = case.planned().await;

    let started = case.step("startMeeting", &id).await;
    let again = case.step("startMeeting", &id).await;
    let ended = case.step("endMeeting", &id).await;
    let ended_again = case.step("endMeeting", &id).await;

    assert_eq!(started["meeting"]["status"], "IN_PROGRESS");
    assert_ne!(started["meeting"]["startedAt"], Value::Null);
    assert_eq!(started, again, "starting twice is the same answer");
    assert_eq!(ended["meeting"]["status"], "ENDED");
    assert_ne!(ended["meeting"]["endedAt"], Value::Null);
    assert_eq!(ended, ended_again, "ending twice is the same answer");
    assert_eq!(case.told_kinds().await, ["created.v1", "started.v1", "ended.v1"]);
    assert_eq!(case.status(&id).await, "ENDED");
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_read_after_it() {
    let case = Case::new().await;
    let id = case.planned().await;
    assert_eq!(case.status(&id).await, "SCHEDULED");
    assert_eq!(case.status(&id).await, "SCHEDULED");
    case.step("startMeeting", &id).await;
    assert_eq!(case.status(&id).await, "IN_PROGRESS");
}

#[tokio::test]
async fn illegal_steps_are_refused() {
    let case = Case::new().await;

    let planned = case.planned().await;
    assert_eq!(refusal(&case.step("endMeeting", &planned).await), ILLEGAL);

    let ended = case.started().await;
    case.step("endMeeting", &ended).await;
    assert_eq!(refusal(&case.step("startMeeting", &ended).await), ILLEGAL);
    assert_eq!(refusal(&case.step("cancelMeeting", &ended).await), ILLEGAL);

    let cancelled = case.planned().await;
    let first = case.step("cancelMeeting", &cancelled).await;
    assert_eq!(first["meeting"]["status"], "CANCELLED");
    assert_eq!(case.step("cancelMeeting", &cancelled).await, first);
    assert_eq!(refusal(&case.step("startMeeting", &cancelled).await), ILLEGAL);
    assert_eq!(refusal(&case.step("endMeeting", &cancelled).await), ILLEGAL);
}

#[tokio::test]
async fn two_who_end_at_once_end_it_once() {
    let case = Case::new().await;
    let id = case.started().await;
    let (first, second) = tokio::join!(case.step("endMeeting", &id), case.step("endMeeting", &id));
    assert_eq!(first, second);
    assert_eq!(case.told_kinds().await, ["created.v1", "started.v1", "ended.v1"]);
}

#[tokio::test]
async fn the_minutes_move_an_ended_meeting_on_and_no_other() {
    let case = Case::new().await;
    let planned = case.planned().await;
    let ended = case.started().await;
    case.step("endMeeting", &ended).await;

    for id in [&planned, &ended, &ended, &Uuid::now_v7().to_string()] {
        hear(&case, json!({ "meetingId": id, "transcriptId": Uuid::now_v7(), "objectKey": "transcripts/x.json" })).await;
    }

    assert_eq!(case.status(&planned).await, "SCHEDULED");
    assert_eq!(case.status(&ended).await, "MINUTES_READY");
    let kinds = case.told_kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "minutesReady.v1").count(), 1, "{kinds:?}");
    // It has ended, minutes or not.
    let again = case.step("endMeeting", &ended).await;
    assert_eq!(again["meeting"]["status"], "MINUTES_READY");
}

/// Hears of a transcript as the consumer does, each time as another event.
async fn hear(case: &Case, data: Value) {
    let config = meeting::Config::from(&platform::config::Values::new()).unwrap();
    let meetings = meeting::meeting::Meetings::new(case.kernel.clone(), config);
    let event = Event {
        id: Uuid::now_v7(),
        kind: meeting::events::TRANSCRIPT_CREATED.to_owned(),
        source: "transcript".to_owned(),
        subject: String::new(),
        entity_id: None,
        time: chrono::Utc::now(),
        data,
    };
    let mut tx = case.kernel.pool.begin().await.unwrap();
    let handler = meeting::events::MeetingEvents::new(meetings);
    handler.handle(&event, &mut tx).await.unwrap();
    tx.commit().await.unwrap();
}
