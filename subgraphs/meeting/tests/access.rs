//! Every path is closed to those who don't take part.

use platform::identity::Identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Case, Person, document, refusal, service};

const MUTATIONS: [&str; 5] =
    ["updateMeeting", "startMeeting", "endMeeting", "cancelMeeting", "requestRecordingUpload"];

fn input(mutation: &str, id: &str) -> Value {
    match mutation {
        "requestRecordingUpload" => {
            json!({ "meetingId": id, "contentType": "audio/wav", "sizeBytes": 1 })
        }
        _ => json!({ "meetingId": id }),
    }
}

#[tokio::test]
async fn to_an_outsider_a_meeting_does_not_exist() {
    let case = Case::new().await;
    let id = case.started().await;
    let nowhere = Uuid::now_v7().to_string();
    let who = &case.outsider;

    let query = "query($id: ID!) { meeting(id: $id) { id } }";
    let entities =
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on Meeting { title } } }";
    for id in [&id, &nowhere, "garbage"] {
        let data = case.data(&who.identity, query, json!({ "id": id })).await;
        assert_eq!(data["meeting"], Value::Null);
        let r = json!({ "r": [{ "__typename": "Meeting", "id": id }] });
        let data = case.data(&who.identity, entities, r).await;
        assert_eq!(data["_entities"], json!([null]));
        for mutation in MUTATIONS {
            let payload = case.mutate(who, mutation, input(mutation, id)).await;
            assert_eq!(
                refusal(&payload),
                ("MEETING_NOT_FOUND", Some("meetingId")),
                "{mutation} of {id}"
            );
        }
    }
    let data = case.data(&who.identity, "{ meetings { nodes { id } } }", json!({})).await;
    assert_eq!(data["meetings"]["nodes"], json!([]));
    assert_eq!(case.status(&id).await, "IN_PROGRESS");
}

#[tokio::test]
async fn all_who_take_part_as_one_see_their_meeting_and_do_nothing() {
    let case = Case::new().await;
    let (id, other) = (case.started().await, case.started().await);
    let all = Identity::Group { id: id.parse().expect("an id") };
    let query =
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on Meeting { id title } } }";
    let meeting = |id: &str| json!({ "__typename": "Meeting", "id": id });
    let data = case.data(&all, query, json!({ "r": [meeting(&id), meeting(&other)] })).await;
    assert_eq!(data["_entities"][0]["id"], json!(id));
    assert_eq!(data["_entities"][1], Value::Null);
    for mutation in MUTATIONS {
        let variables = json!({ "input": input(mutation, &id) });
        let code = case.code(&all, &document(mutation), variables).await;
        assert_eq!(code, "UNAUTHENTICATED", "{mutation}");
    }
    let code = case.code(&all, "{ meetings { nodes { id } } }", json!({})).await;
    assert_eq!(code, "UNAUTHENTICATED");
}

#[tokio::test]
async fn nothing_goes_without_a_log_in() {
    let case = Case::new().await;
    let id = case.started().await;
    for query in [
        format!("{{ meeting(id: \"{id}\") {{ id }} }}"),
        "{ meetings { nodes { id } } }".to_owned(),
        format!(
            "{{ _entities(representations: [{{ __typename: \"Meeting\", id: \"{id}\" }}]) {{ __typename }} }}"
        ),
    ] {
        assert_eq!(case.code(&Identity::Anonymous, &query, json!({})).await, "UNAUTHENTICATED");
    }
    for mutation in MUTATIONS {
        let variables = json!({ "input": input(mutation, &id) });
        let code = case.code(&Identity::Anonymous, &document(mutation), variables).await;
        assert_eq!(code, "UNAUTHENTICATED", "{mutation}");
    }
    let variables = json!({ "input": { "title": "T" } });
    let code = case.code(&Identity::Anonymous, &document("createMeeting"), variables).await;
    assert_eq!(code, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_guest_reads_but_does_not_lead() {
    let case = Case::new().await;
    let id = case.started().await;
    let query = "query($id: ID!) { meeting(id: $id) { title participants { role } } }";
    let data = case.data(&case.guest.identity, query, json!({ "id": id })).await;
    assert_eq!(data["meeting"]["title"], "Stand-up");
    for mutation in ["updateMeeting", "startMeeting", "endMeeting", "cancelMeeting"] {
        let payload = case.mutate(&case.guest, mutation, input(mutation, &id)).await;
        assert_eq!(refusal(&payload), ("NOT_HOST", Some("meetingId")), "{mutation}");
    }
    let upload = case.request(&case.guest, input("requestRecordingUpload", &id)).await;
    assert_ne!(upload["recording"]["id"], Value::Null, "but may send a recording");
}

#[tokio::test]
async fn entities_are_checked_one_by_one() {
    let case = Case::new().await;
    let shared = case.planned().await;
    let payload = case.mutate(&case.host, "createMeeting", json!({ "title": "Private" })).await;
    let private = payload["meeting"]["id"].as_str().unwrap();
    let r = json!({ "r": [
        { "__typename": "Meeting", "id": private },
        { "__typename": "Meeting", "id": shared },
    ] });
    let query =
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on Meeting { title } } }";
    // Twice: from the database, then from the cache.
    for _ in 0..2 {
        let ask = async |who: &Identity| case.data(who, query, r.clone()).await["_entities"].take();
        let (private, shared) = (json!({ "title": "Private" }), json!({ "title": "Stand-up" }));
        assert_eq!(ask(&case.guest.identity).await, json!([null, shared]));
        assert_eq!(ask(&case.host.identity).await, json!([private, shared]));
        assert_eq!(ask(&service()).await, json!([private, shared]));
    }
}

#[tokio::test]
async fn services_ask_who_takes_part_and_nobody_else_does() {
    let case = Case::new().await;
    let id = case.planned().await;
    let query = "query($m: ID!, $u: ID!) { participates(meetingId: $m, userId: $u) }";
    let ask = async |meeting: &str, user: &str| {
        let data = case.data(&service(), query, json!({ "m": meeting, "u": user })).await;
        data["participates"].as_bool().unwrap()
    };
    // Right after the meeting was created.
    assert!(ask(&id, &case.host.id.to_string()).await);
    assert!(ask(&id, &case.guest.id.to_string()).await);
    assert!(!ask(&id, &case.outsider.id.to_string()).await);
    assert!(!ask(&Uuid::now_v7().to_string(), &case.host.id.to_string()).await);
    assert!(!ask("garbage", "garbage").await);
    let variables = json!({ "m": id, "u": case.host.id });
    for who in [&case.host.identity, &Identity::Anonymous] {
        assert_eq!(case.code(who, query, variables.clone()).await, "FORBIDDEN");
    }
}

#[tokio::test]
async fn ones_meetings_come_page_by_page_newest_first() {
    let case = Case::new().await;
    let mut titles = Vec::new();
    for i in 0..5 {
        let input = json!({ "title": format!("M{i}"), "participantIds": [case.guest.id] });
        case.mutate(&case.host, "createMeeting", input).await;
        titles.insert(0, format!("M{i}"));
    }
    let others = Person::new();
    case.mutate(&others, "createMeeting", json!({ "title": "Elsewhere" })).await;

    let query = "query($after: String) { meetings(first: 2, after: $after) {
        nodes { title } edges { cursor } pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let data = case.data(&case.guest.identity, query, json!({ "after": after })).await;
        let page = &data["meetings"];
        let nodes = page["nodes"].as_array().unwrap();
        seen.extend(nodes.iter().map(|node| node["title"].as_str().unwrap().to_owned()));
        pages += 1;
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, titles);
    assert_eq!(pages, 3);
    for bad in
        ["{ meetings(first: 101) { nodes { id } } }", "{ meetings(after: \"x\") { nodes { id } } }"]
    {
        assert_eq!(case.code(&case.host.identity, bad, json!({})).await, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn ones_meetings_are_found_by_what_they_are() {
    let case = Case::new().await;
    let plans = [
        ("Sprint 100%", Some("2030-01-07T01:00:00Z")),
        ("스프린트 회고", Some("2030-02-01T01:00:00Z")),
        ("Sprint review", None),
    ];
    let mut ids = Vec::new();
    for (title, scheduled_at) in plans {
        let input = json!({ "title": title, "scheduledAt": scheduled_at, "participantIds": [case.guest.id] });
        let created = case.mutate(&case.host, "createMeeting", input).await;
        ids.push(created["meeting"]["id"].clone());
    }
    case.mutate(&case.host, "cancelMeeting", json!({ "meetingId": ids[2] })).await;
    case.mutate(&case.guest, "createMeeting", json!({ "title": "The guest's own sprint" })).await;
    let others = Person::new();
    case.mutate(&others, "createMeeting", json!({ "title": "Another's sprint" })).await;

    let query = "query($filter: MeetingFilter, $after: String) {
        meetings(first: 1, filter: $filter, after: $after) {
            nodes { title } pageInfo { hasNextPage endCursor } } }";
    let found = async |filter: Value| {
        let (mut titles, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({ "filter": filter, "after": after });
            let page = case.data(&case.guest.identity, query, variables).await;
            let page = &page["meetings"];
            titles
                .extend(page["nodes"].as_array().unwrap().iter().map(|node| node["title"].clone()));
            if page["pageInfo"]["hasNextPage"] == false {
                break Value::Array(titles);
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    };
    let all = json!(["The guest's own sprint", "Sprint review", "스프린트 회고", "Sprint 100%"]);
    assert_eq!(found(Value::Null).await, all);
    assert_eq!(found(json!({})).await, all);
    assert_eq!(found(json!({ "status": ["CANCELLED", "ENDED"] })).await, json!(["Sprint review"]));
    assert_eq!(found(json!({ "status": [] })).await, json!([]));
    assert_eq!(found(json!({ "role": "HOST" })).await, json!(["The guest's own sprint"]));
    let sprint = found(json!({ "search": " sPRINT ", "role": "ATTENDEE" })).await;
    assert_eq!(sprint, json!(["Sprint review", "Sprint 100%"]));
    assert_eq!(found(json!({ "search": "0%" })).await, json!(["Sprint 100%"]));
    // However its letters are put together.
    let apart = "\u{1109}\u{1173}\u{1111}\u{1173}\u{1105}\u{1175}\u{11ab}\u{1110}\u{1173}";
    assert_eq!(found(json!({ "search": apart })).await, json!(["스프린트 회고"]));
    let february = json!({ "scheduledFrom": "2030-02-01T01:00:00Z", "scheduledBefore": "2030-03-01T00:00:00Z" });
    assert_eq!(found(february).await, json!(["스프린트 회고"]));
    let before = json!({ "scheduledBefore": "2030-02-01T01:00:00Z" });
    assert_eq!(found(before).await, json!(["Sprint 100%"]));
    let long = "{ meetings(filter: { search: \"".to_owned()
        + &"x".repeat(101)
        + "\" }) { nodes { id } } }";
    assert_eq!(case.code(&case.host.identity, &long, json!({})).await, "BAD_USER_INPUT");
}
