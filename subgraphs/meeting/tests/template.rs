//! Templates of people's own.

use contract::event::kind;
use contract::testing::{tell, told};
use platform::{shutdown::Shutdown, testing::eventually};
use serde_json::{Value, json};

use crate::harness::{Case, DEADLINE, Person, refusal};

const LIST: &str = "{ meetingTemplates { id name builtIn version } }";

/// The templates that somebody sees besides the built-in ones, as `(name, version)`.
async fn own(case: &Case, who: &Person) -> Vec<(String, i64)> {
    let data = case.data(&who.identity, LIST, json!({})).await;
    let all = data["meetingTemplates"].as_array().unwrap().clone();
    let built_in = all.iter().filter(|one| one["builtIn"] == true).count();
    assert_eq!(built_in, 4, "and those come first");
    let told =
        |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["version"].as_i64().unwrap());
    all[built_in..].iter().map(told).collect()
}

fn retrospective() -> Value {
    json!({
        "name": " Retrospective ", "description": "After each sprint", "title": "Retro",
        "agenda": "What went well", "sections": [{ "title": "Went well" },
            { "title": "Decisions", "key": "decisions" }],
    })
}

async fn made(case: &Case, who: &Person) -> Value {
    let mut payload = case.mutate(who, "createMeetingTemplate", retrospective()).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["template"].take()
}

#[tokio::test]
async fn a_template_of_ones_own_is_made_changed_and_deleted_and_seen_by_nobody_else() {
    let case = Case::new().await;
    let template = made(&case, &case.host).await;
    assert_eq!(template["name"], "Retrospective");
    assert_eq!((&template["key"], &template["builtIn"]), (&json!("own"), &json!(false)));
    let sections = json!([{ "key": "section1", "title": "Went well" },
        { "key": "decisions", "title": "Decisions" }]);
    assert_eq!(template["sections"], sections);
    assert_eq!(own(&case, &case.host).await, [("Retrospective".to_owned(), 1)]);
    assert_eq!(own(&case, &case.guest).await, []);

    let update = |version: i32, name: &str| json!({ "templateId": template["id"], "version": version, "name": name, "agenda": "" });
    let changed = case.mutate(&case.host, "updateMeetingTemplate", update(1, "Retro 2")).await;
    assert_eq!(changed["template"]["version"], 2);
    assert_eq!(changed["template"]["agenda"], Value::Null, "an empty one is none");
    assert_eq!(changed["template"]["title"], "Retro", "what is left out stays");
    assert_eq!(own(&case, &case.host).await, [("Retro 2".to_owned(), 2)], "right away");
    let stale = case.mutate(&case.host, "updateMeetingTemplate", update(1, "Retro 3")).await;
    assert_eq!(refusal(&stale), ("VERSION_CONFLICT", Some("version")));

    let delete = json!({ "templateId": template["id"] });
    for (mutation, input) in
        [("updateMeetingTemplate", update(2, "Mine")), ("deleteMeetingTemplate", delete.clone())]
    {
        let refused = case.mutate(&case.guest, mutation, input).await;
        assert_eq!(refusal(&refused), ("TEMPLATE_NOT_FOUND", Some("templateId")));
    }
    let gone = case.mutate(&case.host, "deleteMeetingTemplate", delete.clone()).await;
    assert_eq!(gone["template"]["version"], 2);
    assert_eq!(own(&case, &case.host).await, []);
    let again = case.mutate(&case.host, "deleteMeetingTemplate", delete).await;
    assert_eq!(refusal(&again).0, "TEMPLATE_NOT_FOUND");
    let changes: Vec<Value> = told(&case.kernel)
        .await
        .into_iter()
        .filter(|(event, _)| event == kind::TEMPLATE_CHANGED)
        .map(|(_, data)| data["change"].clone())
        .collect();
    assert_eq!(changes, ["CREATED", "UPDATED", "DELETED"]);
}

#[tokio::test]
async fn a_meeting_keeps_its_template_as_it_was() {
    let case = Case::new().await;
    let template = made(&case, &case.host).await;
    let input = json!({ "templateId": template["id"], "participantIds": [case.guest.id] });
    let payload = case.mutate(&case.host, "createMeeting", input.clone()).await;
    let meeting = payload["meeting"].clone();
    assert_eq!(
        (&meeting["title"], &meeting["agenda"]),
        (&json!("Retro"), &json!("What went well"))
    );
    let named = json!({ "templateId": template["id"], "title": "Retro of May", "agenda": "May" });
    let payload = case.mutate(&case.host, "createMeeting", named).await;
    assert_eq!(payload["meeting"]["title"], "Retro of May");
    assert_eq!(payload["meeting"]["agenda"], "May");
    // Nobody else can follow it, and a title has to come from somewhere.
    let refused = case.mutate(&case.guest, "createMeeting", input).await;
    assert_eq!(refusal(&refused), ("TEMPLATE_NOT_FOUND", Some("templateId")));
    let refused = case.mutate(&case.host, "createMeeting", json!({})).await;
    assert_eq!(refusal(&refused), ("INVALID_TITLE", Some("title")));

    let change = json!({ "templateId": template["id"], "version": 1,
        "sections": [{ "title": "Something else" }] });
    case.mutate(&case.host, "updateMeetingTemplate", change).await;
    case.mutate(&case.host, "deleteMeetingTemplate", json!({ "templateId": template["id"] })).await;
    let id = meeting["id"].as_str().unwrap();
    let query = "query($id: ID!) { meeting(id: $id) {
        template { id name title version sections { key title } } } }";
    let data = case.data(&case.guest.identity, query, json!({ "id": id })).await;
    let sections = json!([{ "key": "section1", "title": "Went well" },
        { "key": "decisions", "title": "Decisions" }]);
    let kept = json!({ "id": template["id"], "name": "Retrospective", "title": null,
        "version": 1, "sections": sections });
    assert_eq!(data["meeting"]["template"], kept);
    case.step("startMeeting", id).await;
    case.step("endMeeting", id).await;
    let events = told(&case.kernel).await;
    let ended = events.iter().find(|(event, _)| event == kind::MEETING_ENDED).unwrap();
    assert_eq!(ended.1["templateSections"], sections, "what its minutes are made of");
}

#[tokio::test]
async fn what_a_template_may_not_be_is_told_field_by_field() {
    let case = Case::new().await;
    let long = |chars: usize| json!("x".repeat(chars));
    let many: Vec<Value> = (0..21).map(|n| json!({ "title": format!("S{n}") })).collect();
    let twice = json!([{ "title": "A", "key": "a" }, { "title": "B", "key": "a" }]);
    for (field, value, code) in [
        ("name", json!(" "), "INVALID_NAME"),
        ("name", long(101), "INVALID_NAME"),
        ("description", long(1_001), "INVALID_DESCRIPTION"),
        ("title", long(201), "INVALID_TITLE"),
        ("agenda", long(20_001), "INVALID_AGENDA"),
        ("sections", json!([]), "INVALID_SECTIONS"),
        ("sections", json!(many), "INVALID_SECTIONS"),
        ("sections", twice, "INVALID_SECTIONS"),
        ("sections", json!([{ "title": "A", "key": "a b" }]), "INVALID_SECTIONS"),
        ("sections", json!([{ "title": "" }]), "INVALID_SECTIONS"),
        ("idempotencyKey", json!(""), "INVALID_IDEMPOTENCY_KEY"),
    ] {
        let mut input = retrospective();
        input[field] = value;
        let refused = case.mutate(&case.host, "createMeetingTemplate", input).await;
        assert_eq!(refusal(&refused), (code, Some(field)));
    }
    let mut keyed = retrospective();
    keyed["idempotencyKey"] = json!("once");
    let first = case.mutate(&case.host, "createMeetingTemplate", keyed.clone()).await;
    let again = case.mutate(&case.host, "createMeetingTemplate", keyed).await;
    assert_eq!(first, again);
    for _ in 1..50 {
        made(&case, &case.host).await;
    }
    let refused = case.mutate(&case.host, "createMeetingTemplate", retrospective()).await;
    assert_eq!(refusal(&refused), ("TOO_MANY_TEMPLATES", None));
    assert_eq!(own(&case, &case.host).await.len(), 50);
}

#[tokio::test]
async fn with_the_account_its_templates_go() {
    let case = Case::new().await;
    let shutdown = Shutdown::default();
    case.service.work(&shutdown);
    made(&case, &case.host).await;
    assert_eq!(own(&case, &case.host).await.len(), 1, "and they are in the cache now");
    let gone = case.host.id;
    tell(&case.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    eventually(DEADLINE, async || own(&case, &case.host).await.is_empty()).await;
    assert!(shutdown.finish().await);
}
