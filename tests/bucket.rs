//! Recordings and texts in a bucket instead of a folder.

use crate::kit::{SOON, component, eventually, instance::Place, story};
use serde_json::json;
use stack::bucket::Bucket;

/// Given an installation whose objects are in a bucket, when a meeting is recorded and ends, then its recording becomes
/// minutes and its tasks find the text; the folder of objects isn't made; operators see whether the bucket answers.
#[tokio::test]
async fn a_meeting_becomes_minutes_by_way_of_a_bucket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bucket = Bucket::start(folder.path()).expect("an S3 server");
    let mut place = Place::new();
    for (name, value) in bucket.variables() {
        place.set(name, &value);
    }
    let moim = place.up().await;
    let checked = place.run_through(&["check"]).await;
    assert!(checked.lines().any(|line| line == "ok    object storage"), "{checked}");
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording = story::upload(&host.client, &meeting, "audio/wav", story::few_words()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;

    story::minutes(&host.client, &meeting).await;
    // The ai service reads the text as an object of its own.
    let ask = "mutation ($input: RequestSummaryInput!) { requestSummary(input: $input) { userErrors { code } } }";
    host.client.send(ask, json!({ "input": { "meetingId": meeting } })).await.ok();
    eventually("a summary", SOON, || async {
        let answer = host.client.send(SUMMARY, json!({ "id": meeting })).await.ok();
        answer.data("/meeting").pointer("/summary/overview").map(drop)
    })
    .await;
    assert!(!place.data().join("objects").exists(), "nothing went into a folder");

    assert_eq!(component(&moim.client(), "meeting.objects").await, "UP");
    drop(bucket);
    eventually("operators see that the bucket is away", SOON, || async {
        let client = moim.client();
        let ready = client.get("/health/ready").await.status == 200;
        (ready && component(&client, "meeting.objects").await == "DEGRADED").then_some(())
    })
    .await;
    let checked = place.run_through(&["check"]).await;
    assert!(
        checked.lines().any(|line| line.starts_with("FAIL  object storage: it can't be reached")),
        "{checked}"
    );
}

const SUMMARY: &str = "query ($id: ID!) { meeting(id: $id) { summary { overview } } }";
