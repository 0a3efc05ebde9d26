//! Transcripts as files: in the answer, and behind a signed address.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::{belongs, eventually};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, Step, segment, viewer};

const EXPORT: &str =
    "query($m: ID!, $f: ExportFormat!) { exportTranscript(meetingId: $m, format: $f) {
    format fileName contentType sizeBytes content download { url expiresAt } } }";

fn spoken() -> Vec<Step> {
    vec![segment(0, 4_250, "We decided to ship."), segment(4_250, 6_000, "회의를 마칩니다.")]
}

async fn finished(stage: &Stage) -> Ended {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    ended
}

async fn export(stage: &Stage, who: Uuid, meeting: Uuid, format: &str) -> Value {
    let asked = json!({ "m": meeting, "f": format });
    stage.data(&viewer(who), EXPORT, asked).await["exportTranscript"].take()
}

/// Fetches an address: status, headers and body.
async fn fetch(stage: &Stage, url: &str) -> (StatusCode, http::HeaderMap, String) {
    let path = url.strip_prefix("http://127.0.0.1:4000").unwrap();
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = stage.service.routes().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn every_format_is_told_and_can_be_fetched() {
    let stage = Stage::new([spoken()]).await;
    let ended = finished(&stage).await;
    // Given that somebody edited a segment
    let ids = stage.segment_ids(ended.meeting).await;
    let input = json!({ "segmentId": ids[0], "revision": 0, "text": "We decided to wait." });
    stage.mutate(ended.host, "editSegment", "segment { id }", input).await;
    for (format, media, part) in [
        ("MARKDOWN", "text/markdown; charset=utf-8", "**00:00** We decided to wait."),
        (
            "SRT",
            "application/x-subrip; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:04,250\nWe decided to wait.\n\n2\n",
        ),
        (
            "WEBVTT",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n1\n00:00:00.000 --> 00:00:04.250\nWe decided to wait.\n\n2\n",
        ),
        ("JSON", "application/json", "\"text\": \"We decided to wait.\""),
    ] {
        // When it is exported, then the file holds what is there now
        let told = export(&stage, ended.host, ended.meeting, format).await;
        let content = told["content"].as_str().unwrap();
        assert!(content.contains(part), "{content}");
        assert!(content.contains("회의를 마칩니다."));
        assert_eq!(
            (&told["contentType"], &told["sizeBytes"]),
            (&json!(media), &json!(content.len()))
        );
        // and its address gives the same
        let (status, headers, body) =
            fetch(&stage, told["download"]["url"].as_str().unwrap()).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, content));
        assert_eq!(headers[header::CONTENT_TYPE], media);
        assert!(
            headers[header::CONTENT_DISPOSITION]
                .to_str()
                .unwrap()
                .starts_with("attachment; filename*=")
        );
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CACHE_CONTROL], "private, no-store");
    }
}

#[tokio::test]
async fn a_large_one_is_fetched_only() {
    let long = "word ".repeat(40_000);
    let stage = Stage::new([vec![segment(0, 1_000, &long)]]).await;
    let ended = finished(&stage).await;
    let told = export(&stage, ended.host, ended.meeting, "SRT").await;
    assert_eq!(told["content"], Value::Null);
    let (status, _, body) = fetch(&stage, told["download"]["url"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(json!(body.len()), told["sizeBytes"]);
}

#[tokio::test]
async fn only_readers_export_and_an_address_is_good_for_what_it_says() {
    let stage = Stage::new([spoken()]).await;
    let ended = finished(&stage).await;
    // An outsider gets what somebody gets who asks for what isn't there
    let outsider = Uuid::now_v7();
    assert_eq!(export(&stage, outsider, ended.meeting, "SRT").await, Value::Null);
    assert_eq!(export(&stage, outsider, Uuid::now_v7(), "SRT").await, Value::Null);
    let asked = json!({ "m": ended.meeting, "f": "SRT" });
    let answer = stage.ask(&Identity::Anonymous, EXPORT, asked).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    // Whom it is shared with exports, until that is taken back; the address too
    stage.named(outsider, "Somebody");
    let input = json!({ "meetingId": ended.meeting, "userIds": [outsider] });
    stage.mutate(ended.host, "shareTranscript", "meetingId", input).await;
    let shared = export(&stage, outsider, ended.meeting, "SRT").await;
    let shared = shared["download"]["url"].as_str().unwrap();
    assert_eq!(fetch(&stage, shared).await.0, StatusCode::OK);
    let input = json!({ "meetingId": ended.meeting, "userId": outsider });
    stage.mutate(ended.host, "unshareTranscript", "meetingId", input).await;
    assert_eq!(fetch(&stage, shared).await.0, StatusCode::NOT_FOUND);
    // and so is it with somebody who is removed
    let guest = Uuid::now_v7();
    let who = json!({ "userId": guest });
    stage.tell("moim.participant.added.v1", ended.meeting, who.clone()).await;
    eventually(DEADLINE, || belongs(&stage.kernel.pool, ended.meeting, guest)).await;
    let told = export(&stage, guest, ended.meeting, "SRT").await;
    let removed = told["download"]["url"].as_str().unwrap();
    assert_eq!(fetch(&stage, removed).await.0, StatusCode::OK);
    stage.tell("moim.participant.removed.v1", ended.meeting, who).await;
    eventually(DEADLINE, || async { fetch(&stage, removed).await.0 == StatusCode::NOT_FOUND })
        .await;

    // Nothing of an address can be changed
    let told = export(&stage, ended.host, ended.meeting, "SRT").await;
    let good = told["download"]["url"].as_str().unwrap().to_owned();
    let expires: chrono::DateTime<chrono::Utc> =
        told["download"]["expiresAt"].as_str().unwrap().parse().unwrap();
    let left = (expires - chrono::Utc::now()).to_std().unwrap();
    assert!(left <= Duration::from_secs(300) && left > Duration::from_secs(200), "{left:?}");
    let later = format!("expires={}", expires.timestamp() + 1);
    for (part, other) in [
        (".srt", ".json".to_owned()),
        (&*ended.host.to_string(), outsider.to_string()),
        (&*format!("expires={}", expires.timestamp()), later),
        ("signature=", "signature=00".to_owned()),
        (".srt", ".exe".to_owned()),
        ("?", "?x".to_owned()),
    ] {
        let forged = good.replacen(part, &other, 1);
        assert_ne!(forged, good);
        assert_eq!(fetch(&stage, &forged).await.0, StatusCode::FORBIDDEN, "{forged}");
    }
    assert_eq!(fetch(&stage, &good).await.0, StatusCode::OK);
}
