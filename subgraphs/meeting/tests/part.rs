//! Recordings that come in parts while the meeting runs.

use chrono::{TimeDelta, Utc};
use meeting::{
    domain::part::{MAX_PART_BYTES, PARTS_GRACE_MS},
    meeting::Meetings,
};
use serde_json::{Value, json};

use crate::{
    harness::{Case, Person, configuration, refusal},
    upload::{put_bytes, send_bytes},
};

const PART_UPLOADED: &str = "moim.recording.partUploaded.v1";
const CLOSED: &str = "moim.recording.closed.v1";
const ENDED: &str = "moim.meeting.ended.v1";

fn part(id: &str, sequence: i32) -> Value {
    let content_type = "audio/webm;codecs=opus";
    json!({ "meetingId": id, "sequence": sequence, "contentType": content_type, "sizeBytes": 4 })
}

async fn request(case: &Case, who: &Person, input: Value) -> Value {
    case.mutate(who, "requestRecordingPartUpload", input).await
}

/// Asks for a part of the host's and sends it.
async fn send(case: &Case, id: &str, sequence: i32) -> Value {
    let asked = request(case, &case.host, part(id, sequence)).await;
    assert_eq!(asked["userErrors"], json!([]), "{asked}");
    put_bytes(&asked["upload"], b"part").await;
    asked
}

/// The data of the events of a kind, oldest first.
async fn told(case: &Case, kind: &str) -> Vec<Value> {
    let all = case.told().await;
    all.into_iter().filter(|(told, _)| told == kind).map(|(_, data)| data).collect()
}

async fn recording(case: &Case, id: &str) -> Value {
    let query = "query($id: ID!) { meeting(id: $id) { recordings { id status isParted sizeBytes
        missingParts closedAt parts(first: 2) { nodes { sequence startMs status } pageInfo { hasNextPage } } } } }";
    let mut data = case.data(&case.host.identity, query, json!({ "id": id })).await;
    let recordings = data["meeting"]["recordings"].take();
    assert_eq!(recordings.as_array().unwrap().len(), 1, "{recordings}");
    recordings[0].clone()
}

#[tokio::test]
async fn parts_come_in_any_order_and_repeated_ones_are_the_same() {
    let case = Case::new().await;
    let id = case.started().await;

    // When parts come out of order, and one is asked for again before and after its file is there
    send(&case, &id, 2).await;
    let first = request(&case, &case.host, part(&id, 0)).await;
    let again = request(&case, &case.host, part(&id, 0)).await;
    assert_eq!(again["part"]["id"], first["part"]["id"]);
    put_bytes(&again["upload"], b"part").await;
    let there = request(&case, &case.host, part(&id, 0)).await;
    assert_eq!(there["userErrors"], json!([]));
    assert_eq!((&there["part"]["status"], &there["upload"]), (&json!("UPLOADED"), &Value::Null));
    assert_eq!(send_bytes(&first["upload"], b"part").await.code(), (409, "ALREADY_UPLOADED"));

    // Then each is told once, and the gap is seen
    let parts = told(&case, PART_UPLOADED).await;
    let places: Vec<i64> = parts.iter().map(|part| part["sequence"].as_i64().unwrap()).collect();
    assert_eq!(places, [2, 0]);
    let now = recording(&case, &id).await;
    assert_eq!(now["missingParts"], json!([1]));
    assert_eq!((&now["isParted"], &now["sizeBytes"]), (&json!(true), &json!(8)));
    assert_eq!(now["parts"]["nodes"][1]["sequence"], 2);
    assert_eq!(now["status"], "PENDING");

    // And when the last one is there, the end makes it whole at once, without naming it
    send(&case, &id, 1).await;
    let ended = case.step("endMeeting", &id).await;
    assert_eq!(ended["meeting"]["status"], "ENDED");
    let ends = told(&case, ENDED).await;
    assert_eq!((&ends[0]["recordingId"], &ends[0]["recordingParted"]), (&now["id"], &json!(true)));
    let closed = told(&case, CLOSED).await;
    assert_eq!(closed.len(), 1);
    assert_eq!((&closed[0]["partCount"], &closed[0]["missingParts"]), (&json!(3), &json!([])));
    let kinds: Vec<String> = case.told().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(&kinds[kinds.len() - 2..], [ENDED, CLOSED]);
    let now = recording(&case, &id).await;
    assert_eq!((&now["status"], &now["sizeBytes"]), (&json!("UPLOADED"), &json!(12)));
    assert_eq!(now["parts"]["pageInfo"]["hasNextPage"], true);

    // And that is final
    let late = request(&case, &case.host, part(&id, 3)).await;
    assert_eq!(refusal(&late), ("RECORDING_CLOSED", Some("meetingId")));
    let named = json!({ "meetingId": id, "recordingId": now["id"] });
    assert_eq!(case.mutate(&case.host, "endMeeting", named).await, ended);
}

#[tokio::test]
async fn missing_parts_are_waited_for_and_then_told() {
    let case = Case::new().await;
    let id = case.started().await;
    send(&case, &id, 0).await;
    let asked = request(&case, &case.host, part(&id, 1)).await;
    let meetings = Meetings::new(case.kernel.clone(), configuration());

    // Given a meeting that ends while a part is on its way, and one more was announced
    let input = json!({ "meetingId": id, "partCount": 3 });
    assert_eq!(case.mutate(&case.host, "endMeeting", input).await["userErrors"], json!([]));
    assert_eq!(meetings.close_due(Utc::now()).await.unwrap(), 0);
    put_bytes(&asked["upload"], b"part").await;
    assert_eq!(told(&case, PART_UPLOADED).await.len(), 2, "it still counts");
    assert_eq!(told(&case, CLOSED).await, Vec::<Value>::new());
    let last = request(&case, &case.host, part(&id, 2)).await;
    assert_eq!(last["userErrors"], json!([]), "also asking for it");

    // When it doesn't come in time
    let late = Utc::now() + TimeDelta::milliseconds(PARTS_GRACE_MS);
    assert_eq!(meetings.close_due(late).await.unwrap(), 1);
    assert_eq!(meetings.close_due(late).await.unwrap(), 0);

    // Then it is told to be missing, once, and is taken no more
    let closed = told(&case, CLOSED).await;
    assert_eq!((&closed[0]["partCount"], &closed[0]["missingParts"]), (&json!(3), &json!([2])));
    assert_eq!(closed.len(), 1);
    assert_eq!(send_bytes(&last["upload"], b"part").await.code(), (409, "UPLOAD_LATE"));
    assert_eq!(recording(&case, &id).await["missingParts"], json!([2]));
}

#[tokio::test]
async fn who_sends_what_where_is_checked() {
    let case = Case::new().await;
    let planned = case.planned().await;
    let refused = request(&case, &case.host, part(&planned, 0)).await;
    assert_eq!(refusal(&refused), ("ILLEGAL_STATUS", Some("meetingId")));
    let id = case.started().await;
    let outsider = request(&case, &case.outsider, part(&id, 0)).await;
    assert_eq!(refusal(&outsider), ("MEETING_NOT_FOUND", Some("meetingId")));
    let with = |name: &str, value: Value| {
        let mut input = part(&id, 5);
        input[name] = value;
        input
    };
    let first = request(&case, &case.guest, with("startMs", json!(50_000))).await;
    assert_eq!(first["userErrors"], json!([]), "everybody who takes part may");
    let at = |sequence: i32, start_ms: i64| {
        let mut input = part(&id, sequence);
        input["startMs"] = json!(start_ms);
        input
    };
    for (input, expected) in [
        (part(&id, 5), ("SEQUENCE_TAKEN", Some("sequence"))),
        (part(&id, -1), ("INVALID_SEQUENCE", Some("sequence"))),
        (part(&id, 2_000), ("INVALID_SEQUENCE", Some("sequence"))),
        (at(4, 50_000), ("INVALID_START", Some("startMs"))),
        (at(6, 50_000), ("INVALID_START", Some("startMs"))),
        (at(6, -1), ("INVALID_START", Some("startMs"))),
        (with("sizeBytes", json!(0)), ("SEQUENCE_TAKEN", Some("sequence"))),
    ] {
        assert_eq!(refusal(&request(&case, &case.host, input).await), expected);
    }
    for (name, value, expected) in [
        ("sizeBytes", json!(0), ("RECORDING_EMPTY", Some("sizeBytes"))),
        ("sizeBytes", json!(MAX_PART_BYTES + 1), ("RECORDING_TOO_LARGE", Some("sizeBytes"))),
        ("contentType", json!("text/plain"), ("UNSUPPORTED_MEDIA_TYPE", Some("contentType"))),
    ] {
        assert_eq!(refusal(&request(&case, &case.guest, with(name, value)).await), expected);
    }
    let count = json!({ "meetingId": id, "partCount": 0 });
    let refused = case.mutate(&case.host, "endMeeting", count).await;
    assert_eq!(refusal(&refused), ("INVALID_PART_COUNT", Some("partCount")));
    // A part is no recording to end with.
    let with = json!({ "meetingId": id, "recordingId": first["part"]["id"] });
    let refused = case.mutate(&case.host, "endMeeting", with).await;
    assert_eq!(refusal(&refused), ("RECORDING_NOT_FOUND", Some("recordingId")));
}

#[tokio::test]
async fn the_same_key_is_the_same_part() {
    let case = Case::new().await;
    let id = case.started().await;
    let mut input = part(&id, 0);
    input["idempotencyKey"] = json!("one");
    let first = request(&case, &case.host, input.clone()).await;
    input["sequence"] = json!(7);
    let again = request(&case, &case.host, input).await;
    assert_eq!(again["part"], first["part"]);
    put_bytes(&again["upload"], b"part").await;
}

#[tokio::test]
async fn parts_of_a_meeting_that_is_over_otherwise_are_refused() {
    let case = Case::new().await;

    // Of one that is called off
    let id = case.started().await;
    let asked = request(&case, &case.host, part(&id, 0)).await;
    case.step("cancelMeeting", &id).await;
    assert_eq!(send_bytes(&asked["upload"], b"part").await.code(), (409, "ILLEGAL_STATUS"));
    let refused = request(&case, &case.host, part(&id, 1)).await;
    assert_eq!(refusal(&refused), ("ILLEGAL_STATUS", Some("meetingId")));

    // And of one that ended with another recording
    let id = case.started().await;
    let asked = request(&case, &case.host, part(&id, 0)).await;
    let whole = json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 4 });
    let whole = case.request(&case.host, whole).await;
    put_bytes(&whole["upload"], b"else").await;
    let with = json!({ "meetingId": id, "recordingId": whole["recording"]["id"] });
    case.mutate(&case.host, "endMeeting", with).await;
    assert_eq!(send_bytes(&asked["upload"], b"part").await.code(), (409, "UPLOAD_LATE"));
    let refused = request(&case, &case.host, part(&id, 1)).await;
    assert_eq!(refusal(&refused), ("RECORDING_CLOSED", Some("meetingId")));
    assert_eq!(told(&case, PART_UPLOADED).await, Vec::<Value>::new());
    assert_eq!(told(&case, CLOSED).await, Vec::<Value>::new());
}
