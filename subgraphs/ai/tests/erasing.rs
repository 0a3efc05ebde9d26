//! People whose accounts are deleted.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::erasure::BATCH;
use platform::testing::{belongs, eventually, is_erased};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

async fn departs(stage: &Stage, gone: Uuid) {
    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    eventually(DEADLINE, || is_erased(&stage.kernel.pool, gone)).await;
}

#[tokio::test]
async fn somebody_of_many_analyses_takes_all_of_them_along() {
    let stage = Stage::new().await;
    let (host, gone) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host, gone]).await;
    stage.transcribe(meeting, &["We decided to cut the budget."]).await;
    eventually(DEADLINE, || async { !stage.tasks_of(meeting).await.is_empty() }).await;
    for who in [gone, host] {
        let count = if who == gone { BATCH + 1 } else { 1 };
        for _ in 0..count {
            let input = json!({ "meetingIds": [meeting] });
            let asked =
                stage.caller.mutate(&viewer(who), "requestAnalysis", "task { id }", input).await;
            assert_eq!(asked["userErrors"], json!([]));
        }
    }

    departs(&stage, gone).await;

    let left: Vec<Uuid> = sqlx::query_scalar("SELECT requested_by FROM analysis")
        .fetch_all(&stage.kernel.pool)
        .await
        .unwrap();
    assert_eq!(left, [host]);
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM tasks
         WHERE requested_by = $1 AND status IN ('PENDING', 'PROCESSING')",
    )
    .bind(gone)
    .fetch_one(&stage.kernel.pool)
    .await
    .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn what_is_heard_late_of_somebody_who_has_gone_is_not_written() {
    let stage = Stage::new().await;
    let (host, other, gone) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    departs(&stage, gone).await;
    let late = Uuid::now_v7();
    let people = [host, gone, other];
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, late, &people, json!({})).await;
    stage.heard(late, other, true).await;
    assert!(!belongs(&stage.kernel.pool, late, gone).await);
    // Nor is what the last token of the account asks for, while the meeting service hasn't heard it yet.
    for who in people {
        stage.meetings.joins(late, who);
    }
    stage.transcribe(late, &["We decided to cut the budget."]).await;
    eventually(DEADLINE, || async { !stage.tasks_of(late).await.is_empty() }).await;
    for input in [json!({ "meetingId": late }), json!({ "meetingIds": [late] })] {
        let refused =
            stage.caller.mutate(&viewer(gone), "requestAnalysis", "task { id }", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "NO_ACCOUNT", "{refused}");
    }
}
