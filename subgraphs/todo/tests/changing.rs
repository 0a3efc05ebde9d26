//! Making todos, changing them, moving them on.

use contract::testing::told;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, refusal, viewer};

#[tokio::test]
async fn ones_own_todo_goes_its_way() {
    let stage = Stage::idle().await;
    let who = Uuid::now_v7();
    let input = json!({ "title": "  Buy milk ", "priority": "HIGH", "idempotencyKey": "k" });
    let made = stage.create(who, input.clone()).await;
    assert_eq!((&made["title"], &made["status"]), (&json!("Buy milk"), &json!("OPEN")));
    assert_eq!((&made["assignee"]["id"], &made["meeting"]), (&json!(who), &Value::Null));
    // The same key gives the same answer
    assert_eq!(stage.create(who, input).await["id"], made["id"]);

    let id = &made["id"];
    for (status, version) in [("IN_PROGRESS", 2), ("DONE", 3), ("DONE", 3)] {
        let input = json!({ "todoId": id, "status": status });
        let moved = stage.mutate(who, "setTodoStatus", input).await;
        assert_eq!(moved["todo"]["status"], status, "{moved}");
        assert_eq!(moved["todo"]["version"], version);
    }
    let back = stage.mutate(who, "setTodoStatus", json!({ "todoId": id, "status": "OPEN" })).await;
    assert_eq!(refusal(&back), ("ILLEGAL_STATUS", "status"));
    let late = json!({ "todoId": id, "version": 3, "title": "Buy bread" });
    assert_eq!(refusal(&stage.mutate(who, "updateTodo", late).await), ("ILLEGAL_STATUS", "todoId"));

    // and it is in one's list
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { todos(first: 20) { nodes { title status } } } } }";
    let r = json!({ "r": [{ "__typename": "User", "id": who }] });
    let listed = stage.caller.data(&viewer(who), query, r.clone()).await;
    let nodes = json!([{ "title": "Buy milk", "status": "DONE" }]);
    assert_eq!(listed["_entities"][0]["todos"]["nodes"], nodes);
    // which nobody else sees
    let others = stage.caller.data(&viewer(Uuid::now_v7()), query, r).await;
    assert_eq!(others["_entities"][0]["todos"], Value::Null);

    // Each step was told: for other services, and live to the owner
    let kinds: Vec<String> = told(&stage.kernel).await.into_iter().map(|(kind, _)| kind).collect();
    let expected = ["created", "statusChanged", "statusChanged", "completed"];
    let expected: Vec<String> = expected
        .iter()
        .flat_map(|verb| [format!("moim.todo.{verb}.v1"), format!("moim.todo.{verb}.v1")])
        .collect();
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn of_two_who_change_at_once_the_second_is_told() {
    let stage = Stage::idle().await;
    let (host, guest, meeting) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, host);
    stage.meetings.joins(meeting, guest);
    let made = stage.create(host, json!({ "title": "Report", "meetingId": meeting })).await;
    assert_eq!(made["assignee"], Value::Null, "a meeting's todo is for nobody in particular");
    let change = |title: &str, assignee: Value| {
        json!({
            "todoId": made["id"], "version": 1, "title": title, "assigneeId": assignee,
            "dueAt": "2026-12-01T00:00:00Z",
        })
    };
    let first = stage.mutate(host, "updateTodo", change("Report to Ada", json!(guest))).await;
    assert_eq!(first["todo"]["assignee"]["id"], json!(guest), "{first}");
    let second = stage.mutate(guest, "updateTodo", change("Report to Bob", json!(host))).await;
    assert_eq!(refusal(&second), ("VERSION_CONFLICT", "version"));
    // null takes away, left out stays
    let clear = json!({ "todoId": made["id"], "version": 2, "assigneeId": null, "dueAt": null });
    let cleared = stage.mutate(host, "updateTodo", clear).await["todo"].take();
    assert_eq!((&cleared["assignee"], &cleared["dueAt"]), (&Value::Null, &Value::Null));
    assert_eq!(cleared["title"], "Report to Ada");
    let events = told(&stage.kernel).await;
    let changed = |(kind, data): &&(String, Value)| {
        kind == "moim.todo.updated.v1" && data["assigneeChanged"] == true
    };
    assert_eq!(events.iter().filter(changed).count(), 4, "each time live to whom it concerns too");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_name() {
    let stage = Stage::idle().await;
    let (who, other, meeting) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, who);
    for (input, code, field) in [
        (json!({ "title": " " }), "INVALID_TITLE", "title"),
        (json!({ "title": "a\nb" }), "INVALID_TITLE", "title"),
        (json!({ "title": "t", "description": "\0" }), "INVALID_DESCRIPTION", "description"),
        (json!({ "title": "t", "meetingId": "?" }), "MEETING_NOT_FOUND", "meetingId"),
        (json!({ "title": "t", "meetingId": Uuid::now_v7() }), "MEETING_NOT_FOUND", "meetingId"),
        (json!({ "title": "t", "assigneeId": other }), "INVALID_ASSIGNEE", "assigneeId"),
        (
            json!({ "title": "t", "meetingId": meeting, "assigneeId": other }),
            "INVALID_ASSIGNEE",
            "assigneeId",
        ),
        (
            json!({ "title": "t", "idempotencyKey": "" }),
            "INVALID_IDEMPOTENCY_KEY",
            "idempotencyKey",
        ),
    ] {
        assert_eq!(refusal(&stage.mutate(who, "createTodo", input).await), (code, field));
    }
    assert!(told(&stage.kernel).await.is_empty(), "and nothing was told");
}

#[tokio::test]
async fn a_meetings_progress_counts_what_people_want() {
    let stage = Stage::idle().await;
    let (who, meeting) = (Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, who);
    let mut ids = Vec::new();
    for title in ["a", "b", "c"] {
        ids.push(stage.create(who, json!({ "title": title, "meetingId": meeting })).await);
    }
    for (todo, status) in ids.iter().zip(["DONE", "CANCELLED"]) {
        let input = json!({ "todoId": todo["id"], "status": status });
        stage.mutate(who, "setTodoStatus", input).await;
    }
    let (_, last) = told(&stage.kernel).await.pop().unwrap();
    assert_eq!(last["meetingProgress"], json!({ "done": 1, "total": 2 }));
    // Page by page, in the order in which they came up
    let fields = "todos(first: 2) { nodes { title } pageInfo { hasNextPage } }";
    let found = stage.caller.entity(&viewer(who), "Meeting", meeting, fields).await;
    assert_eq!(found["todos"]["nodes"], json!([{ "title": "a" }, { "title": "b" }]));
    assert_eq!(found["todos"]["pageInfo"]["hasNextPage"], true);
}

#[tokio::test]
async fn what_is_sent_again_is_done_once_and_answered_again() {
    let stage = Stage::idle().await;
    let who = Uuid::now_v7();
    let made = stage.create(who, json!({ "title": "Report" })).await;
    let other = stage.create(who, json!({ "title": "Invoice" })).await;
    let steps = [
        ("updateTodo", json!({ "todoId": made["id"], "version": 1, "title": "Long report" })),
        ("setTodoStatus", json!({ "todoId": made["id"], "version": 2, "status": "DONE" })),
    ];
    for (name, mut input) in steps {
        input["idempotencyKey"] = json!("k");
        let first = stage.mutate(who, name, input.clone()).await;
        assert_eq!(first["userErrors"], json!([]), "{name}: {first}");
        let events = told(&stage.kernel).await.len();
        assert_eq!(stage.mutate(who, name, input.clone()).await, first, "{name}");
        assert_eq!(told(&stage.kernel).await.len(), events, "{name}: nothing is told again");
        // The same key for another todo is another request.
        input["todoId"] = other["id"].clone();
        let elsewhere = stage.mutate(who, name, input.clone()).await;
        assert_eq!(elsewhere["todo"]["id"], other["id"], "{name}: {elsewhere}");
        input["idempotencyKey"] = json!("x".repeat(201));
        let refused = stage.mutate(who, name, input).await;
        assert_eq!(refusal(&refused), ("INVALID_IDEMPOTENCY_KEY", "idempotencyKey"));
    }
}

#[tokio::test]
async fn todos_are_found_by_what_they_are() {
    let stage = Stage::idle().await;
    let (who, meeting) = (Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, who);
    let todos = [
        json!({ "title": "a", "priority": "URGENT", "dueAt": "2030-01-01T00:00:00Z" }),
        json!({ "title": "b", "dueAt": "2030-02-01T00:00:00Z" }),
        json!({ "title": "c", "priority": "LOW" }),
    ];
    for mut todo in todos {
        (todo["meetingId"], todo["assigneeId"]) = (json!(meeting), json!(who));
        stage.create(who, todo).await;
    }
    stage.create(who, json!({ "title": "own", "priority": "URGENT" })).await;
    let newest =
        stage.caller.entity(&viewer(who), "User", who, "todos { nodes { id title } }").await;
    let c = &newest["todos"]["nodes"][1];
    assert_eq!(c["title"], "c");
    stage.mutate(who, "setTodoStatus", json!({ "todoId": c["id"], "status": "DONE" })).await;

    for (filter, of_meeting, of_person) in [
        ("{}", vec!["a", "b", "c"], vec!["own", "c", "b", "a"]),
        ("{ status: [OPEN] }", vec!["a", "b"], vec!["own", "b", "a"]),
        ("{ status: [DONE, CANCELLED] }", vec!["c"], vec!["c"]),
        ("{ status: [] }", vec![], vec![]),
        ("{ priority: [URGENT, LOW] }", vec!["a", "c"], vec!["own", "c", "a"]),
        ("{ priority: [URGENT], status: [OPEN] }", vec!["a"], vec!["own", "a"]),
        ("{ dueBefore: \"2030-02-01T00:00:00Z\" }", vec!["a"], vec!["a"]),
    ] {
        let fields = format!("todos(first: 20, filter: {filter}) {{ nodes {{ title }} }}");
        for (of, id, expected) in [("Meeting", meeting, of_meeting), ("User", who, of_person)] {
            let found = stage.caller.entity(&viewer(who), of, id, &fields).await;
            let nodes = found["todos"]["nodes"].as_array().unwrap().iter();
            let titles: Vec<&str> = nodes.map(|node| node["title"].as_str().unwrap()).collect();
            assert_eq!(titles, expected, "{of} {filter}");
        }
    }
    // The page goes on among those that are meant.
    let page = "todos(first: 1, filter: { priority: [URGENT] }) { nodes { title } pageInfo { endCursor } }";
    let first = stage.caller.entity(&viewer(who), "User", who, page).await;
    let after = &first["todos"]["pageInfo"]["endCursor"];
    let page =
        format!("todos(after: {after}, filter: {{ priority: [URGENT] }}) {{ nodes {{ title }} }}");
    let rest = stage.caller.entity(&viewer(who), "User", who, &page).await;
    assert_eq!(rest["todos"]["nodes"], json!([{ "title": "a" }]));
}
