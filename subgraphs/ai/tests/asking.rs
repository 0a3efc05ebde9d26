//! Asking for summaries, schedules and analyses.

use contract::testing::told;
use platform::task::TaskStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, viewer};

const TASK: &str = "task { id kind status }";

#[tokio::test]
async fn a_schedule_is_made_when_somebody_asks() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    let ask = async |name: &str| {
        let input = json!({ "meetingId": meeting });
        stage.caller.mutate(&viewer(host), name, TASK, input).await
    };
    for name in ["requestSummary", "requestSchedule", "requestAnalysis"] {
        let early = ask(name).await;
        assert_eq!(early["userErrors"][0]["code"], "TRANSCRIPT_NOT_READY", "{name}");
    }
    let said = ["The draft is due by December 3.", "Let's meet again next Monday at 3 pm."];
    let ids = stage.transcribe(meeting, &said).await;
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Completed]).await;

    let asked = ask("requestSchedule").await;
    assert_eq!(asked["task"]["kind"], "SCHEDULE", "{asked}");
    stage.tasks_are(meeting, "SCHEDULE", &[TaskStatus::Completed]).await;

    let fields = "schedule { items { kind text date at segments { id } } engine version }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    let items = &found["schedule"]["items"];
    assert_eq!(items[0]["kind"], "DEADLINE");
    assert!(items[0]["date"].as_str().is_some_and(|date| date.ends_with("-12-03")), "{items}");
    assert_eq!(items[1]["kind"], "FOLLOW_UP");
    // In Seoul, where days are counted when nobody knows better.
    assert_eq!(items[0]["at"], Value::Null);
    assert!(items[1]["at"].as_str().is_some_and(|at| at.ends_with("T06:00:00+00:00")), "{items}");
    assert_eq!(items[1]["segments"], json!([{ "id": ids[1] }]));
    assert_eq!(
        (&found["schedule"]["engine"], &found["schedule"]["version"]),
        (&json!("builtin"), &json!(1))
    );

    // Asked again: another task, the same entity, one version higher
    let again = ask("requestSummary").await;
    assert_ne!(again["task"]["id"], Value::Null);
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Completed, TaskStatus::Completed]).await;
    let fields = "summary { version } aiTasks { kind status result { __typename } }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    assert_eq!(found["summary"]["version"], 2);
    let results: Vec<(&str, &str)> = found["aiTasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            (task["kind"].as_str().unwrap(), task["result"]["__typename"].as_str().unwrap())
        })
        .collect();
    let mut kinds = results.clone();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            ("ANALYSIS", "MeetingAnalysis"),
            ("SCHEDULE", "ScheduleProposal"),
            ("SUMMARY", "Summary"),
            ("SUMMARY", "Summary"),
        ]
    );
    let events = told(&stage.kernel).await;
    let count = |wanted: &str| events.iter().filter(|(kind, _)| kind == wanted).count();
    assert_eq!(count("moim.summary.created.v1"), 2);
    assert_eq!(count("moim.schedule.proposed.v1"), 1);
    assert_eq!(count("moim.analysis.created.v1"), 1);
}

#[tokio::test]
async fn two_who_ask_at_once_get_one_task() {
    let stage = Stage::idle().await;
    let (meeting, one, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, one);
    stage.meetings.joins(meeting, other);
    let mut tx = stage.kernel.pool.begin().await.unwrap();
    ai::store::meeting::transcribe(&mut tx, meeting, Uuid::now_v7(), "transcripts/x.json")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let ask = async |who: Uuid| {
        let input = json!({ "meetingId": meeting });
        stage.caller.mutate(&viewer(who), "requestSummary", TASK, input).await
    };
    let (a, b) = tokio::join!(ask(one), ask(other));
    assert_eq!(a["task"]["id"], b["task"]["id"], "{a} {b}");
    assert_eq!(a["task"]["status"], "PENDING");

    // and it can be called off
    let input = json!({ "taskId": a["task"]["id"] });
    let off = stage.caller.mutate(&viewer(one), "cancelAiTask", TASK, input.clone()).await;
    assert_eq!(off["task"]["status"], "CANCELLED");
    let retry = stage.caller.mutate(&viewer(one), "retryAiTask", TASK, input).await;
    assert_eq!(retry["userErrors"][0]["code"], "TASK_NOT_RETRYABLE");
    assert_ne!(ask(other).await["task"]["id"], a["task"]["id"], "then another is made");
}
