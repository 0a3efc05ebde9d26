//! People whose accounts are deleted.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::erasure::BATCH;
use platform::testing::{belongs, eventually, is_erased};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage};

async fn departs(stage: &Stage, gone: Uuid) {
    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    eventually(DEADLINE, || is_erased(&stage.kernel.pool, gone)).await;
}

#[tokio::test]
async fn somebody_of_many_todos_is_erased_batch_by_batch() {
    let stage = Stage::new().await;
    let (host, gone) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host, gone]).await;
    let many = i64::try_from(2 * BATCH + 1).unwrap();
    let insert =
        "INSERT INTO todo (id, meeting_id, title, status, assignee_id, created_by, priority)
        SELECT gen_random_uuid(), $1, 'T', 'OPEN', $2, $3, 'NORMAL' FROM generate_series(1, $4)";
    for (meeting, assignee, author) in
        [(None, gone, gone), (Some(meeting), gone, host), (Some(meeting), host, gone)]
    {
        let row = sqlx::query(insert).bind(meeting).bind(assignee).bind(author).bind(many);
        row.execute(&stage.kernel.pool).await.unwrap();
    }

    departs(&stage, gone).await;

    let count = async |condition: &str| -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM todo WHERE {condition}"));
        sqlx::query_scalar(query).fetch_one(&stage.kernel.pool).await.unwrap()
    };
    assert_eq!(count("meeting_id IS NULL").await, 0);
    assert_eq!(count("created_by IS NULL AND assignee_id IS NOT NULL").await, many);
    assert_eq!(count("assignee_id IS NULL AND created_by IS NOT NULL").await, many);
    let largest: i64 = sqlx::query_scalar(
        "SELECT max(count) FROM (SELECT count(*) FROM todo GROUP BY xmin::text) AS batch",
    )
    .fetch_one(&stage.kernel.pool)
    .await
    .unwrap();
    assert!(largest <= i64::try_from(BATCH).unwrap(), "{largest} in one transaction");
}

#[tokio::test]
async fn what_is_heard_late_of_somebody_who_has_gone_is_not_written() {
    let stage = Stage::new().await;
    let (host, other, gone) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    departs(&stage, gone).await;

    let late = Uuid::now_v7();
    let people = [host, gone, other];
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, late, &people, json!({})).await;
    for who in [gone, other] {
        let added = json!({ "meetingId": meeting, "userId": who });
        tell(&stage.kernel, kind::PARTICIPANT_ADDED, meeting, who, added).await;
    }
    for meeting in [meeting, late] {
        stage.heard(meeting, other, true).await;
        assert!(!belongs(&stage.kernel.pool, meeting, gone).await);
        // The meeting service hasn't heard it yet.
        for who in people {
            stage.meetings.joins(meeting, who);
        }
    }
    // Nor is what the last token of the account asks for, or what others want of it.
    let own = json!({ "title": "Own", "idempotencyKey": "k" });
    let theirs = json!({ "title": "Theirs", "meetingId": meeting });
    for input in [own, theirs] {
        let refused = stage.mutate(gone, "createTodo", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "NO_ACCOUNT", "{refused}");
        assert_eq!(refused["todo"], Value::Null);
    }
    let named = json!({ "title": "Theirs", "meetingId": meeting, "assigneeId": gone });
    let refused = stage.mutate(host, "createTodo", named).await;
    assert_eq!(refused["userErrors"][0]["code"], "INVALID_ASSIGNEE");
    let todo = stage.create(host, json!({ "title": "T", "meetingId": meeting })).await;
    let given = json!({ "todoId": todo["id"], "version": 1, "assigneeId": gone });
    let refused = stage.mutate(host, "updateTodo", given).await;
    assert_eq!(refused["userErrors"][0]["code"], "INVALID_ASSIGNEE");
    let moved = json!({ "todoId": todo["id"], "status": "DONE", "idempotencyKey": "k" });
    let refused = stage.mutate(gone, "setTodoStatus", moved).await;
    assert_eq!(refused["userErrors"][0]["code"], "NO_ACCOUNT");
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency")
        .fetch_one(&stage.kernel.pool)
        .await
        .unwrap();
    assert_eq!(keys, 0);
}
