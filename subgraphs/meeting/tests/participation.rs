//! Who comes to a meeting, who goes, and what follows.

use contract::event::kind;
use contract::testing::{tell, told};
use platform::{erasure::BATCH, shutdown::Shutdown, testing::eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Case, DEADLINE, Person, refusal};

async fn change(case: &Case, who: &Person, mutation: &str, input: Value) -> Value {
    case.mutate(who, mutation, input).await
}

fn people(payload: &Value) -> Vec<&str> {
    let list = payload["meeting"]["participants"].as_array().unwrap();
    list.iter().map(|one| one["user"]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_host_adds_and_removes_and_everybody_hears_of_it() {
    let case = Case::new().await;
    let id = case.planned().await;
    let (guest, newcomer) = (case.guest.id, case.outsider.id);
    let add = json!({ "meetingId": id, "participantIds": [newcomer, guest] });
    let added = change(&case, &case.host, "addParticipants", add.clone()).await;
    let expected = [case.host.id, guest, newcomer].map(|id| id.to_string());
    assert_eq!(people(&added), expected, "{added}");
    assert_eq!(added["meeting"]["version"], 2);
    // Again: nothing changes, nothing is told
    assert_eq!(change(&case, &case.host, "addParticipants", add).await["meeting"]["version"], 2);
    let seen = "query($id: ID!) { meeting(id: $id) { title } }";
    let data = case.data(&case.outsider.identity, seen, json!({ "id": id })).await;
    assert_eq!(data["meeting"]["title"], "Stand-up", "right away");

    let remove = json!({ "meetingId": id, "userId": newcomer });
    let removed = change(&case, &case.host, "removeParticipant", remove.clone()).await;
    assert_eq!(people(&removed), expected[..2], "{removed}");
    let data = case.data(&case.outsider.identity, seen, json!({ "id": id })).await;
    assert_eq!(data["meeting"], Value::Null, "at once");
    let again = change(&case, &case.host, "removeParticipant", remove).await;
    assert_eq!(refusal(&again), ("NOT_PARTICIPANT", Some("userId")));

    let kinds: Vec<String> = told(&case.kernel).await.into_iter().map(|(kind, _)| kind).collect();
    let expected = [
        kind::MEETING_CREATED,
        kind::PARTICIPANT_ADDED,
        // Before the removal itself: who goes hears of nothing after it.
        kind::ACCESS_REVOKED,
        kind::PARTICIPANT_REMOVED,
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let case = Case::new().await;
    let id = case.planned().await;
    let add = |who: Value| json!({ "meetingId": id, "participantIds": [who] });
    let remove = |who: Uuid| json!({ "meetingId": id, "userId": who });
    let newcomer = json!(case.outsider.id);
    for (who, code) in [(&case.guest, "NOT_HOST"), (&case.outsider, "MEETING_NOT_FOUND")] {
        let refused = change(&case, who, "addParticipants", add(newcomer.clone())).await;
        assert_eq!(refusal(&refused), (code, Some("meetingId")));
        let refused = change(&case, who, "removeParticipant", remove(case.guest.id)).await;
        assert_eq!(refusal(&refused), (code, Some("meetingId")));
    }
    let refused = change(&case, &case.host, "removeParticipant", remove(case.host.id)).await;
    assert_eq!(refusal(&refused), ("HOST_STAYS", Some("userId")));
    for nobody in [json!(Uuid::now_v7()), json!("garbage")] {
        let refused = change(&case, &case.host, "addParticipants", add(nobody)).await;
        assert_eq!(refusal(&refused), ("UNKNOWN_PARTICIPANT", Some("participantIds")));
    }
    case.step("cancelMeeting", &id).await;
    let refused = change(&case, &case.host, "addParticipants", add(newcomer)).await;
    assert_eq!(refusal(&refused), ("ILLEGAL_STATUS", Some("meetingId")));
}

#[tokio::test]
async fn with_a_deleted_account_its_meetings_go_to_others_or_are_called_off() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let shared = case.planned().await;
    let payload = case.mutate(&case.host, "createMeeting", json!({ "title": "Alone" })).await;
    let alone = payload["meeting"]["id"].as_str().unwrap().to_owned();

    let gone = case.host.id;
    tell(&case.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;

    let query =
        "query($id: ID!) { meeting(id: $id) { host { id } participants { user { id } role } } }";
    eventually(DEADLINE, async || {
        let data = case.data(&case.guest.identity, query, json!({ "id": shared })).await;
        let guest = json!(case.guest.id);
        data["meeting"]
            == json!({ "host": { "id": guest },
                "participants": [{ "user": { "id": guest }, "role": "HOST" }] })
    })
    .await;
    let data = case.data(&case.host.identity, "{ meetings { nodes { id } } }", json!({})).await;
    assert_eq!(data["meetings"]["nodes"], json!([]));
    let events = told(&case.kernel).await;
    let cancelled =
        events.iter().find(|(kind, _)| kind == contract::event::kind::MEETING_CANCELLED).unwrap();
    assert_eq!(cancelled.1["meetingId"], json!(alone));
    assert!(shutdown.finish().await);
}

#[tokio::test]
async fn somebody_of_many_meetings_leaves_them_batch_by_batch() {
    let case = Case::new().await;
    let mut meetings = Vec::new();
    for _ in 0..=2 * BATCH {
        meetings.push(case.planned().await);
    }
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let gone = case.guest.id;
    tell(&case.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    let scalar = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&case.kernel.pool).await.unwrap()
    };
    eventually(DEADLINE, async || {
        let noted = "SELECT count(*) FROM departed";
        let open = "SELECT count(*) FROM erasing";
        scalar(noted).await == 1 && scalar(open).await == 0
    })
    .await;
    let left = "SELECT count(*) FROM participants WHERE role = 'ATTENDEE'";
    assert_eq!(scalar(left).await, 0);
    let events = told(&case.kernel).await;
    let removed =
        events.iter().filter(|(kind, _)| kind == contract::event::kind::PARTICIPANT_REMOVED);
    let mut of: Vec<&str> = removed.map(|(_, data)| data["meetingId"].as_str().unwrap()).collect();
    of.sort_unstable();
    of.dedup();
    assert_eq!(of.len(), meetings.len(), "each meeting's people hear of it");
    let transactions = "SELECT count(DISTINCT xmin::text) FROM outbox
        WHERE body->>'type' = 'moim.participant.removed.v1' AND published_at IS NULL";
    let published = "SELECT count(*) FROM outbox
        WHERE body->>'type' = 'moim.participant.removed.v1' AND published_at IS NOT NULL";
    assert!(scalar(transactions).await + scalar(published).await >= 3);

    // What the last token is still used for leaves nothing behind.
    for (mutation, input) in [
        ("createMeeting", json!({ "title": "Late" })),
        ("createMeetingTemplate", json!({ "name": "Late", "sections": [{ "title": "S" }] })),
    ] {
        let refused = case.mutate(&case.guest, mutation, input).await;
        assert_eq!(refusal(&refused), ("NO_ACCOUNT", None));
    }
    let late = "SELECT (SELECT count(*) FROM meetings WHERE title = 'Late')
        + (SELECT count(*) FROM template)";
    assert_eq!(scalar(late).await, 0);
    assert!(shutdown.finish().await);
}

#[tokio::test]
async fn what_comes_after_a_meeting_is_seen_on_it() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    let id = case.started().await;
    case.step("endMeeting", &id).await;
    let meeting: Uuid = id.parse().unwrap();
    let query = "query($id: ID!) { meeting(id: $id) {
        version minutesVerifiedAt minutesSharedAt todoProgress { done total } } }";
    let state = async || {
        let data = case.data(&case.guest.identity, query, json!({ "id": id })).await;
        data["meeting"].clone()
    };
    let version = state().await["version"].clone();
    let about = |extra: Value| {
        let mut data = extra;
        data["meetingId"] = json!(meeting);
        data
    };
    for (event, done, total) in [
        (kind::TODO_CREATED, 0, 2),
        (kind::TODO_COMPLETED, 1, 2),
        (kind::TODO_STATUS_CHANGED, 1, 1),
    ] {
        let data = about(json!({ "meetingProgress": { "done": done, "total": total } }));
        tell(&case.kernel, event, meeting, Uuid::now_v7(), data).await;
        eventually(DEADLINE, async || {
            state().await["todoProgress"] == json!({ "done": done, "total": total })
        })
        .await;
    }
    for (event, field) in [
        (kind::TRANSCRIPT_VERIFIED, "minutesVerifiedAt"),
        (kind::TRANSCRIPT_SHARED, "minutesSharedAt"),
    ] {
        assert_eq!(state().await[field], Value::Null);
        tell(&case.kernel, event, meeting, Uuid::now_v7(), about(json!({}))).await;
        eventually(DEADLINE, async || state().await[field].is_string()).await;
    }
    assert_eq!(state().await["version"], version, "people's version is of what people edit");
    let events = told(&case.kernel).await;
    let changes: Vec<&str> = events
        .iter()
        .filter(|(kind, _)| kind == contract::event::kind::MEETING_UPDATED)
        .map(|(_, data)| data["change"].as_str().unwrap())
        .collect();
    let expected = ["TODO_PROGRESS", "TODO_PROGRESS", "TODO_PROGRESS"];
    assert_eq!(changes, [&expected[..], &["MINUTES_VERIFIED", "MINUTES_SHARED"]].concat());
    assert!(shutdown.finish().await);
}

#[tokio::test]
async fn who_is_invited_answers_and_the_host_counts() {
    let case = Case::new().await;
    let id = case.planned().await;
    let answer = async |who: &Person, response: &str, key: Value| {
        let input = json!({ "meetingId": id, "response": response, "idempotencyKey": key });
        change(&case, who, "respondToInvitation", input).await
    };
    let query = "query($id: ID!) { meeting(id: $id) { version
        participants { user { id } response respondedAt }
        responses { accepted declined tentative pending } } }";
    let state = async || {
        let data = case.data(&case.host.identity, query, json!({ "id": id })).await;
        data["meeting"].clone()
    };
    let counts = |accepted: i32, declined: i32, tentative: i32, pending: i32| json!({ "accepted": accepted, "declined": declined, "tentative": tentative, "pending": pending });
    let before = state().await;
    assert_eq!(before["responses"], counts(1, 0, 0, 1), "the host comes");
    assert_eq!(before["participants"][1]["respondedAt"], Value::Null);

    let answered = answer(&case.guest, "ACCEPTED", json!("first")).await;
    assert_eq!(answered["userErrors"], json!([]), "{answered}");
    assert_eq!(state().await["responses"], counts(2, 0, 0, 0), "right away");
    answer(&case.guest, "ACCEPTED", Value::Null).await;
    answer(&case.guest, "TENTATIVE", Value::Null).await;
    answer(&case.guest, "DECLINED", Value::Null).await;
    // A late repetition of the first answer undoes nothing.
    answer(&case.guest, "ACCEPTED", json!("first")).await;
    let after = state().await;
    assert_eq!(after["responses"], counts(1, 1, 0, 0));
    assert_eq!(after["participants"][1]["response"], "DECLINED");
    assert!(after["participants"][1]["respondedAt"].is_string());
    assert_eq!(after["version"], before["version"], "people's version is of what people edit");

    let events = told(&case.kernel).await;
    let responses: Vec<&str> = events
        .iter()
        .filter(|(kind, _)| kind == contract::event::kind::PARTICIPANT_RESPONDED)
        .map(|(_, data)| data["response"].as_str().unwrap())
        .collect();
    assert_eq!(responses, ["ACCEPTED", "TENTATIVE", "DECLINED"], "each change once");
}

#[tokio::test]
async fn nobody_answers_for_others_or_too_late() {
    let case = Case::new().await;
    let id = case.started().await;
    let input = json!({ "meetingId": id, "response": "ACCEPTED" });
    let refused = async |who: &Person| {
        let payload = change(&case, who, "respondToInvitation", input.clone()).await;
        let (code, field) = refusal(&payload);
        (code.to_owned(), field.map(str::to_owned))
    };
    let on = |code: &str| (code.to_owned(), Some("meetingId".to_owned()));
    assert_eq!(refused(&case.host).await, on("NOT_INVITED"));
    assert_eq!(refused(&case.outsider).await, on("MEETING_NOT_FOUND"));
    let keyed = json!({ "meetingId": id, "response": "ACCEPTED", "idempotencyKey": "" });
    let payload = change(&case, &case.guest, "respondToInvitation", keyed).await;
    assert_eq!(refusal(&payload).0, "INVALID_IDEMPOTENCY_KEY");
    // While it runs one may still answer; no more once it has ended.
    let payload = change(&case, &case.guest, "respondToInvitation", input.clone()).await;
    assert_eq!(payload["userErrors"], json!([]));
    case.step("endMeeting", &id).await;
    assert_eq!(refused(&case.guest).await, on("ILLEGAL_STATUS"));
    let id = case.planned().await;
    case.step("cancelMeeting", &id).await;
    let late = json!({ "meetingId": id, "response": "DECLINED" });
    let payload = change(&case, &case.guest, "respondToInvitation", late).await;
    assert_eq!(refusal(&payload), ("ILLEGAL_STATUS", Some("meetingId")));
}
