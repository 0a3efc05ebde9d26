//! The rows of the event table that end here: each event is told for real, and its effect is seen.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::task::TaskStatus;
use platform::testing::{belongs, eventually, is_erased};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

// MeetingCreated, ParticipantAdded, ParticipantRemoved: access.rs. MeetingEnded,
// TranscriptCreated: extracting.rs.

#[tokio::test]
async fn a_cancelled_meeting_drops_its_extraction() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": "recordings/x" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    stage.task_is(meeting, TaskStatus::Pending).await;
    tell_meeting(&stage.kernel, kind::MEETING_CANCELLED, meeting, &[host], json!({})).await;
    stage.task_is(meeting, TaskStatus::Cancelled).await;
}

#[tokio::test]
async fn a_recording_that_gives_no_text_calls_its_extraction_off() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": "recordings/x" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    stage.task_is(meeting, TaskStatus::Pending).await;

    let task = Uuid::now_v7();
    let failed = json!({
        "taskId": task, "kind": "TRANSCRIPTION", "status": "FAILED", "orderingKey": meeting,
        "requestedBy": null,
    });
    tell(&stage.kernel, kind::TASK_STATE_CHANGED, meeting, task, failed).await;

    stage.task_is(meeting, TaskStatus::Cancelled).await;
}

#[tokio::test]
async fn a_meeting_without_a_recording_opens_nothing() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": null, "recordingId": null });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    eventually(DEADLINE, || async {
        let ended: Option<bool> =
            sqlx::query_scalar("SELECT ended_at IS NOT NULL FROM meeting WHERE id = $1")
                .bind(meeting)
                .fetch_one(&stage.kernel.pool)
                .await
                .unwrap();
        ended == Some(true)
    })
    .await;
    assert!(stage.tasks_of(meeting).await.is_empty());
}

#[tokio::test]
async fn who_deleted_the_account_stands_nowhere_any_more() {
    let stage = Stage::new().await;
    let (host, gone) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host, gone]).await;
    let input = json!({ "title": "Theirs", "meetingId": meeting, "assigneeId": gone });
    let shared = stage.create(gone, input).await;
    let own = stage.create(gone, json!({ "title": "Own", "idempotencyKey": "k" })).await;

    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;

    eventually(DEADLINE, || is_erased(&stage.kernel.pool, gone)).await;
    assert!(!belongs(&stage.kernel.pool, meeting, gone).await);
    let query = "query($a: ID!, $b: ID!) { a: todo(id: $a) { title assignee { id } createdBy { id } } b: todo(id: $b) { id } }";
    let keys = json!({ "a": shared["id"], "b": own["id"] });
    let seen = stage.caller.data(&viewer(host), query, keys.clone()).await;
    let nobody = json!({ "title": "Theirs", "assignee": null, "createdBy": null });
    assert_eq!(seen, json!({ "a": nobody, "b": null }));
    let seen = stage.caller.data(&viewer(gone), query, keys).await;
    assert_eq!(seen, json!({ "a": Value::Null, "b": null }));
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency")
        .fetch_one(&stage.kernel.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
