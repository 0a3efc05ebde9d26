//! Every change can be sent again under its key: it is done once, and answered again.

use contract::testing::told;
use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, refusal, segment, viewer};

/// A finished meeting, its transcript, its first segment and its first section.
async fn finished(stage: &Stage) -> (Ended, Value, Uuid, Value) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    stage.joins(ended.meeting, ended.host);
    let ids = stage.segment_ids(ended.meeting).await;
    let fields = "transcript { id } minutes { sections { id } }";
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let section = found["minutes"]["sections"][0]["id"].clone();
    (ended, found["transcript"]["id"].clone(), ids[0], section)
}

#[tokio::test]
async fn what_is_sent_again_is_done_once_and_answered_again() {
    let words = || vec![segment(0, 4_000, "We decided to ship in May.")];
    let stage = Stage::new([words(), words()]).await;
    let (ended, transcript, segment, section) = finished(&stage).await;
    let reader = Uuid::now_v7();
    stage.named(reader, "Reader");
    // Each changes something: sent twice without a key, the second is refused, or does it twice.
    let steps = [
        (
            "addSpeaker",
            "speaker { id label version }",
            json!({ "transcriptId": transcript, "label": "A" }),
        ),
        (
            "editSegment",
            "segment { id text revision }",
            json!({ "segmentId": segment, "revision": 0, "text": "x" }),
        ),
        (
            "updateSection",
            "section { id body version }",
            json!({ "sectionId": section, "version": 1, "body": "x" }),
        ),
        ("verifySection", "section { id version }", json!({ "sectionId": section, "version": 2 })),
        ("reopenSection", "section { id version }", json!({ "sectionId": section, "version": 3 })),
        ("createShareLink", "link { id } token", json!({ "meetingId": ended.meeting })),
        ("requestVerification", "task { id }", json!({ "meetingId": ended.meeting })),
        (
            "shareTranscript",
            "meetingId",
            json!({ "meetingId": ended.meeting, "userIds": [reader] }),
        ),
    ];
    for (name, fields, mut input) in steps {
        input["idempotencyKey"] = json!("k");
        let first = stage.mutate(ended.host, name, fields, input.clone()).await;
        assert_eq!(first["userErrors"], json!([]), "{name}: {first}");
        let events = told(&stage.kernel).await.len();
        let again = stage.mutate(ended.host, name, fields, input.clone()).await;
        if name == "requestVerification" {
            // Its task goes on meanwhile.
            assert_eq!(again["task"]["id"], first["task"]["id"]);
            eventually(DEADLINE, || async {
                let tasks = stage.tasks.of(&[ended.meeting]).await.unwrap();
                tasks[&ended.meeting].iter().all(|task| task.status == TaskStatus::Completed)
            })
            .await;
            let later = stage.mutate(ended.host, name, fields, input.clone()).await;
            assert_eq!(later["task"]["id"], first["task"]["id"], "also when it is done");
        } else {
            assert_eq!(again, first, "{name}");
            assert_eq!(told(&stage.kernel).await.len(), events, "{name}: nothing is told again");
        }
        input["idempotencyKey"] = json!("");
        let refused = stage.mutate(ended.host, name, fields, input).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID_IDEMPOTENCY_KEY", "{name}");
    }
}

#[tokio::test]
async fn a_link_that_is_asked_for_twice_is_one() {
    let words = || vec![segment(0, 4_000, "We decided to ship in May.")];
    let stage = Stage::new([words(), words()]).await;
    let (ended, ..) = finished(&stage).await;
    let link = async |meeting: Uuid, host: Uuid, key: &str| {
        let input = json!({ "meetingId": meeting, "idempotencyKey": key });
        stage.mutate(host, "createShareLink", "link { id } token", input).await
    };
    let (a, b) =
        tokio::join!(link(ended.meeting, ended.host, "k"), link(ended.meeting, ended.host, "k"));
    assert_eq!(a, b);
    let query = "query($t: String!) { sharedTranscript(token: $t) { text } }";
    let opened = stage.ask(&Identity::Anonymous, query, json!({ "t": a["token"] })).await;
    assert_eq!(opened["data"]["sharedTranscript"]["text"], "We decided to ship in May.");
    let list = "query($m: ID!) { shareLinks(meetingId: $m) { nodes { id } } }";
    let host = viewer(ended.host);
    let listed = stage.data(&host, list, json!({ "m": ended.meeting })).await;
    assert_eq!(listed["shareLinks"]["nodes"].as_array().unwrap().len(), 1);
    // Another key, and the same key for another meeting, are other links with other tokens.
    let other = link(ended.meeting, ended.host, "other").await;
    let (elsewhere, ..) = finished(&stage).await;
    stage.joins(elsewhere.meeting, elsewhere.host);
    let theirs = link(elsewhere.meeting, elsewhere.host, "k").await;
    let tokens = [&a["token"], &other["token"], &theirs["token"]];
    assert!(tokens.iter().all(|token| token.is_string()));
    assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2] && tokens[1] != tokens[2]);
    // Revoked, it stays the answer to its key, and its token isn't told any more.
    let revoke = json!({ "linkId": a["link"]["id"], "idempotencyKey": "r" });
    for _ in 0..2 {
        let fields = "link { isActive }";
        let revoked = stage.mutate(ended.host, "revokeShareLink", fields, revoke.clone()).await;
        assert_eq!(revoked["link"]["isActive"], false);
    }
    let again = link(ended.meeting, ended.host, "k").await;
    assert_eq!((&again["link"], &again["token"]), (&a["link"], &Value::Null));
}

#[tokio::test]
async fn of_two_who_rename_a_speaker_at_once_the_second_is_told() {
    let stage = Stage::new([vec![segment(0, 4_000, "We decided to ship in May.")]]).await;
    let (ended, transcript, segment, _) = finished(&stage).await;
    let guest = Uuid::now_v7();
    stage.joins(ended.meeting, guest);
    const SPEAKER: &str = "speaker { id label version }";
    let input = json!({ "transcriptId": transcript, "label": "A" });
    let made = stage.mutate(ended.host, "addSpeaker", SPEAKER, input).await["speaker"].take();
    assert_eq!(made["version"], 1);
    let rename = |label: &str, version: i32| json!({ "speakerId": made["id"], "label": label, "version": version });
    let first = stage.mutate(ended.host, "renameSpeaker", SPEAKER, rename("Ada", 1)).await;
    assert_eq!(first["speaker"]["version"], 2, "{first}");
    let second = stage.mutate(guest, "renameSpeaker", SPEAKER, rename("Bea", 1)).await;
    assert_eq!(refusal(&second), ("VERSION_CONFLICT", "version"));
    assert_eq!(second["speaker"], first["speaker"], "and is shown what the first one left");
    let input = json!({ "segmentId": segment, "revision": 0, "speakerId": made["id"] });
    let fields = "segment { speaker { label version } }";
    let spoken = stage.mutate(guest, "editSegment", fields, input).await;
    assert_eq!(spoken["segment"]["speaker"], json!({ "label": "Ada", "version": 2 }));
    // Sent again under its key it isn't a conflict.
    let mut input = rename("Cho", 2);
    input["idempotencyKey"] = json!("k");
    let third = stage.mutate(guest, "renameSpeaker", SPEAKER, input.clone()).await;
    assert_eq!(third["speaker"]["version"], 3);
    assert_eq!(stage.mutate(guest, "renameSpeaker", SPEAKER, input).await, third);
}
