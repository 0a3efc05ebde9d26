//! The main job: an ended meeting becomes minutes, pushed live.

use crate::kit::{
    SOON, TRANSCRIBED,
    instance::Place,
    sse::Stream,
    story::{self, MEETING, MEETING_UPDATED, TASK_UPDATED, TRANSCRIPT_SEGMENTS},
    websocket::Socket,
};
use serde_json::json;
use std::path::Path;

/// Given a meeting in progress and its recording, when it is ended, then its three subscriptions push a snapshot,
/// the task's way to COMPLETED, the segments, and MINUTES_READY; and one query over three services shows it all.
#[tokio::test]
async fn an_ended_meeting_becomes_minutes_pushed_live() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let of_meeting = json!({ "meetingId": meeting });
    let mut updates = Stream::open(&host.client, MEETING_UPDATED, of_meeting.clone(), None).await;
    assert_eq!(updates.status, 200);
    let (_, snapshot) = updates.next_data(SOON).await;
    let snapshot = &snapshot["data"]["meetingUpdated"];
    assert_eq!(snapshot["type"], "SNAPSHOT");
    assert_eq!(snapshot["meeting"], json!({ "id": meeting, "status": "IN_PROGRESS" }));
    let token = host.client.token.as_deref().expect("logged in");
    let mut segments = Socket::open(&moim.base, token).await;
    segments.subscribe("s", TRANSCRIPT_SEGMENTS, of_meeting).await;
    let mut segments = segments.read_along();

    let recording =
        story::upload(&host.client, &meeting, "audio/wav", story::speech_recording()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;

    // meetingUpdated: the meeting's and the task's steps, until the minutes are there.
    let mut task = None;
    let mut statuses = Vec::new();
    let mut progress = Vec::new();
    loop {
        let (_, event) = updates.next_data(TRANSCRIBED).await;
        let event = &event["data"]["meetingUpdated"];
        assert!(event["type"].is_string(), "{event}");
        // Others' tasks wait for the text meanwhile.
        if let Some(id) = event["task"]["id"].as_str()
            && event["task"]["kind"] == "TRANSCRIPTION"
        {
            if task.is_none() {
                task = Some((id.to_owned(), watch_task(&host.client, id).await));
            }
            statuses.push(event["task"]["status"].as_str().expect("status").to_owned());
            progress.push(event["task"]["progress"].as_i64().expect("progress"));
        }
        if event["meeting"]["status"] == "MINUTES_READY" {
            break;
        }
    }
    statuses.dedup();
    assert!(
        statuses.ends_with(&["PROCESSING".into(), "COMPLETED".into()]),
        "the task goes its way: {statuses:?}"
    );
    assert!(progress.is_sorted(), "progress never falls: {progress:?}");
    assert!(progress.iter().any(|p| (1..100).contains(p)), "progress moves: {progress:?}");

    // taskUpdated: completes by itself after the final state.
    let (_, mut watched) = task.expect("a task was seen");
    let mut last = None;
    while let Some(event) = watched.next(TRANSCRIBED).await {
        if event.kind == "complete" {
            break;
        }
        last = Some(event.data["data"]["taskUpdated"]["task"].clone());
    }
    let last = last.expect("at least a snapshot");
    assert_eq!((&last["status"], &last["progress"]), (&json!("COMPLETED"), &json!(100)));

    // One query over user, meeting and transcript.
    let answer = host.client.send(MEETING, json!({ "id": meeting })).await.ok();
    let text = answer.text("/meeting/transcript/text");
    assert!(story::known_words(&text) >= 8, "the words are recognised: {text}");
    let sections = answer.data("/meeting/minutes/sections").as_array().expect("sections");
    assert_eq!(sections[0]["title"], "Overview", "in the language that was spoken");
    assert!(sections.iter().any(|s| s["body"].as_str().is_some_and(|b| !b.is_empty())));

    // transcriptSegments: each segment once, in order, the same as the query gives.
    let nodes = answer.data("/meeting/transcript/segments/nodes").as_array().expect("nodes");
    assert!(nodes.len() > 3, "{nodes:?}");
    for expected in nodes {
        let message = segments.next(SOON).await.expect("a segment");
        assert_eq!(message["type"], "next", "{message}");
        let segment = &message["payload"]["data"]["transcriptSegments"]["segment"];
        assert_eq!(segment["id"], expected["id"]);
        assert_eq!(segment["text"], expected["text"]);
        assert!(segment["startMs"].as_i64() < segment["endMs"].as_i64());
    }
    assert!(moim.stop().await, "it stops cleanly");
}

async fn watch_task(client: &crate::kit::client::Client, task: &str) -> Stream {
    Stream::open(client, TASK_UPDATED, json!({ "taskId": task }), None).await
}

/// Given a task that ended long ago, when a client subscribes to it, then it gets the final state and the end.
#[tokio::test]
async fn a_task_that_ended_before_is_still_reported() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording =
        story::upload(&host.client, &meeting, "audio/wav", b"this is no audio".to_vec()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    let task = story::transcription_task(&host.client, &meeting).await;
    crate::bad_input::failed_task(&host.client, &meeting).await;

    let mut stream = watch_task(&host.client, &task).await;

    let (_, event) = stream.next_data(SOON).await;
    let task = &event["data"]["taskUpdated"]["task"];
    assert_eq!(task["status"], "FAILED");
    assert_eq!(task["error"]["code"], "NOT_AUDIO");
    let end = stream.next(SOON).await.expect("an end");
    assert_eq!(end.kind, "complete");
}

/// Given recordings as a browser's recorder and a phone make them, when their meetings end, then both become minutes.
#[tokio::test]
async fn compressed_recordings_become_minutes_too() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    for (file, content_type) in
        [("live.webm", "audio/webm;codecs=opus"), ("speech.mp3", "audio/mpeg")]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("speech/tests/fixtures").join(file);
        let recording = std::fs::read(path).expect("the fixture is there");
        let meeting = story::started_meeting(&host.client, &[]).await;
        let recording = story::upload(&host.client, &meeting, content_type, recording).await;
        story::end_meeting(&host.client, &meeting, &recording).await;

        let minutes = story::minutes(&host.client, &meeting).await;

        let text = minutes["meeting"]["transcript"]["text"].as_str().expect("text");
        assert!(text.contains("the best of times"), "{file}: {text}");
    }
}
