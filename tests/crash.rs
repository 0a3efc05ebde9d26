//! The process is killed with -9; nothing is lost and nothing done twice.

use crate::kit::{
    SOON, TRANSCRIBED, eventually,
    instance::Place,
    sse::Stream,
    story::{self, TASKS, TRANSCRIPT_SEGMENTS},
};
use serde_json::json;
use std::collections::BTreeSet;

/// Given a transcription whose first segments are there, when the process is killed and started again, then the job
/// goes on, progress doesn't fall, and it finishes once: every segment stands once, in order, with one set of minutes.
#[tokio::test]
async fn a_killed_transcription_goes_on_and_finishes_once() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::ended_meeting(&host.client).await;
    let variables = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&host.client, TRANSCRIPT_SEGMENTS, variables.clone(), None).await;
    stream.next_data(TRANSCRIBED).await;
    let (cursor, _) = stream.next_data(TRANSCRIBED).await;
    let before = host.client.send(TASKS, json!({ "id": meeting })).await.ok();
    assert_eq!(before.data("/meeting/transcriptTasks/0/status"), "PROCESSING");
    moim.kill().await;

    let moim = place.up().await;
    let client = host.client.at(&moim.base);

    let after = client.send(TASKS, json!({ "id": meeting })).await.ok();
    let progress = |answer: &crate::kit::client::Answer| {
        answer.data("/meeting/transcriptTasks/0/progress").as_i64()
    };
    assert!(progress(&after) >= progress(&before));
    let minutes = story::minutes(&client, &meeting).await;
    let tasks = client.send(TASKS, json!({ "id": meeting })).await.ok();
    let tasks = tasks.data("/meeting/transcriptTasks").as_array().expect("tasks");
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["status"], "COMPLETED");
    assert_eq!(tasks[0]["attempts"], 2, "killed once, done by the second attempt");
    let nodes = minutes["meeting"]["transcript"]["segments"]["nodes"].as_array().expect("nodes");
    let starts: Vec<_> = nodes.iter().map(|n| n["startMs"].as_i64().expect("start")).collect();
    assert!(starts.is_sorted(), "{starts:?}");
    let texts: BTreeSet<_> = nodes.iter().map(|n| n["text"].as_str()).collect();
    assert_eq!(texts.len(), nodes.len(), "no segment is doubled: {nodes:?}");
    let text = minutes["meeting"]["transcript"]["text"].as_str().expect("text");
    assert!(story::known_words(text) >= 8, "{text}");

    // The client that was cut off resumes: the segments after its cursor, each once.
    let variables = json!({ "meetingId": meeting, "after": cursor });
    let mut stream = Stream::open(&client, TRANSCRIPT_SEGMENTS, variables, None).await;
    for expected in &nodes[2..] {
        let (_, event) = stream.next_data(SOON).await;
        assert_eq!(event["data"]["transcriptSegments"]["segment"]["id"], expected["id"]);
    }
}

/// Given an accepted end of a meeting, when the process is killed at once, then the work is done after the restart.
#[tokio::test]
async fn an_accepted_end_survives_a_kill_at_once() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording =
        story::upload(&host.client, &meeting, "audio/wav", b"this is no audio".to_vec()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    moim.kill().await;

    let moim = place.up().await;
    let client = host.client.at(&moim.base);

    eventually("the task ended", TRANSCRIBED, || async {
        let answer = client.send(TASKS, json!({ "id": meeting })).await.ok();
        let tasks = answer.data("/meeting/transcriptTasks").as_array()?.clone();
        let ended = tasks.len() == 1 && tasks[0]["status"] == "FAILED";
        ended.then_some(())
    })
    .await;
}
