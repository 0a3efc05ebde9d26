//! The rows of the event table that end here: each event is told for real, and its effect is seen.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

// ParticipantAdded, ParticipantRemoved: access.rs.

#[tokio::test]
async fn a_planned_meeting_prepares_what_a_schedule_starts_from() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = Uuid::now_v7();
    let plan = json!({ "meetingTitle": "Kick-off", "agenda": "Goals", "language": "en",
        "scheduledAt": "2026-12-01T01:00:00Z" });
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, meeting, &[host], plan).await;
    stage.heard(meeting, host, true).await;
    let known: (String, Option<String>, Option<String>, bool) = sqlx::query_as(
        "SELECT title, agenda, language, scheduled_at IS NOT NULL FROM meeting WHERE id = $1",
    )
    .bind(meeting)
    .fetch_one(&stage.kernel.pool)
    .await
    .unwrap();
    assert_eq!(known, ("Kick-off".into(), Some("Goals".into()), Some("en".into()), true));

    tell_meeting(
        &stage.kernel,
        kind::MEETING_UPDATED,
        meeting,
        &[host],
        json!({ "meetingTitle": "Start" }),
    )
    .await;
    eventually(DEADLINE, || async {
        let title: String = sqlx::query_scalar("SELECT title FROM meeting WHERE id = $1")
            .bind(meeting)
            .fetch_one(&stage.kernel.pool)
            .await
            .unwrap();
        title == "Start"
    })
    .await;
}

#[tokio::test]
async fn an_ended_meeting_opens_what_runs_when_the_text_is_there() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": "recordings/x" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    stage.tasks_are(meeting, "ANALYSIS", &[TaskStatus::Pending]).await;
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Pending]).await;

    let said = ["The budget is tight.", "We decided to cut the budget.", "The budget is small."];
    let ids = stage.transcribe(meeting, &said).await;

    stage.tasks_are(meeting, "ANALYSIS", &[TaskStatus::Completed]).await;
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Completed]).await;
    let fields = "summary { overview overviewSentences { text } decisions { text segments { id } }
        keywords { word } } analysis { topics { word count } talkTime { speaker durationMs } }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    let decision = json!([{ "text": said[1], "segments": [{ "id": ids[1] }] }]);
    assert_eq!(found["summary"]["decisions"], decision);
    assert_eq!(found["summary"]["overview"], said.join("\n"));
    assert_eq!(found["analysis"]["topics"][0], json!({ "word": "budget", "count": 3 }));
    let time = json!([{ "speaker": null, "durationMs": 2_700 }]);
    assert_eq!(found["analysis"]["talkTime"], time);
}

#[tokio::test]
async fn a_cancelled_meeting_drops_what_was_opened() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": "recordings/x" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Pending]).await;
    tell_meeting(&stage.kernel, kind::MEETING_CANCELLED, meeting, &[host], json!({})).await;
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Cancelled]).await;
    stage.tasks_are(meeting, "ANALYSIS", &[TaskStatus::Cancelled]).await;
}

#[tokio::test]
async fn who_deleted_the_account_takes_part_in_nothing_any_more() {
    let stage = Stage::new().await;
    let gone = Uuid::now_v7();
    let meeting = stage.meeting(&[gone]).await;
    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    stage.heard(meeting, gone, false).await;
}
