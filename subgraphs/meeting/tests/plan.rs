//! Planning a meeting and changing the plan.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Case, document, refusal};

#[tokio::test]
async fn who_plans_a_meeting_hosts_it() {
    let case = Case::new().await;
    let input = json!({
        "title": "  Weekly  ", "agenda": " numbers ", "scheduledAt": "2026-03-01T10:00:00+09:00",
        "participantIds": [case.guest.id, case.host.id, case.outsider.id, case.guest.id],
        "templateId": null, "language": "en-US",
    });

    let payload = case.mutate(&case.host, "createMeeting", input).await;

    assert_eq!(payload["userErrors"], json!([]));
    let meeting = &payload["meeting"];
    assert_eq!(meeting["title"], "Weekly");
    assert_eq!(meeting["agenda"], "numbers");
    assert_eq!(meeting["language"], "en");
    assert_eq!(meeting["status"], "SCHEDULED");
    assert_eq!(meeting["scheduledAt"], "2026-03-01T01:00:00+00:00");
    assert_eq!(meeting["version"], 1);
    assert_eq!(meeting["host"]["id"], case.host.id.to_string());
    assert_eq!(
        meeting["participants"],
        json!([
            { "user": { "id": case.host.id }, "role": "HOST" },
            { "user": { "id": case.guest.id }, "role": "ATTENDEE" },
            { "user": { "id": case.outsider.id }, "role": "ATTENDEE" },
        ])
    );
    assert_eq!(meeting["template"]["key"], "general");
    let id: Uuid = meeting["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
}

#[tokio::test]
async fn a_title_is_enough_even_if_nobody_else_can_be_asked() {
    let case = Case::alone().await;
    let payload = case.mutate(&case.host, "createMeeting", json!({ "title": "Solo" })).await;
    assert_eq!(payload["meeting"]["participants"].as_array().unwrap().len(), 1);
    assert_eq!(payload["meeting"]["scheduledAt"], Value::Null);
}

#[tokio::test]
async fn bad_input_is_told_field_by_field() {
    let case = Case::new().await;
    let long = "x".repeat(201);
    let book = "x".repeat(20_001);
    let many: Vec<Uuid> = (0..201).map(|_| Uuid::now_v7()).collect();
    let table = [
        ("title", json!(" "), "INVALID_TITLE"),
        ("title", json!("two\nlines"), "INVALID_TITLE"),
        ("title", json!(long), "INVALID_TITLE"),
        ("agenda", json!(book), "INVALID_AGENDA"),
        ("language", json!("fr"), "INVALID_LANGUAGE"),
        ("templateId", json!("general"), "TEMPLATE_NOT_FOUND"),
        ("templateId", json!(Uuid::now_v7()), "TEMPLATE_NOT_FOUND"),
        ("participantIds", json!(["not a UUID"]), "UNKNOWN_PARTICIPANT"),
        ("participantIds", json!([case.guest.id, Uuid::now_v7()]), "UNKNOWN_PARTICIPANT"),
        ("participantIds", json!(many), "TOO_MANY_PARTICIPANTS"),
        ("idempotencyKey", json!(""), "INVALID_IDEMPOTENCY_KEY"),
    ];
    for (field, value, code) in table {
        let mut input = json!({ "title": "T" });
        input[field] = value;
        let payload = case.mutate(&case.host, "createMeeting", input).await;
        assert_eq!(refusal(&payload), (code, Some(field)));
    }
    assert!(case.told().await.is_empty(), "nothing was created");
}

#[tokio::test]
async fn while_nobody_can_say_who_exists_nothing_is_created() {
    let case = Case::alone().await;
    let input = json!({ "input": { "title": "T", "participantIds": [case.guest.id] } });
    let answer = case.caller.answer(&case.host.identity, &document("createMeeting"), input).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "SUBREQUEST_HTTP_ERROR");
    assert!(error["message"].as_str().unwrap().contains("try again"), "{error}");
    assert!(case.told().await.is_empty());
}

#[tokio::test]
async fn the_same_key_gives_the_same_meeting() {
    let case = Case::new().await;
    let create = async |who, key: &str, title: &str| {
        let input = json!({ "title": title, "idempotencyKey": key });
        let payload = case.mutate(who, "createMeeting", input).await;
        payload["meeting"]["id"].as_str().unwrap().to_owned()
    };

    let tries = (0..4).map(|_| create(&case.host, "one", "Once"));
    let ids: HashSet<String> = join_all(tries).await.into_iter().collect();

    assert_eq!(ids.len(), 1);
    let first = ids.into_iter().next().unwrap();
    assert_ne!(create(&case.host, "two", "Other").await, first);
    assert_ne!(create(&case.guest, "one", "Of somebody else").await, first);
    assert_eq!(case.told_kinds().await, ["created.v1", "created.v1", "created.v1"]);

    sqlx::query("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
        .execute(&case.kernel.pool)
        .await
        .unwrap();
    assert_ne!(create(&case.host, "one", "A day later").await, first);
}

#[tokio::test]
async fn the_plan_changes_until_the_end_and_nobody_overwrites_anybody() {
    let case = Case::new().await;
    let id = case.planned().await;
    let update = async |input: Value| {
        let mut input = input;
        input["meetingId"] = json!(id);
        case.mutate(&case.host, "updateMeeting", input).await
    };

    let first = update(json!({ "version": 1, "title": "New", "agenda": "A" })).await;
    assert_eq!(first["meeting"]["title"], "New");
    assert_eq!(first["meeting"]["version"], 2);

    let late = update(json!({ "version": 1, "title": "Mine" })).await;
    assert_eq!(refusal(&late), ("VERSION_CONFLICT", Some("version")));
    assert_eq!(refusal(&update(json!({ "title": "" })).await), ("INVALID_TITLE", Some("title")));

    let second = update(json!({ "agenda": "" })).await;
    assert_eq!(second["meeting"]["agenda"], Value::Null);
    assert_eq!(second["meeting"]["title"], "New");

    case.step("cancelMeeting", &id).await;
    let closed = update(json!({ "title": "Too late" })).await;
    assert_eq!(refusal(&closed), ("ILLEGAL_STATUS", Some("meetingId")));
}

#[tokio::test]
async fn templates_come_in_both_languages() {
    let case = Case::alone().await;
    let query = "query($l: String) {
        meetingTemplates(language: $l) { id key name description sections { key title } } }";
    let korean = case.data(&case.host.identity, query, json!({})).await;
    let english = case.data(&case.host.identity, query, json!({ "l": "en" })).await;
    let korean = korean["meetingTemplates"].as_array().unwrap();
    let english = english["meetingTemplates"].as_array().unwrap();
    let keys: Vec<&str> = korean.iter().map(|t| t["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["general", "scrum", "kickoff", "weekly"]);
    for (korean, english) in korean.iter().zip(english) {
        assert_eq!(korean["id"], english["id"]);
        assert_ne!(korean["name"], english["name"]);
        let input = json!({ "title": "T", "templateId": korean["id"] });
        let payload = case.mutate(&case.host, "createMeeting", input).await;
        assert_eq!(payload["meeting"]["template"]["key"], korean["key"]);
    }
}

#[tokio::test]
async fn a_key_that_a_process_of_the_version_before_wrote_gives_its_answer() {
    let case = Case::new().await;
    let planned = case.planned().await;
    // As that version writes it
    sqlx::query(
        "INSERT INTO idempotency_keys (viewer_id, mutation, key, answer_id)
         VALUES ($1, 'createMeeting', 'old', $2::uuid) ON CONFLICT DO NOTHING",
    )
    .bind(case.host.id)
    .bind(&planned)
    .execute(&case.kernel.pool)
    .await
    .expect("the view takes it");
    let input = json!({ "title": "Stand-up", "idempotencyKey": "old" });
    let payload = case.mutate(&case.host, "createMeeting", input).await;
    assert_eq!(payload["meeting"]["id"], planned, "{payload}");
}
