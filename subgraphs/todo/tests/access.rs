//! Who may see and change a todo: who takes part in its meeting, or whose own it is.

use contract::event::kind;
use contract::testing::tell;
use platform::identity::Identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, refusal, viewer};

const EVERY_ENTITY: &str = "query($r: [_Any!]!) { _entities(representations: $r) {
    ... on Meeting { id todos { nodes { id } } todoTasks { id } }
    ... on Todo { id title } ... on TodoTask { id result { todos { id } } } } }";

#[tokio::test]
async fn to_an_outsider_nothing_is_there() {
    let stage = Stage::new().await;
    let (host, outsider) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    let shared = stage.create(host, json!({ "title": "Shared", "meetingId": meeting })).await;
    let own = stage.create(host, json!({ "title": "Own" })).await;
    let ended = json!({ "audioFileUrl": "recordings/x" });
    contract::testing::tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended)
        .await;
    stage.task_is(meeting, platform::task::TaskStatus::Pending).await;
    let task = stage.tasks_of(meeting).await[0].id;
    let r = json!({ "r": [
        { "__typename": "Meeting", "id": meeting },
        { "__typename": "Todo", "id": shared["id"] },
        { "__typename": "Todo", "id": own["id"] },
        { "__typename": "TodoTask", "id": task },
    ] });
    let roots = "query($t: ID!, $k: ID!) { todo(id: $t) { id } todoTask(id: $k) { id } }";
    let keys = json!({ "t": shared["id"], "k": task });

    let seen = stage.caller.data(&viewer(host), EVERY_ENTITY, r.clone()).await;
    assert!(seen["_entities"].as_array().unwrap().iter().all(Value::is_object), "{seen}");
    let seen = stage.caller.data(&viewer(host), roots, keys.clone()).await;
    assert_eq!(seen["todo"]["id"], shared["id"]);

    let seen = stage.caller.data(&viewer(outsider), EVERY_ENTITY, r.clone()).await;
    assert_eq!(seen["_entities"], json!([null, null, null, null]));
    let seen = stage.caller.data(&viewer(outsider), roots, keys.clone()).await;
    assert_eq!(seen, json!({ "todo": null, "todoTask": null }));
    for todo in [&shared["id"], &own["id"], &json!("garbage")] {
        let update = json!({ "todoId": todo, "version": 1, "title": "Mine" });
        let refused = stage.mutate(outsider, "updateTodo", update).await;
        assert_eq!(refusal(&refused), ("TODO_NOT_FOUND", "todoId"));
        let status = json!({ "todoId": todo, "status": "DONE" });
        let refused = stage.mutate(outsider, "setTodoStatus", status).await;
        assert_eq!(refusal(&refused), ("TODO_NOT_FOUND", "todoId"));
    }
    for name in ["retryTodoTask", "cancelTodoTask"] {
        let input = json!({ "taskId": task });
        let refused = stage.caller.mutate(&viewer(outsider), name, "task { id }", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "TASK_NOT_FOUND");
    }
    for (query, variables) in [(EVERY_ENTITY, r), (roots, keys)] {
        let code = stage.caller.code(&Identity::Anonymous, query, variables).await;
        assert_eq!(code, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn who_just_came_is_asked_about_and_who_left_is_out() {
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    let sees = async |who: Uuid| {
        stage.caller.entity(&viewer(who), "Meeting", meeting, "id").await != Value::Null
    };
    assert!(!sees(guest).await);
    // Right after it was added only the meeting service knows.
    stage.meetings.joins(meeting, guest);
    assert!(sees(guest).await);

    let other = Uuid::now_v7();
    let about = |who: Uuid| json!({ "meetingId": meeting, "userId": who });
    tell(&stage.kernel, kind::PARTICIPANT_ADDED, meeting, other, about(other)).await;
    stage.heard(meeting, other, true).await;
    assert!(sees(other).await);
    tell(&stage.kernel, kind::PARTICIPANT_REMOVED, meeting, other, about(other)).await;
    stage.heard(meeting, other, false).await;
    assert!(!sees(other).await, "and the meeting service says no as well");
}

#[tokio::test]
async fn when_the_meeting_service_is_away_the_answer_is_no() {
    let stage = Stage::idle().await;
    let (meeting, who) = (Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, who);
    stage.meetings.leave(&stage.kernel);
    let seen = stage.caller.entity(&viewer(who), "Meeting", meeting, "id").await;
    assert_eq!(seen, Value::Null);
}
