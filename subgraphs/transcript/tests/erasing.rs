//! People whose accounts are deleted.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::erasure::BATCH;
use platform::task::TaskStatus;
use platform::testing::{belongs, eventually, is_erased};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, refusal, segment, viewer};

async fn finished(stage: &Stage) -> Ended {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    stage.joins(ended.meeting, ended.host);
    ended
}

async fn departs(stage: &Stage, gone: Uuid) {
    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    eventually(DEADLINE, || is_erased(&stage.kernel.pool, gone)).await;
}

#[tokio::test]
async fn somebody_whose_name_stands_in_many_places_is_erased_batch_by_batch() {
    let stage = Stage::new([vec![segment(0, 4_000, "We decided to ship in May.")]]).await;
    let ended = finished(&stage).await;
    let fields = "transcript { id } minutes { sections { id verifiedBy { id } } }";
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let transcript: Uuid = found["transcript"]["id"].as_str().unwrap().parse().unwrap();
    let (gone, pool) = (Uuid::now_v7(), &stage.kernel.pool);
    stage.joins(ended.meeting, gone);
    let section = &found["minutes"]["sections"][0]["id"];
    let input = json!({ "sectionId": section, "version": 1 });
    let verified = stage.mutate(gone, "verifySection", "section { version }", input).await;
    assert_eq!(verified["section"]["version"], 2, "{verified}");
    // Read into the cache.
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    assert_eq!(found["minutes"]["sections"][0]["verifiedBy"]["id"], json!(gone));
    let many = i64::try_from(2 * BATCH + 1).unwrap();
    for insert in [
        "INSERT INTO speaker (id, transcript_id, label, user_id)
         SELECT gen_random_uuid(), $1, 'L' || n, $2 FROM generate_series(1, $3) AS n",
        "INSERT INTO share_reader (id, meeting_id, user_id, shared_by)
         SELECT gen_random_uuid(), gen_random_uuid(), $2, $2 FROM generate_series(1, $3)
         WHERE $1 IS NOT NULL",
        "INSERT INTO share_reader (id, meeting_id, user_id, shared_by)
         SELECT gen_random_uuid(), $1, gen_random_uuid(), $2 FROM generate_series(1, $3)",
    ] {
        let rows = sqlx::query(insert).bind(transcript).bind(gone).bind(many);
        rows.execute(pool).await.unwrap();
    }

    departs(&stage, gone).await;

    for (table, condition, left) in [
        ("speaker", "user_id IS NOT NULL", 0),
        ("speaker", "TRUE", many),
        ("share_reader", "shared_by IS NOT NULL", 0),
        // What they shared with others stays.
        ("share_reader", "TRUE", many),
    ] {
        let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
        let count: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await.unwrap();
        assert_eq!(count, left, "{table} {condition}");
    }
    for table in ["speaker", "share_reader"] {
        let query = format!(
            "SELECT max(count) FROM (SELECT count(*) FROM {table} GROUP BY xmin::text) AS batch"
        );
        let largest: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await.unwrap();
        assert!(largest <= i64::try_from(BATCH).unwrap(), "{table}: {largest} in one transaction");
    }
    eventually(DEADLINE, || async {
        let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
        found["minutes"]["sections"][0]["verifiedBy"].is_null()
    })
    .await;
}

#[tokio::test]
async fn what_is_heard_late_of_somebody_who_has_gone_is_not_written() {
    let stage = Stage::new([vec![segment(0, 4_000, "We decided to ship in May.")]]).await;
    let ended = finished(&stage).await;
    let (other, gone) = (Uuid::now_v7(), Uuid::now_v7());
    departs(&stage, gone).await;

    let late = Uuid::now_v7();
    let people = [ended.host, gone, other];
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, late, &people, json!({})).await;
    for who in [gone, other] {
        let added = json!({ "meetingId": ended.meeting, "userId": who });
        tell(&stage.kernel, kind::PARTICIPANT_ADDED, ended.meeting, who, added).await;
    }
    let pool = &stage.kernel.pool;
    for meeting in [ended.meeting, late] {
        eventually(DEADLINE, || belongs(pool, meeting, other)).await;
        assert!(!belongs(pool, meeting, gone).await);
    }
    // Nor is what the last token of the account asks for, while the meeting service hasn't heard it yet.
    stage.joins(ended.meeting, gone);
    let fields =
        "transcript { id segments(first: 1) { nodes { id } } } minutes { sections { id } }";
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let (transcript, segment, section) = (
        &found["transcript"]["id"],
        &found["transcript"]["segments"]["nodes"][0]["id"],
        &found["minutes"]["sections"][0]["id"],
    );
    for (name, fields, input) in [
        ("addSpeaker", "speaker { id }", json!({ "transcriptId": transcript, "label": "A" })),
        (
            "editSegment",
            "segment { id }",
            json!({ "segmentId": segment, "revision": 0, "text": "x" }),
        ),
        (
            "updateSection",
            "section { id }",
            json!({ "sectionId": section, "version": 1, "body": "x" }),
        ),
        ("verifySection", "section { id }", json!({ "sectionId": section, "version": 1 })),
        ("requestVerification", "task { id }", json!({ "meetingId": ended.meeting })),
    ] {
        let refused = stage.mutate(gone, name, fields, input).await;
        assert_eq!(refused["userErrors"][0]["code"], "NO_ACCOUNT", "{name}: {refused}");
        assert_eq!(refused["userErrors"][0]["field"], Value::Null);
    }
    let named = json!({ "transcriptId": transcript, "label": "A", "userId": gone });
    let refused = stage.mutate(ended.host, "addSpeaker", "speaker { id }", named).await;
    assert_eq!(refusal(&refused), ("INVALID_PERSON", "userId"));
}
