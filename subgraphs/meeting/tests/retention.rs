//! How long the files of recordings are kept.

use chrono::{DateTime, TimeDelta, Utc};
use meeting::{Config, meeting::Meetings};
use platform::config::Values;
use serde_json::{Value, json};

use crate::{
    harness::{Case, refusal},
    upload::{put_bytes, send_bytes},
};

const DELETED: &str = "moim.recording.deleted.v1";

/// The meetings of an installation that keeps files for so long.
fn keeping(case: &Case, retention: &str) -> Meetings {
    let values = Values::new().with("MOIM_RECORDINGS_RETENTION", retention);
    Meetings::new(case.kernel.clone(), Config::from(&values).unwrap())
}

fn after(days: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(days)
}

/// Looks twice: objects go a little later than their rows.
async fn look(meetings: &Meetings, now: DateTime<Utc>) -> usize {
    let first = meetings.delete_due(now).await.unwrap();
    first + meetings.delete_due(now + TimeDelta::minutes(5)).await.unwrap()
}

/// An ended meeting with a recording, and the key of its object.
async fn recorded(case: &Case) -> (String, Value, String) {
    let id = case.started().await;
    let input = json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 4 });
    let asked = case.request(&case.host, input).await;
    put_bytes(&asked["upload"], b"file").await;
    let recording = asked["recording"]["id"].clone();
    let with = json!({ "meetingId": id, "recordingId": recording });
    case.mutate(&case.host, "endMeeting", with).await;
    let key = format!("recordings/{id}/{}", recording.as_str().unwrap());
    (id, recording, key)
}

async fn seen(case: &Case, id: &str) -> Value {
    let query = "query($id: ID!) { meeting(id: $id) { recordingRetentionDays
        recordings { status expiresAt deletedAt uploadedAt } } }";
    case.data(&case.host.identity, query, json!({ "id": id })).await["meeting"].take()
}

async fn is_there(case: &Case, key: &str) -> bool {
    case.kernel.objects.size(key).await.unwrap().is_some()
}

async fn told(case: &Case) -> usize {
    case.told().await.iter().filter(|(kind, _)| kind == DELETED).count()
}

#[tokio::test]
async fn files_are_kept_unless_somebody_says_otherwise() {
    let case = Case::new().await;
    let (id, _, key) = recorded(&case).await;
    assert_eq!(look(&keeping(&case, "keep"), after(3_650)).await, 0);
    assert!(is_there(&case, &key).await);
    assert_eq!(seen(&case, &id).await["recordings"][0]["expiresAt"], Value::Null);

    let month = keeping(&case, "30d");
    assert_eq!(look(&month, after(29)).await, 0);
    assert!(is_there(&case, &key).await);
    assert_eq!(look(&month, after(31)).await, 1);
    assert!(!is_there(&case, &key).await);
    let now = seen(&case, &id).await;
    assert_eq!(now["recordings"][0]["status"], "DELETED");
    assert!(now["recordings"][0]["deletedAt"].is_string());
    assert!(now["recordings"][0]["uploadedAt"].is_string(), "it had been there");
    assert_eq!(look(&month, after(32)).await, 0);
    assert_eq!(told(&case).await, 1, "it is told once");
}

#[tokio::test]
async fn a_host_may_want_them_deleted_sooner() {
    let case = Case::new().await;
    let (id, recording, key) = recorded(&case).await;
    let set = async |days: Value| {
        let input = json!({ "meetingId": id, "days": days });
        case.mutate(&case.host, "setRecordingRetention", input).await
    };
    assert_eq!(refusal(&set(json!(0)).await), ("INVALID_RETENTION", Some("days")));
    let input = json!({ "meetingId": id, "days": 7 });
    let guest = case.mutate(&case.guest, "setRecordingRetention", input).await;
    assert_eq!(refusal(&guest), ("NOT_HOST", Some("meetingId")));
    assert_eq!(set(json!(7)).await["userErrors"], json!([]));
    let now = seen(&case, &id).await;
    assert_eq!(now["recordingRetentionDays"], 7);
    let expires = now["recordings"][0]["expiresAt"].as_str().unwrap();
    let expires: DateTime<Utc> = expires.parse().unwrap();
    assert!((expires - after(7)).num_minutes().abs() < 5);

    // The installation's time is the longest.
    assert_eq!(look(&keeping(&case, "5d"), after(4)).await, 0);
    assert_eq!(look(&keeping(&case, "keep"), after(6)).await, 0);
    assert!(is_there(&case, &key).await);
    assert_eq!(look(&keeping(&case, "keep"), after(8)).await, 1);
    assert!(!is_there(&case, &key).await);
    let again = json!({ "meetingId": id, "recordingId": recording });
    let same = case.mutate(&case.host, "endMeeting", again).await;
    assert_eq!(same["userErrors"], json!([]), "it has ended with it");
}

#[tokio::test]
async fn no_meeting_ends_with_what_is_deleted() {
    let case = Case::new().await;
    let id = case.started().await;
    case.step("endMeeting", &id).await;
    let input = json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 4 });
    let asked = case.request(&case.host, input).await;
    put_bytes(&asked["upload"], b"file").await;
    assert_eq!(look(&keeping(&case, "1h"), after(1)).await, 1);
    let with = json!({ "meetingId": id, "recordingId": asked["recording"]["id"] });
    let refused = case.mutate(&case.host, "endMeeting", with).await;
    assert_eq!(refusal(&refused), ("RECORDING_DELETED", Some("recordingId")));
}

#[tokio::test]
async fn parts_go_with_their_recording() {
    let case = Case::new().await;
    let id = case.started().await;
    for sequence in 0..2 {
        let input = json!({ "meetingId": id, "sequence": sequence, "contentType": "audio/wav", "sizeBytes": 4 });
        let asked = case.mutate(&case.host, "requestRecordingPartUpload", input).await;
        put_bytes(&asked["upload"], b"part").await;
    }
    let month = keeping(&case, "30d");
    assert_eq!(look(&month, after(31)).await, 0, "the meeting runs");
    case.step("endMeeting", &id).await;
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT object_key FROM recordings WHERE part_of IS NOT NULL")
            .fetch_all(&case.kernel.pool)
            .await
            .unwrap();
    assert_eq!(look(&month, after(31)).await, 2);
    for key in keys {
        assert!(!is_there(&case, &key).await);
    }
    assert_eq!(told(&case).await, 1);
}

#[tokio::test]
async fn a_process_that_dies_between_row_and_object_leaves_nothing_behind() {
    let case = Case::new().await;
    let (_, _, key) = recorded(&case).await;
    let month = keeping(&case, "30d");
    // The row is written; the object would go a little later, by another process.
    assert_eq!(month.delete_due(after(31)).await.unwrap(), 0);
    assert!(is_there(&case, &key).await);
    // One that died behind the object left the row as it was.
    case.kernel.objects.delete(&key).await.unwrap();
    let other = keeping(&case, "30d");
    assert_eq!(other.delete_due(after(32)).await.unwrap(), 1);
    assert_eq!(other.delete_due(after(33)).await.unwrap(), 0);
    assert_eq!(told(&case).await, 1);
}

#[tokio::test]
async fn uploads_that_never_came_are_given_up() {
    let case = Case::new().await;
    let id = case.started().await;
    let input = json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 4 });
    let asked = case.request(&case.host, input.clone()).await;
    // Left behind by a process that died between the last byte and the database.
    let recording = asked["recording"]["id"].as_str().unwrap();
    let key = format!("recordings/{id}/{recording}");
    case.kernel.objects.put(&key, b"left".to_vec()).await.unwrap();
    let kept = case.request(&case.host, input).await;
    put_bytes(&kept["upload"], b"file").await;

    let meetings = keeping(&case, "keep");
    assert_eq!(look(&meetings, Utc::now() + TimeDelta::minutes(90)).await, 0);
    assert_eq!(look(&meetings, after(1)).await, 1);
    assert!(!is_there(&case, &key).await);
    assert_eq!(send_bytes(&asked["upload"], b"file").await.code(), (410, "UPLOAD_EXPIRED"));
    let statuses = seen(&case, &id).await;
    let statuses: Vec<&Value> =
        statuses["recordings"].as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!(statuses, ["DELETED", "UPLOADED"]);
}
