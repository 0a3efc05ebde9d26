//! Every change can be sent again under its key: it is done once, and answered again.

use serde_json::{Value, json};

use crate::harness::{Case, refusal};

/// How many requests of a mutation are noted.
async fn noted(case: &Case, mutation: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM idempotency WHERE mutation = $1")
        .bind(mutation)
        .fetch_one(&case.kernel.pool)
        .await
        .unwrap()
}

async fn template(case: &Case) -> Value {
    let input = json!({ "name": "Own", "sections": [{ "title": "Notes" }] });
    let mut made = case.mutate(&case.host, "createMeetingTemplate", input).await;
    made["template"]["id"].take()
}

/// Sends a request, lets something else happen, and sends the same request again: it has no effect, and its
/// answer is how things are by then.
async fn repeat(case: &Case, name: &str, mut input: Value, meanwhile: Option<(&str, Value)>) {
    input["idempotencyKey"] = json!("k");
    let first = case.mutate(&case.host, name, input.clone()).await;
    assert_eq!(first["userErrors"], json!([]), "{name}: {first}");
    let expected = match meanwhile {
        Some((other, input)) => case.mutate(&case.host, other, input).await,
        None => first,
    };
    assert_eq!(expected["userErrors"], json!([]), "{name}: {expected}");
    let events = case.told().await.len();
    let again = case.mutate(&case.host, name, input.clone()).await;
    if name == "deleteMeetingTemplate" {
        assert_eq!(again, json!({ "template": null, "userErrors": [] }), "nothing is left of it");
    } else {
        assert_eq!(again, expected, "{name}");
    }
    assert_eq!(case.told().await.len(), events, "{name}: nothing is told again");
    assert_eq!(noted(case, name).await, 1, "{name}");
    for bad in [String::new(), "k".repeat(201), "\0".to_owned()] {
        input["idempotencyKey"] = json!(bad);
        let refused = case.mutate(&case.host, name, input.clone()).await;
        assert_eq!(refusal(&refused), ("INVALID_IDEMPOTENCY_KEY", Some("idempotencyKey")));
    }
}

#[tokio::test]
async fn what_is_sent_again_is_done_once_and_answered_again() {
    let case = Case::new().await;
    let (id, off, kept) = (case.planned().await, case.planned().await, case.started().await);
    let own = template(&case).await;
    let of = |id: &str| json!({ "meetingId": id });
    let version = |version: i32| json!({ "meetingId": id, "version": version, "title": "Daily" });
    let add = json!({ "meetingId": id, "participantIds": [case.outsider.id] });
    let remove = json!({ "meetingId": id, "userId": case.outsider.id });
    let mend =
        |version: i32, name: &str| json!({ "templateId": own, "version": version, "name": name });
    let steps = [
        ("createMeeting", json!({ "title": "Weekly" }), None),
        // Without the key: a conflict, or what was changed since is undone.
        (
            "updateMeeting",
            version(1),
            Some(("updateMeeting", json!({ "meetingId": id, "title": "X" }))),
        ),
        ("addParticipants", add.clone(), Some(("removeParticipant", remove.clone()))),
        ("startMeeting", of(&id), Some(("endMeeting", of(&id)))),
        ("endMeeting", of(&kept), None),
        ("cancelMeeting", of(&off), None),
        (
            "setRecordingRetention",
            json!({ "meetingId": id, "days": 3 }),
            Some(("setRecordingRetention", json!({ "meetingId": id, "days": 5 }))),
        ),
        (
            "createMeetingTemplate",
            json!({ "name": "Other", "sections": [{ "title": "Notes" }] }),
            None,
        ),
        (
            "updateMeetingTemplate",
            mend(1, "Mine"),
            Some(("updateMeetingTemplate", mend(2, "Ours"))),
        ),
        ("deleteMeetingTemplate", json!({ "templateId": own, "version": 3 }), None),
    ];
    for (name, input, meanwhile) in steps {
        repeat(&case, name, input, meanwhile).await;
    }
    let days =
        sqlx::query_scalar("SELECT recording_retention_days FROM meetings WHERE id::text = $1");
    let days: i32 = days.bind(&id).fetch_one(&case.kernel.pool).await.unwrap();
    assert_eq!(days, 5, "the late repetition undid nothing");

    // Somebody comes, goes under a key, and comes back: the key takes them out no second time.
    let running = case.started().await;
    let (mut add, mut remove) = (add, remove);
    (add["meetingId"], remove["meetingId"]) = (json!(running), json!(running));
    case.mutate(&case.host, "addParticipants", add.clone()).await;
    repeat(&case, "removeParticipant", remove, Some(("addParticipants", add))).await;
}

#[tokio::test]
async fn a_key_is_of_one_thing_and_of_what_was_done() {
    let case = Case::new().await;
    let (one, other) = (case.planned().await, case.planned().await);
    // Refused: nothing was done, so that it is tried again.
    let rename = |version: i32| json!({ "meetingId": one, "version": version, "title": "Daily", "idempotencyKey": "k" });
    let refused = case.mutate(&case.host, "updateMeeting", rename(7)).await;
    assert_eq!(refusal(&refused), ("VERSION_CONFLICT", Some("version")));
    let mended = case.mutate(&case.host, "updateMeeting", rename(1)).await;
    assert_eq!(mended["meeting"]["title"], "Daily", "{mended}");
    // What changed nothing is done too: repeated after the end, it isn't illegal.
    case.step("startMeeting", &other).await;
    let start = json!({ "meetingId": other, "idempotencyKey": "late" });
    let started = case.mutate(&case.host, "startMeeting", start.clone()).await;
    assert_eq!(started["meeting"]["status"], "IN_PROGRESS");
    case.step("endMeeting", &other).await;
    let again = case.mutate(&case.host, "startMeeting", start).await;
    assert_eq!(again["meeting"]["status"], "ENDED", "{again}");
    // Another meeting, another person: another request.
    for id in [&one, &case.planned().await] {
        let input = json!({ "meetingId": id, "idempotencyKey": "same" });
        let payload = case.mutate(&case.host, "startMeeting", input).await;
        assert_eq!(
            (&payload["meeting"]["id"], &payload["meeting"]["status"]),
            (&json!(id), &json!("IN_PROGRESS"))
        );
        let input = json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 3,
            "idempotencyKey": "same" });
        let upload = case.request(&case.host, input).await;
        assert_eq!(upload["userErrors"], json!([]));
    }
    let add = json!({ "meetingId": one, "participantIds": [case.outsider.id] });
    case.mutate(&case.host, "addParticipants", add).await;
    for (who, left) in [(case.outsider.id, 2), (case.guest.id, 1)] {
        let input = json!({ "meetingId": one, "userId": who, "idempotencyKey": "same" });
        let payload = case.mutate(&case.host, "removeParticipant", input).await;
        assert_eq!(payload["meeting"]["participants"].as_array().unwrap().len(), left);
    }
    // Of two at once one is done.
    let end = json!({ "meetingId": one, "idempotencyKey": "end" });
    let (first, second) = tokio::join!(
        case.mutate(&case.host, "endMeeting", end.clone()),
        case.mutate(&case.host, "endMeeting", end),
    );
    assert_eq!(first, second);
    let ended = case.told_kinds().await.iter().filter(|kind| *kind == "ended.v1").count();
    assert_eq!(ended, 2);
}

#[tokio::test]
async fn who_has_gone_meanwhile_is_answered_as_before() {
    let case = Case::new().await;
    let id = case.planned().await;
    let input =
        json!({ "meetingId": id, "participantIds": [case.outsider.id], "idempotencyKey": "k" });
    let first = case.mutate(&case.host, "addParticipants", input.clone()).await;
    case.users(&[&case.host]);
    assert_eq!(case.mutate(&case.host, "addParticipants", input).await, first);
}
