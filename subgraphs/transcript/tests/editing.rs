//! People mend what was recognised, and say who speaks.

use std::sync::Arc;

use contract::testing::told;
use futures::future::join_all;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::{Value, json};
use speech::SpeechError;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, Step, refusal, segment, viewer};

const SEGMENT: &str =
    "segment { id text revision editedAt editedBy { id } speaker { id label user { id } }
    revisions(first: 10) { nodes { revision text speakerLabel editedAt editedBy { id } } } }";
const SPEAKER: &str = "speaker { id label user { id } }";

fn spoken() -> Vec<Step> {
    vec![segment(0, 4_000, "Good mourning."), segment(4_000, 8_000, "We decided to ship in May.")]
}

/// A finished meeting and the ids of its segments.
async fn finished(stage: &Stage) -> (Ended, Vec<Uuid>) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let ids = stage.segment_ids(ended.meeting).await;
    (ended, ids)
}

async fn transcript(stage: &Stage, ended: Ended) -> Value {
    let fields = "transcript { id text speakers { label user { id } } segments { nodes { text revision speaker { label } } } }";
    let mut found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    found["transcript"].take()
}

#[tokio::test]
async fn an_edit_keeps_what_was_there() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    transcript(&stage, ended).await; // in the cache now
    let guest = Uuid::now_v7();
    stage.joins(ended.meeting, guest);
    // When one edits a segment, and then another, who saw that
    let input = json!({ "segmentId": ids[0], "revision": 0, "text": " Good \n morning. " });
    let first = stage.mutate(ended.host, "editSegment", SEGMENT, input).await;
    assert_eq!(first["userErrors"], json!([]), "{first}");
    // (typed in parts, as some keyboards do)
    let input =
        json!({ "segmentId": ids[0], "revision": 1, "text": "\u{110b}\u{1161}\u{11ab}녕하세요." });
    let second = stage.mutate(guest, "editSegment", SEGMENT, input).await;
    // Then it has the new words, and its history
    let segment = &second["segment"];
    assert_eq!((&segment["text"], &segment["revision"]), (&json!("안녕하세요."), &json!(2)));
    assert_eq!(segment["editedBy"]["id"], json!(guest));
    let history = segment["revisions"]["nodes"].as_array().unwrap();
    let brief: Vec<(&Value, &Value, &Value)> =
        history.iter().map(|one| (&one["revision"], &one["text"], &one["editedBy"])).collect();
    let host = json!({ "id": ended.host });
    assert_eq!(
        brief,
        [
            (&json!(1), &json!("Good morning."), &host),
            (&json!(0), &json!("Good mourning."), &Value::Null),
        ]
    );
    // and the transcript's text has followed, in the cache too
    let now = transcript(&stage, ended).await;
    assert_eq!(now["text"], "안녕하세요. We decided to ship in May.");
    // but the object that other services read is as it was recognised
    let object = stage.object(&format!("transcripts/{}.json", now["id"].as_str().unwrap())).await;
    assert_eq!(object["text"], "Good mourning. We decided to ship in May.");
    // And an edit that changes nothing is none
    let input = json!({ "segmentId": ids[0], "revision": 2, "text": "안녕하세요." });
    let same = stage.mutate(guest, "editSegment", SEGMENT, input).await;
    assert_eq!(same["segment"], second["segment"]);
    let told = told(&stage.kernel).await;
    let revisions: Vec<&Value> = told
        .iter()
        .filter(|(kind, _)| kind == "moim.segment.edited.v1")
        .map(|(_, data)| &data["revision"])
        .collect();
    assert_eq!(revisions, [1, 2]);
    let heard = stage.pushed(ended.meeting, "moim.segment.edited.v1").await;
    assert_eq!(heard.last().unwrap().changed["segment"]["id"], json!(ids[0]));
}

#[tokio::test]
async fn history_comes_in_pages() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    for revision in 0..5 {
        let text = format!("Version {revision}.");
        let input = json!({ "segmentId": ids[0], "revision": revision, "text": text });
        stage.mutate(ended.host, "editSegment", "segment { id }", input).await;
    }
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let fields = format!(
            "revisions(first: 2, after: {after}) {{ nodes {{ revision }} pageInfo {{ hasNextPage endCursor }} }}"
        );
        let page = stage.entity(&viewer(ended.host), "Segment", ids[0], &fields).await;
        let page = &page["revisions"];
        let nodes = page["nodes"].as_array().unwrap().clone();
        seen.extend(nodes.iter().map(|node| node["revision"].as_i64().unwrap()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, [4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn of_many_who_edit_at_once_one_wins() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    let edits = (0..8).map(|turn| {
        let input = json!({ "segmentId": ids[0], "revision": 0, "text": format!("Turn {turn}.") });
        stage.mutate(ended.host, "editSegment", SEGMENT, input)
    });
    let answers = join_all(edits).await;
    let (won, lost): (Vec<&Value>, Vec<&Value>) =
        answers.iter().partition(|answer| answer["userErrors"] == json!([]));
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_eq!(refusal(answer), ("VERSION_CONFLICT", "revision"));
        assert_eq!(answer["segment"], won[0]["segment"], "it is shown what the other wrote");
    }
}

#[tokio::test]
async fn a_transcription_that_goes_on_takes_no_edit_back() {
    // Given an engine that breaks after the first segment, and waits before it goes on
    let gate = Arc::new(Semaphore::new(0));
    let broken = vec![
        segment(0, 4_000, "Good mourning."),
        Step::Hold(gate.clone()),
        Step::Fail(|| SpeechError::Cancelled),
    ];
    let stage = Stage::new([broken, spoken()]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.segments_stored(ended.meeting, 1).await;
    // When somebody edits what is there in the meantime
    let ids = stage.segment_ids(ended.meeting).await;
    let input = json!({ "segmentId": ids[0], "revision": 0, "text": "Good morning." });
    let edited = stage.mutate(ended.host, "editSegment", SEGMENT, input).await;
    assert_eq!(edited["userErrors"], json!([]));
    assert_eq!(transcript(&stage, ended).await["text"], "Good morning.");
    gate.add_permits(1);
    // Then the next attempt leaves it
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let now = transcript(&stage, ended).await;
    assert_eq!(now["text"], "Good morning. We decided to ship in May.");
    assert_eq!(now["segments"]["nodes"][0]["revision"], 1);
}

#[tokio::test]
async fn speakers_are_named_and_are_people() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    let of = transcript(&stage, ended).await["id"].clone();
    let guest = Uuid::now_v7();
    stage.joins(ended.meeting, guest);
    // Given a speaker
    let input = json!({ "transcriptId": of, "label": " A voice " });
    let added = stage.mutate(ended.host, "addSpeaker", SPEAKER, input).await;
    assert_eq!(
        (&added["speaker"]["label"], &added["speaker"]["user"]),
        (&json!("A voice"), &Value::Null)
    );
    let speaker = added["speaker"]["id"].clone();
    // When somebody says that a segment is theirs
    let input = json!({ "segmentId": ids[1], "revision": 0, "speakerId": speaker });
    let edited = stage.mutate(guest, "editSegment", SEGMENT, input).await;
    assert_eq!(edited["segment"]["speaker"]["label"], "A voice");
    assert_eq!(edited["segment"]["text"], "We decided to ship in May.", "the words stay");
    // and who they are
    let input = json!({ "speakerId": speaker, "label": "지수", "userId": guest });
    let renamed = stage.mutate(guest, "renameSpeaker", SPEAKER, input.clone()).await;
    assert_eq!(
        renamed["speaker"],
        json!({ "id": speaker, "label": "지수", "user": { "id": guest } })
    );
    assert_eq!(stage.mutate(guest, "renameSpeaker", SPEAKER, input).await, renamed);
    // Then it is so wherever they speak
    let now = transcript(&stage, ended).await;
    assert_eq!(now["speakers"], json!([{ "label": "지수", "user": { "id": guest } }]));
    assert_eq!(now["segments"]["nodes"][1]["speaker"]["label"], "지수");
    // and nobody speaks again when somebody says so; the history has the name of then
    let input = json!({ "segmentId": ids[1], "revision": 1, "speakerId": null });
    let nobody = stage.mutate(guest, "editSegment", SEGMENT, input).await;
    assert_eq!(nobody["segment"]["speaker"], Value::Null);
    assert_eq!(nobody["segment"]["revisions"]["nodes"][0]["speakerLabel"], "지수");
    let told = told(&stage.kernel).await;
    let changes: Vec<&Value> = told
        .iter()
        .filter(|(kind, _)| kind == "moim.speaker.changed.v1")
        .map(|(_, data)| &data["change"])
        .collect();
    assert_eq!(changes, ["ADDED", "UPDATED"]);

    // And a deleted account leaves no name
    let who = json!({ "userId": guest });
    contract::testing::tell(&stage.kernel, "moim.user.deleted.v1", guest, guest, who).await;
    eventually(DEADLINE, || async {
        let fields = "editedBy { id } revisions { nodes { editedBy { id } } }";
        let segment = stage.entity(&viewer(ended.host), "Segment", ids[1], fields).await;
        let revisions = segment["revisions"]["nodes"].as_array().unwrap();
        segment["editedBy"].is_null()
            && revisions.iter().all(|one| one["editedBy"].is_null())
            && transcript(&stage, ended).await["speakers"][0]["user"].is_null()
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let stage = Stage::new([spoken()]).await;
    let (ended, ids) = finished(&stage).await;
    let of = transcript(&stage, ended).await["id"].clone();
    let host = ended.host;
    let a = stage
        .mutate(host, "addSpeaker", SPEAKER, json!({ "transcriptId": of, "label": "A" }))
        .await;
    let b = stage
        .mutate(host, "addSpeaker", SPEAKER, json!({ "transcriptId": of, "label": "B" }))
        .await;
    let (a, b) = (&a["speaker"]["id"], &b["speaker"]["id"]);
    // (a speaker of another meeting)
    let (other, _) = finished(&stage).await;
    let theirs = transcript(&stage, other).await["id"].clone();
    let input = json!({ "transcriptId": theirs, "label": "A" });
    let theirs =
        stage.mutate(other.host, "addSpeaker", SPEAKER, input).await["speaker"]["id"].clone();
    let stranger = Uuid::now_v7();
    let cases = [
        ("addSpeaker", json!({ "transcriptId": of, "label": "A" }), ("LABEL_TAKEN", "label")),
        ("addSpeaker", json!({ "transcriptId": of, "label": "" }), ("INVALID_LABEL", "label")),
        (
            "addSpeaker",
            json!({ "transcriptId": of, "label": "C", "userId": stranger }),
            ("INVALID_PERSON", "userId"),
        ),
        ("renameSpeaker", json!({ "speakerId": b, "label": "A" }), ("LABEL_TAKEN", "label")),
        (
            "renameSpeaker",
            json!({ "speakerId": b, "userId": stranger }),
            ("INVALID_PERSON", "userId"),
        ),
        (
            "renameSpeaker",
            json!({ "speakerId": theirs, "label": "X" }),
            ("SPEAKER_NOT_FOUND", "speakerId"),
        ),
        (
            "editSegment",
            json!({ "segmentId": ids[0], "revision": 0, "text": " " }),
            ("INVALID_TEXT", "text"),
        ),
        (
            "editSegment",
            json!({ "segmentId": ids[0], "revision": 0, "speakerId": theirs }),
            ("SPEAKER_NOT_FOUND", "speakerId"),
        ),
        (
            "editSegment",
            json!({ "segmentId": ids[0], "revision": 7, "text": "x" }),
            ("VERSION_CONFLICT", "revision"),
        ),
    ];
    for (mutation, input, expected) in cases {
        let fields = if mutation == "editSegment" { SEGMENT } else { SPEAKER };
        let answer = stage.mutate(host, mutation, fields, input).await;
        assert_eq!(refusal(&answer), expected);
    }
    // An outsider gets the answers that what doesn't exist gets
    let cases = [
        ("addSpeaker", "transcriptId", of.clone(), "TRANSCRIPT_NOT_FOUND"),
        ("renameSpeaker", "speakerId", a.clone(), "SPEAKER_NOT_FOUND"),
        ("editSegment", "segmentId", json!(ids[0]), "SEGMENT_NOT_FOUND"),
    ];
    for (mutation, field, id, code) in cases {
        for id in [id, json!(Uuid::now_v7()), json!("no id")] {
            let (mut input, fields) = match mutation {
                "editSegment" => (json!({ "revision": 0, "text": "x" }), SEGMENT),
                _ => (json!({ "label": "X" }), SPEAKER),
            };
            input[field] = id;
            let answer = stage.mutate(stranger, mutation, fields, input).await;
            assert_eq!(refusal(&answer), (code, field));
        }
    }
    assert_eq!(transcript(&stage, ended).await["segments"]["nodes"][0]["revision"], 0);
}
