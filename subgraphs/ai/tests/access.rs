//! Who may see what was found, and ask for more: who takes part in the meeting.

use contract::event::kind;
use contract::testing::tell;
use platform::identity::Identity;
use platform::task::TaskStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, viewer};

const EVERY_ENTITY: &str = "query($r: [_Any!]!) { _entities(representations: $r) {
    ... on Meeting { id summary { id } schedule { id } analysis { id } aiTasks { id } }
    ... on Summary { id overview } ... on ScheduleProposal { id } ... on MeetingAnalysis { id }
    ... on AiTask { id result { __typename } } } }";

#[tokio::test]
async fn to_an_outsider_nothing_is_there() {
    let stage = Stage::new().await;
    let (host, outsider) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    stage.transcribe(meeting, &["We decided to keep it a secret."]).await;
    let input = json!({ "meetingId": meeting });
    stage.tasks_are(meeting, "SUMMARY", &[TaskStatus::Completed]).await;
    stage.tasks_are(meeting, "ANALYSIS", &[TaskStatus::Completed]).await;
    stage.caller.mutate(&viewer(host), "requestSchedule", "task { id }", input.clone()).await;
    stage.tasks_are(meeting, "SCHEDULE", &[TaskStatus::Completed]).await;

    let fields = "summary { id } schedule { id } analysis { id } aiTasks { id }";
    let found = stage.caller.entity(&viewer(host), "Meeting", meeting, fields).await;
    let task = &found["aiTasks"][0]["id"];
    let r = json!({ "r": [
        { "__typename": "Meeting", "id": meeting },
        { "__typename": "Summary", "id": found["summary"]["id"] },
        { "__typename": "ScheduleProposal", "id": found["schedule"]["id"] },
        { "__typename": "MeetingAnalysis", "id": found["analysis"]["id"] },
        { "__typename": "AiTask", "id": task },
    ] });
    let root = "query($t: ID!) { aiTask(id: $t) { id } }";
    let service = Identity::Service { name: "todo".into() };
    for who in [&viewer(host), &Identity::Group { id: meeting }, &service] {
        let seen = stage.caller.data(who, EVERY_ENTITY, r.clone()).await;
        assert!(seen["_entities"].as_array().unwrap().iter().all(Value::is_object), "{seen}");
    }
    let who = &viewer(outsider);
    for who in [who, &Identity::Group { id: Uuid::now_v7() }] {
        let seen = stage.caller.data(who, EVERY_ENTITY, r.clone()).await;
        assert_eq!(seen["_entities"], json!([null, null, null, null, null]));
    }
    let seen = stage.caller.data(who, root, json!({ "t": task })).await;
    assert_eq!(seen["aiTask"], Value::Null);
    for name in ["requestSummary", "requestSchedule", "requestAnalysis"] {
        for id in [json!(meeting), json!(Uuid::now_v7()), json!("garbage")] {
            let input = json!({ "meetingId": id });
            let refused = stage.caller.mutate(who, name, "task { id }", input).await;
            assert_eq!(refused["userErrors"][0]["code"], "MEETING_NOT_FOUND", "{name}");
        }
    }
    for name in ["retryAiTask", "cancelAiTask"] {
        let input = json!({ "taskId": task });
        let refused = stage.caller.mutate(who, name, "task { id }", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "TASK_NOT_FOUND", "{name}");
    }
    let code = stage.caller.code(&Identity::Anonymous, EVERY_ENTITY, r).await;
    assert_eq!(code, "UNAUTHENTICATED");
}

#[tokio::test]
async fn who_just_came_is_asked_about_and_who_left_is_out() {
    let stage = Stage::new().await;
    let (host, guest, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    let sees = async |who: Uuid| {
        stage.caller.entity(&viewer(who), "Meeting", meeting, "id").await != Value::Null
    };
    assert!(!sees(guest).await);
    stage.meetings.joins(meeting, guest);
    assert!(sees(guest).await, "right after it was added only the meeting service knows");
    let about = json!({ "meetingId": meeting, "userId": other });
    tell(&stage.kernel, kind::PARTICIPANT_ADDED, meeting, other, about.clone()).await;
    stage.heard(meeting, other, true).await;
    assert!(sees(other).await);
    tell(&stage.kernel, kind::PARTICIPANT_REMOVED, meeting, other, about).await;
    stage.heard(meeting, other, false).await;
    assert!(!sees(other).await);

    stage.meetings.joins(meeting, Uuid::now_v7());
    stage.meetings.leave(&stage.kernel);
    let late = Uuid::now_v7();
    assert!(!sees(late).await, "when nobody can be asked the answer is no");
}
