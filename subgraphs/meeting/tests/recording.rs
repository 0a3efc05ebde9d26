//! Asking for an upload, and ending a meeting with a recording.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Case, refusal},
    upload::put_bytes,
};

fn wav(id: &str, size: i64) -> Value {
    json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": size })
}

#[tokio::test]
async fn a_running_meeting_takes_recordings_of_every_accepted_type() {
    let case = Case::new().await;
    let id = case.started().await;
    for content_type in [
        "audio/wav",
        "audio/x-wav",
        "audio/mpeg",
        "audio/mp4",
        "audio/x-m4a",
        "audio/webm",
        "audio/webm;codecs=opus",
        "Audio/WebM; codecs=opus",
        "video/webm",
        "audio/ogg",
        "audio/flac",
    ] {
        let input = json!({ "meetingId": id, "contentType": content_type, "sizeBytes": 10 });
        let payload = case.request(&case.host, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{content_type}");
        assert_eq!(payload["recording"]["status"], "PENDING");
        assert_eq!(payload["upload"]["method"], "PUT");
        let header = &payload["upload"]["headers"][0];
        assert_eq!(header["name"], "content-type");
        assert_eq!(header["value"], content_type.to_lowercase().replace(' ', ""));
    }
}

#[tokio::test]
async fn bad_input_is_told_field_by_field() {
    let case = Case::new().await;
    let id = case.started().await;
    for (content_type, size, expected) in [
        ("text/plain", 10, ("UNSUPPORTED_MEDIA_TYPE", Some("contentType"))),
        ("", 10, ("UNSUPPORTED_MEDIA_TYPE", Some("contentType"))),
        ("audio/wav;\r\nx: y", 10, ("UNSUPPORTED_MEDIA_TYPE", Some("contentType"))),
        ("audio/wav", 0, ("RECORDING_EMPTY", Some("sizeBytes"))),
        ("audio/wav", -5, ("RECORDING_EMPTY", Some("sizeBytes"))),
        ("audio/wav", 2_000_000_001, ("RECORDING_TOO_LARGE", Some("sizeBytes"))),
        ("audio/wav", 2_147_483_648_i64, ("RECORDING_TOO_LARGE", Some("sizeBytes"))),
    ] {
        let input = json!({ "meetingId": id, "contentType": content_type, "sizeBytes": size });
        assert_eq!(refusal(&case.request(&case.host, input).await), expected);
    }
}

#[tokio::test]
async fn a_meeting_takes_a_recording_while_it_runs_or_when_it_ended_without_one() {
    let case = Case::new().await;
    let illegal = ("ILLEGAL_STATUS", Some("meetingId"));

    let planned = case.planned().await;
    assert_eq!(refusal(&case.request(&case.host, wav(&planned, 1)).await), illegal);
    case.step("cancelMeeting", &planned).await;
    assert_eq!(refusal(&case.request(&case.host, wav(&planned, 1)).await), illegal);

    let ended = case.started().await;
    case.step("endMeeting", &ended).await;
    let payload = case.request(&case.host, wav(&ended, 3)).await;
    let recording = payload["recording"]["id"].clone();
    put_bytes(&payload["upload"], b"abc").await;
    let with = json!({ "meetingId": ended, "recordingId": recording });
    let payload = case.mutate(&case.host, "endMeeting", with.clone()).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(refusal(&case.request(&case.host, wav(&ended, 1)).await), illegal);

    // The second end told what the first one couldn't, and a third one tells nothing new.
    assert_eq!(case.mutate(&case.host, "endMeeting", with).await, payload);
    let told = case.told().await;
    let ends: Vec<&Value> =
        told.iter().filter(|(kind, _)| kind == "moim.meeting.ended.v1").map(|(_, d)| d).collect();
    assert_eq!(ends.len(), 2);
    assert_eq!(ends[0]["audioFileUrl"], Value::Null);
    assert_eq!(ends[1]["recordingId"], recording);
    assert_eq!(ends[0]["endTime"], ends[1]["endTime"]);
}

#[tokio::test]
async fn a_meeting_ends_with_its_own_uploaded_recording_only() {
    let case = Case::new().await;
    let (id, other) = (case.started().await, case.started().await);
    let mine = case.request(&case.guest, wav(&id, 4)).await;
    let second = case.request(&case.host, wav(&id, 4)).await;
    let theirs = case.request(&case.host, wav(&other, 4)).await;
    put_bytes(&theirs["upload"], b"else").await;
    let end = async |recording: &Value| {
        let input = json!({ "meetingId": id, "recordingId": recording });
        case.mutate(&case.host, "endMeeting", input).await
    };

    for unknown in [&theirs["recording"]["id"], &json!(Uuid::now_v7()), &json!("garbage")] {
        assert_eq!(refusal(&end(unknown).await), ("RECORDING_NOT_FOUND", Some("recordingId")));
    }
    let pending = end(&mine["recording"]["id"]).await;
    assert_eq!(refusal(&pending), ("RECORDING_NOT_UPLOADED", Some("recordingId")));
    put_bytes(&mine["upload"], b"mine").await;
    put_bytes(&second["upload"], b"more").await;
    let ended = end(&mine["recording"]["id"]).await;
    assert_eq!(ended["meeting"]["status"], "ENDED");
    assert_eq!(end(&mine["recording"]["id"]).await, ended, "ending twice is the same answer");
    assert_eq!(case.step("endMeeting", &id).await, ended, "also without naming it");
    let another = end(&second["recording"]["id"]).await;
    assert_eq!(refusal(&another), ("ILLEGAL_STATUS", Some("recordingId")));

    let (kind, data) = case.told().await.pop().unwrap();
    assert_eq!(kind, "moim.meeting.ended.v1");
    assert_eq!(data["recordingId"], mine["recording"]["id"]);
    let key = data["audioFileUrl"].as_str().unwrap();
    assert_eq!(key, format!("recordings/{id}/{}", data["recordingId"].as_str().unwrap()));
    assert_eq!(&case.kernel.objects.get(key, 100).await.unwrap()[..], b"mine");
}

#[tokio::test]
async fn the_same_key_gives_the_same_upload() {
    let case = Case::new().await;
    let id = case.started().await;
    let mut input = wav(&id, 4);
    input["idempotencyKey"] = json!("again");
    let first = case.request(&case.host, input.clone()).await;
    let second = case.request(&case.host, input).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_recordings_of_a_meeting_can_be_read() {
    let case = Case::new().await;
    let id = case.started().await;
    let uploaded = case.request(&case.host, wav(&id, 4)).await;
    put_bytes(&uploaded["upload"], b"done").await;
    case.request(&case.guest, wav(&id, 5)).await;
    let query = "query($id: ID!) { meeting(id: $id) {
        recordings { status contentType sizeBytes uploadedAt } } }";
    let data = case.data(&case.guest.identity, query, json!({ "id": id })).await;
    let recordings = data["meeting"]["recordings"].as_array().unwrap();
    assert_eq!(recordings[0]["status"], "UPLOADED");
    assert_ne!(recordings[0]["uploadedAt"], Value::Null);
    assert_eq!(recordings[1]["status"], "PENDING");
    assert_eq!(recordings[1]["sizeBytes"], 5);
    assert_eq!(case.told_kinds().await.last().unwrap(), "updated.v1");
}

#[tokio::test]
async fn a_meeting_holds_so_many_recordings_and_no_more() {
    let case = Case::new().await;
    let id = case.started().await;
    sqlx::query(
        "INSERT INTO recordings (id, meeting_id, requested_by, content_type, size_bytes,
                                 object_key, upload_expires_at)
         SELECT gen_random_uuid(), $1, $1, 'audio/wav', 1, n::text, now()
         FROM generate_series(1, 100) n",
    )
    .bind(id.parse::<Uuid>().unwrap())
    .execute(&case.kernel.pool)
    .await
    .unwrap();
    let payload = case.request(&case.host, wav(&id, 1)).await;
    assert_eq!(refusal(&payload), ("TOO_MANY_RECORDINGS", Some("meetingId")));
}
