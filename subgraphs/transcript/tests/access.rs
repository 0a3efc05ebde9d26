//! Who may see a meeting's data: people who take part, and services; nobody else, on any path.

use platform::identity::Identity;
use platform::task::TaskStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Ended, Stage, segment, viewer};

const EVERY_ENTITY: &str = "query($r: [_Any!]!) { _entities(representations: $r) {
    ... on Meeting { id transcript { text } minutes { status } transcriptTasks { id } }
    ... on Transcript { id text segments { nodes { text } } }
    ... on Segment { id text }
    ... on Minutes { id sections { body } }
    ... on MinutesSection { id title body }
    ... on TranscriptTask { id status result { ... on Transcript { text } } }
} }";
const EVERY_ROOT: &str = "query($m: ID!, $t: ID!) {
    latestTranscriptTask(meetingId: $m) { id }
    transcriptTask(id: $t) { id }
    mine: transcriptTasks(first: 5) { nodes { id } }
    ofMeeting: transcriptTasks(filter: { meetingId: $m, status: [COMPLETED] }) { nodes { id } }
}";

/// A finished meeting, the references of everything that it has, and its task.
async fn finished(stage: &Stage) -> (Ended, Value, Uuid) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    let task = stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let fields = "transcript { id segments { nodes { id } } } minutes { id sections { id } }";
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let reference = |typename: &str, id: &Value| json!({ "__typename": typename, "id": id });
    let references = json!([
        reference("Meeting", &json!(ended.meeting)),
        reference("Transcript", &found["transcript"]["id"]),
        reference("Segment", &found["transcript"]["segments"]["nodes"][0]["id"]),
        reference("Minutes", &found["minutes"]["id"]),
        reference("MinutesSection", &found["minutes"]["sections"][0]["id"]),
        reference("TranscriptTask", &json!(task.id)),
    ]);
    (ended, references, task.id)
}

#[tokio::test]
async fn everybody_sees_what_is_theirs() {
    let stage = Stage::new([vec![segment(0, 1_000, "A secret plan.")]]).await;
    let (ended, references, task) = finished(&stage).await;
    let keys = json!({ "m": ended.meeting, "t": task });
    let entities = json!({ "r": references });

    // Who takes part sees everything, and so do all of them as one, and a service
    let service = Identity::Service { name: "todo".into() };
    let all_as_one = Identity::Group { id: ended.meeting };
    for identity in [viewer(ended.host), all_as_one, service] {
        let all = stage.data(&identity, EVERY_ENTITY, entities.clone()).await;
        for (found, asked) in
            all["_entities"].as_array().unwrap().iter().zip(references.as_array().unwrap())
        {
            assert_eq!(found["id"], asked["id"]);
        }
        let roots = stage.data(&identity, EVERY_ROOT, keys.clone()).await;
        assert_eq!(roots["latestTranscriptTask"]["id"], roots["transcriptTask"]["id"]);
        let one = json!({ "nodes": [{ "id": task }] });
        assert_eq!((&roots["mine"], &roots["ofMeeting"]), (&one, &one));
    }

    // An outsider sees what somebody sees who asks for what doesn't exist: nothing, no error
    let outsider = viewer(Uuid::now_v7());
    let others_as_one = Identity::Group { id: Uuid::now_v7() };
    for identity in [&outsider, &others_as_one] {
        let all = stage.data(identity, EVERY_ENTITY, entities.clone()).await;
        assert_eq!(all["_entities"], json!([null, null, null, null, null, null]));
    }
    let of_others = stage.data(&others_as_one, EVERY_ROOT, keys.clone()).await;
    let roots = stage.data(&outsider, EVERY_ROOT, keys.clone()).await;
    let none = json!({ "nodes": [] });
    let nothing = json!({
        "latestTranscriptTask": null, "transcriptTask": null, "mine": none, "ofMeeting": none
    });
    assert_eq!(roots, nothing);
    assert_eq!(of_others, nothing);
    let nowhere = json!({ "m": Uuid::now_v7(), "t": "not even an id" });
    let roots = stage.data(&outsider, EVERY_ROOT, nowhere).await;
    assert_eq!(roots, nothing);

    // and can change nothing
    for mutation in ["retryTranscriptTask", "cancelTranscriptTask"] {
        let query = format!(
            "mutation($t: ID!) {{ {mutation}(input: {{ taskId: $t }}) {{ task {{ id }} userErrors {{ code }} }} }}"
        );
        let answer = stage.data(&outsider, &query, json!({ "t": task })).await;
        let expected = json!({ "task": null, "userErrors": [{ "code": "TASK_NOT_FOUND" }] });
        assert_eq!(answer[mutation], expected);
        // nor can nobody, or a service
        for (identity, code) in [
            (Identity::Anonymous, "UNAUTHENTICATED"),
            (Identity::Service { name: "todo".into() }, "UNAUTHENTICATED"),
        ] {
            let answer = stage.ask(&identity, &query, json!({ "t": task })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], code);
        }
    }

    // Nobody in particular is asked to log in
    for (query, variables) in [(EVERY_ENTITY, entities), (EVERY_ROOT, keys)] {
        let answer = stage.ask(&Identity::Anonymous, query, variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn somebody_who_was_just_added_is_asked_about() {
    // Given somebody of whom only the meeting service knows yet
    let stage = Stage::idle([]).await;
    let (meeting, user) = (Uuid::now_v7(), Uuid::now_v7());
    let fields = "id transcript { id } transcriptTasks { id }";
    assert_eq!(stage.entity(&viewer(user), "Meeting", meeting, fields).await, Value::Null);
    stage.joins(meeting, user);
    // Then the local no isn't the last word
    let found = stage.entity(&viewer(user), "Meeting", meeting, fields).await;
    assert_eq!(found, json!({ "id": meeting, "transcript": null, "transcriptTasks": [] }));
    // And for many meetings at once
    let others: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
    stage.joins(others[3], user);
    let references: Vec<Value> =
        others.iter().map(|id| json!({ "__typename": "Meeting", "id": id })).collect();
    let all = stage.data(&viewer(user), EVERY_ENTITY, json!({ "r": references })).await;
    let seen: Vec<bool> =
        all["_entities"].as_array().unwrap().iter().map(|found| !found.is_null()).collect();
    assert_eq!(seen, [false, false, false, true, false]);
}
