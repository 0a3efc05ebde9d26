//! Todos found in what was said.

use contract::event::kind;
use contract::testing::{tell, tell_meeting, told};
use platform::task::TaskStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, viewer};

/// A transcript object with these sentences; gives its key and the segments' ids.
pub(crate) async fn spoken(
    stage: &Stage,
    meeting: Uuid,
    sentences: &[&str],
) -> (String, Vec<Uuid>) {
    let ids: Vec<Uuid> = sentences.iter().map(|_| Uuid::now_v7()).collect();
    let segments: Vec<Value> = (0..)
        .zip(sentences.iter().zip(&ids))
        .map(|(place, (text, id))| {
            json!({
                "id": id, "ordinal": place, "speaker": null, "startMs": place * 1_000,
                "endMs": place * 1_000 + 900, "text": text, "confidence": 0.9,
            })
        })
        .collect();
    let object = json!({
        "version": 1, "transcriptId": Uuid::now_v7(), "meetingId": meeting,
        "recordingId": Uuid::now_v7(), "language": "ko", "durationMs": 10_000,
        "text": sentences.join(" "), "segments": segments,
    });
    let key = format!("transcripts/{}.json", Uuid::now_v7());
    stage.kernel.objects.put(&key, object.to_string()).await.unwrap();
    (key, ids)
}

#[tokio::test]
async fn an_extraction_waits_for_the_text_and_proposes_with_evidence() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ended = json!({ "audioFileUrl": "recordings/x", "endTime": "2026-11-26T01:00:00Z" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    stage.task_is(meeting, TaskStatus::Pending).await;

    let said =
        ["안녕하세요.", "민지님이 내일까지 보고서를 작성해 주세요.", "We will send the slides."];
    let (key, ids) = spoken(&stage, meeting, &said).await;
    let text = json!({ "meetingId": meeting, "transcriptId": Uuid::now_v7(), "objectKey": key });
    tell(&stage.kernel, kind::TRANSCRIPT_CREATED, meeting, Uuid::now_v7(), text).await;

    stage.task_is(meeting, TaskStatus::Completed).await;
    let fields = "todos { nodes { title status dueAt evidence { id } createdBy { id } } }
                  todoTasks { kind status progress result { todos { title } engine insteadOf } }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    assert_eq!(
        found["todos"]["nodes"],
        json!([
            { "title": said[1], "status": "PROPOSED", "dueAt": "2026-11-27T14:59:59+00:00",
              "evidence": [{ "id": ids[1] }], "createdBy": null },
            { "title": said[2], "status": "PROPOSED", "dueAt": null,
              "evidence": [{ "id": ids[2] }], "createdBy": null },
        ])
    );
    let task = json!({ "kind": "EXTRACTION", "status": "COMPLETED", "progress": 100,
        "result": { "todos": [{ "title": said[1] }, { "title": said[2] }],
                     "engine": "builtin", "insteadOf": null } });
    assert_eq!(found["todoTasks"], json!([task]));
    let proposed = told(&stage.kernel).await;
    let proposed = proposed.iter().filter(|(kind, _)| kind == "moim.todo.created.v1");
    assert!(proposed.map(|(_, data)| &data["actorId"]).eq([&Value::Null, &Value::Null]));
}

#[tokio::test]
async fn who_is_named_gets_it_and_days_end_where_the_host_is() {
    // Given a meeting whose people the other services know
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host, guest]).await;
    for (who, name) in [(host, "Anna Schmidt"), (guest, "김민지")] {
        stage.meetings.joins(meeting, who);
        stage.meetings.named(who, name, "America/New_York");
    }
    let ended = json!({ "audioFileUrl": "recordings/x", "endTime": "2026-11-26T01:00:00Z" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host, guest], ended).await;
    // when they are named (it is still the 25th in New York),
    let said = ["민지님이 내일까지 보고서를 작성해 주세요.", "Anna will book the room."];
    let (key, _) = spoken(&stage, meeting, &said).await;
    let text = json!({ "meetingId": meeting, "transcriptId": Uuid::now_v7(), "objectKey": key });
    tell(&stage.kernel, kind::TRANSCRIPT_CREATED, meeting, Uuid::now_v7(), text).await;
    stage.task_is(meeting, TaskStatus::Completed).await;
    // then each gets what is hers.
    let fields = "todos { nodes { dueAt assignee { id } } }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    assert_eq!(
        found["todos"]["nodes"],
        json!([
            { "dueAt": "2026-11-27T04:59:59+00:00", "assignee": { "id": guest } },
            { "dueAt": null, "assignee": { "id": host } },
        ])
    );
}

#[tokio::test]
async fn a_text_that_is_gone_fails_the_task_and_a_retry_finds_it() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let key = format!("transcripts/{}.json", Uuid::now_v7());
    let text = json!({ "meetingId": meeting, "transcriptId": Uuid::now_v7(), "objectKey": key });
    tell(&stage.kernel, kind::TRANSCRIPT_CREATED, meeting, Uuid::now_v7(), text).await;
    stage.task_is(meeting, TaskStatus::Failed).await;
    let task = &stage.tasks_of(meeting).await[0];
    assert_eq!(task.error_code.as_deref(), Some("TEXT_MISSING"));

    let (other, _) = spoken(&stage, meeting, &["I will write the report."]).await;
    let object = stage.kernel.objects.get(&other, 1 << 20).await.unwrap();
    stage.kernel.objects.put(&key, object).await.unwrap();
    let input = json!({ "taskId": task.id });
    let fields = "task { status }";
    stage.caller.mutate(&viewer(host), "retryTodoTask", fields, input.clone()).await;
    stage.task_is(meeting, TaskStatus::Completed).await;
    let refused = stage.caller.mutate(&viewer(host), "cancelTodoTask", fields, input).await;
    assert_eq!(refused["userErrors"][0]["code"], "ILLEGAL_STATUS");
}
