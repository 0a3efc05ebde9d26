//! A verification is a task: asked for, queued, done, and its findings cite what was said.

use platform::identity::Identity;
use platform::task::{Task, TaskStatus};
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, Step, refusal, segment, viewer};

const TASK: &str =
    "task { id kind status progress meetingId error { code } result { __typename } }";
const RESULT: &str =
    "id kind status progress result { ... on TranscriptVerification { findingCount findings {
    __typename
    ... on LowConfidenceFinding { confidence segment { id text } }
    ... on GapFinding { startMs endMs after { id } before { id } }
    ... on EmptySectionFinding { section { id title } } } } }";

/// Two sentences with a long silence in between.
fn spoken() -> Vec<Step> {
    vec![
        segment(0, 4_000, "We decided to ship in May."),
        segment(60_000, 64_000, "Alice will prepare the release."),
    ]
}

async fn finished(stage: &Stage) -> (Ended, Vec<Uuid>) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let ids = stage.segment_ids(ended.meeting).await;
    (ended, ids)
}

async fn ask(stage: &Stage, ended: Ended) -> Uuid {
    let input = json!({ "meetingId": ended.meeting });
    let asked = stage.mutate(ended.host, "requestVerification", TASK, input).await;
    assert_eq!(asked["userErrors"], json!([]), "{asked}");
    assert_eq!(asked["task"]["kind"], "VERIFICATION");
    asked["task"]["id"].as_str().unwrap().parse().unwrap()
}

async fn task(stage: &Stage, id: Uuid) -> Task {
    stage.tasks.get(&[id]).await.unwrap().remove(&id).unwrap()
}

#[tokio::test]
async fn what_is_doubtful_is_cited() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    let unsure = sqlx::query("UPDATE segment SET confidence = 0.25 WHERE id = ANY($1)");
    unsure.bind(&ids).execute(&stage.kernel.pool).await.unwrap();
    // Given that somebody mended one of those that the recogniser wasn't sure of
    let input =
        json!({ "segmentId": ids[0], "revision": 0, "text": "We decided to ship in June." });
    stage.mutate(ended.host, "editSegment", "segment { id }", input).await;
    // and emptied a section
    let fields = "minutes { sections { id title body } }";
    let minutes = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let sections = minutes["minutes"]["sections"].as_array().unwrap();
    let input = json!({ "sectionId": sections[0]["id"], "version": 1, "body": "" });
    stage.mutate(ended.host, "updateSection", "section { id }", input).await;
    let empty = sections.iter().enumerate().filter(|(i, s)| *i == 0 || s["body"] == "").count();

    // When a verification is asked for
    let id = ask(&stage, ended).await;
    eventually(DEADLINE, || async { task(&stage, id).await.status == TaskStatus::Completed }).await;
    // Then it says so, by its places
    let found = stage.entity(&viewer(ended.host), "TranscriptTask", id, RESULT).await;
    assert_eq!((&found["kind"], &found["progress"]), (&json!("VERIFICATION"), &json!(100)));
    let result = &found["result"];
    let findings = result["findings"].as_array().unwrap();
    assert_eq!(result["findingCount"], json!(2 + empty), "{result}");
    assert_eq!(
        findings[0],
        json!({ "__typename": "GapFinding", "startMs": 4_000, "endMs": 60_000,
                "after": { "id": ids[0] }, "before": { "id": ids[1] } })
    );
    assert_eq!(
        findings[1],
        json!({ "__typename": "LowConfidenceFinding", "confidence": 0.25,
                "segment": { "id": ids[1], "text": "Alice will prepare the release." } })
    );
    assert_eq!(findings[2]["section"]["id"], sections[0]["id"]);
    // and the meeting's newest task is this one; its transcription has its own result
    let fields = "transcriptTasks { kind result { __typename } }";
    let all = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let expected = json!([
        { "kind": "VERIFICATION", "result": { "__typename": "TranscriptVerification" } },
        { "kind": "TRANSCRIPTION", "result": { "__typename": "Transcript" } },
    ]);
    assert_eq!(all["transcriptTasks"], expected);
    let told = contract::testing::told(&stage.kernel).await;
    let statuses: Vec<&Value> = told
        .iter()
        .filter(|(_, data)| data["taskId"] == json!(id) && data["progress"] != 40)
        .map(|(_, data)| &data["status"])
        .collect();
    assert!(statuses.ends_with(&[&json!("COMPLETED")]), "{statuses:?}");
    assert_eq!(
        told.iter().find(|(_, data)| data["taskId"] == json!(id)).unwrap().1["requestedBy"],
        json!(ended.host)
    );
}

#[tokio::test]
async fn one_is_on_its_way_at_a_time_and_can_be_called_off_and_retried() {
    // Given a meeting whose text is there, and a service that has no worker
    let stage = Stage::idle([]).await;
    let ended = transcribed(&stage).await;
    // When two are asked for, then they are one
    let id = ask(&stage, ended).await;
    assert_eq!(ask(&stage, ended).await, id);
    // It can be called off, and then another is another
    let cancel =
        |id: Uuid| stage.mutate(ended.host, "cancelTranscriptTask", TASK, json!({ "taskId": id }));
    assert_eq!(cancel(id).await["task"]["status"], "CANCELLED");
    let again =
        stage.mutate(ended.host, "retryTranscriptTask", TASK, json!({ "taskId": id })).await;
    assert_eq!(refusal(&again), ("TASK_NOT_RETRYABLE", "taskId"));
    let next = ask(&stage, ended).await;
    assert_ne!(next, id);
    // A failed one can be tried again
    let claim = stage.tasks.claim(next).await.unwrap().unwrap();
    let mut tx = stage.kernel.pool.begin().await.unwrap();
    stage.tasks.fail(&mut tx, &claim, "ENGINE_FAILED", "broken").await.unwrap();
    tx.commit().await.unwrap();
    let again =
        stage.mutate(ended.host, "retryTranscriptTask", TASK, json!({ "taskId": next })).await;
    assert_eq!(
        (&again["task"]["status"], &again["task"]["kind"]),
        (&json!("PENDING"), &json!("VERIFICATION"))
    );
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let stage = Stage::idle([]).await;
    let ended = transcribed(&stage).await;
    let full = sqlx::query(
        "INSERT INTO tasks (id, kind, typename, queue, job_kind, job_id, ordering_key)
         SELECT gen_random_uuid(), 'VERIFICATION', 'TranscriptTask', 'transcript', 'verification',
                gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 1000)",
    );
    full.execute(&stage.kernel.pool).await.unwrap();
    let query =
        "mutation($m: ID!) { requestVerification(input: { meetingId: $m }) { task { id } } }";
    let answer = stage.ask(&viewer(ended.host), query, json!({ "m": ended.meeting })).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["retryAfter"]),
        (&json!("QUEUE_FULL"), &json!(60))
    );
}

#[tokio::test]
async fn only_those_who_take_part_ask_and_only_when_there_is_a_text() {
    let stage = Stage::idle([]).await;
    let ended = transcribed(&stage).await;
    for meeting in [json!(ended.meeting), json!(Uuid::now_v7()), json!("no id")] {
        let input = json!({ "meetingId": meeting });
        let refused = stage.mutate(Uuid::now_v7(), "requestVerification", TASK, input).await;
        assert_eq!(refusal(&refused), ("MEETING_NOT_FOUND", "meetingId"));
    }
    let query =
        "mutation($m: ID!) { requestVerification(input: { meetingId: $m }) { task { id } } }";
    for who in [Identity::Anonymous, Identity::Group { id: ended.meeting }] {
        let answer = stage.ask(&who, query, json!({ "m": ended.meeting })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
    // A meeting whose text isn't there yet
    let (meeting, who) = (Uuid::now_v7(), Uuid::now_v7());
    stage.joins(meeting, who);
    let refused =
        stage.mutate(who, "requestVerification", TASK, json!({ "meetingId": meeting })).await;
    assert_eq!(refusal(&refused), ("TRANSCRIPT_NOT_READY", "meetingId"));
}

/// A meeting whose text is there, written by hand: nothing runs.
async fn transcribed(stage: &Stage) -> Ended {
    let ended = Ended { meeting: Uuid::now_v7(), host: Uuid::now_v7() };
    stage.joins(ended.meeting, ended.host);
    let task = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO tasks (id, kind, typename, queue, job_kind, job_id, ordering_key, status, completed_at)
         VALUES ($1, 'TRANSCRIPTION', 'TranscriptTask', 'transcript', 'transcription', $1, $2, 'COMPLETED', now())",
    )
    .bind(task)
    .bind(ended.meeting)
    .execute(&stage.kernel.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO transcript (id, meeting_id, task_id, recording_id, text, duration_ms, object_key, completed_at)
         VALUES ($1, $2, $3, $1, 'Hello.', 1000, 'transcripts/none.json', now())",
    )
    .bind(Uuid::now_v7())
    .bind(ended.meeting)
    .bind(task)
    .execute(&stage.kernel.pool)
    .await
    .unwrap();
    ended
}

#[tokio::test]
async fn who_asked_and_was_removed_sees_nothing_of_what_was_found() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _) = finished(&stage).await;
    let guest = Uuid::now_v7();
    let about = json!({ "userId": guest });
    stage.tell("moim.participant.added.v1", ended.meeting, about.clone()).await;
    let knows = async |takes_part: bool| {
        let pool = &stage.kernel.pool;
        eventually(DEADLINE, || async {
            platform::testing::belongs(pool, ended.meeting, guest).await == takes_part
        })
        .await;
    };
    knows(true).await;
    let input = json!({ "meetingId": ended.meeting });
    let asked = stage.mutate(guest, "requestVerification", "task { id }", input).await;
    let id: Uuid = asked["task"]["id"].as_str().unwrap().parse().unwrap();
    eventually(DEADLINE, || async { task(&stage, id).await.status == TaskStatus::Completed }).await;
    let query = "{ transcriptTasks { nodes { id result { __typename } } } }";
    let seen = stage.data(&viewer(guest), query, Value::Null).await;
    assert_eq!(seen["transcriptTasks"]["nodes"][0]["id"], json!(id));
    assert_ne!(seen["transcriptTasks"]["nodes"][0]["result"], Value::Null);

    stage.tell("moim.participant.removed.v1", ended.meeting, about).await;
    knows(false).await;
    let seen = stage.data(&viewer(guest), query, Value::Null).await;
    let own = json!([{ "id": id, "result": null }]);
    assert_eq!(seen["transcriptTasks"]["nodes"], own, "that they asked is theirs to know");
}
