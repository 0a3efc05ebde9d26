//! Somebody's todos and their statistics are read from the cache, which every write drops.

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use platform::task::TaskStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::extracting::spoken;
use crate::stage::{Stage, viewer};

/// What somebody has: titles of the todos, and how many are open and done.
async fn seen(stage: &Stage, who: Uuid) -> (Vec<String>, i64, i64) {
    let fields = "todos(first: 20) { nodes { title } } todoStatistics { open done total }";
    let found = stage.caller.entity(&viewer(who), "User", who, fields).await;
    let nodes = found["todos"]["nodes"].as_array().expect("a list").iter();
    let titles = nodes.map(|node| node["title"].as_str().expect("a title").to_owned()).collect();
    let count = |name: &str| found["todoStatistics"][name].as_i64().expect("a number");
    assert_eq!(count("total"), count("open") + count("done"));
    (titles, count("open"), count("done"))
}

/// Changes everything in the database by hand, which no cache can know.
async fn behind_its_back(stage: &Stage, title: &str) {
    let changed = sqlx::query("UPDATE todo SET title = $1, status = 'DONE'").bind(title);
    changed.execute(&stage.kernel.pool).await.expect("database");
}

#[tokio::test]
async fn a_second_read_asks_no_database_and_each_write_is_seen_at_once() {
    let stage = Stage::idle().await;
    let who = Uuid::now_v7();
    assert_eq!(seen(&stage, who).await, (vec![], 0, 0));
    // A write is seen at once,
    let made = stage.create(who, json!({ "title": "Buy milk" })).await;
    let milk = (vec!["Buy milk".to_owned()], 1, 0);
    assert_eq!(seen(&stage, who).await, milk);
    // what was read is read without the database,
    behind_its_back(&stage, "Buy bread").await;
    assert_eq!(seen(&stage, who).await, milk);
    // and the next write shows what stands there.
    let other = stage.create(who, json!({ "title": "Sell eggs" })).await;
    let both = vec!["Sell eggs".to_owned(), "Buy bread".to_owned()];
    assert_eq!(seen(&stage, who).await, (both, 1, 1));
    // Each kind of write does so.
    let input = json!({ "todoId": other["id"], "version": 1, "title": "Sell cheese" });
    stage.mutate(who, "updateTodo", input).await;
    assert_eq!(seen(&stage, who).await.0[0], "Sell cheese");
    let input = json!({ "todoId": other["id"], "status": "DONE" });
    stage.mutate(who, "setTodoStatus", input).await;
    assert_eq!((seen(&stage, who).await.1, seen(&stage, who).await.2), (0, 2));
    assert_ne!(made["id"], other["id"]);
    // Nobody sees another's.
    let fields = "todos { nodes { title } } todoStatistics { open }";
    let others = stage.caller.entity(&viewer(Uuid::now_v7()), "User", who, fields).await;
    assert_eq!((&others["todos"], &others["todoStatistics"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn who_had_it_and_who_gets_it_both_see_it() {
    let stage = Stage::idle().await;
    let (host, guest, meeting) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    stage.meetings.joins(meeting, host);
    stage.meetings.joins(meeting, guest);
    let input = json!({ "title": "Report", "meetingId": meeting, "assigneeId": host });
    let made = stage.create(host, input).await;
    assert_eq!(seen(&stage, host).await.0, ["Report"]);
    assert_eq!(seen(&stage, guest).await.0, Vec::<String>::new());
    let input = json!({ "todoId": made["id"], "version": 1, "assigneeId": guest });
    stage.mutate(host, "updateTodo", input).await;
    assert_eq!(seen(&stage, host).await.0, Vec::<String>::new());
    assert_eq!(seen(&stage, guest).await.0, ["Report"]);
}

#[tokio::test]
async fn what_a_worker_finds_is_seen_at_once() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let meeting = stage.meeting(&[host]).await;
    stage.meetings.joins(meeting, host);
    stage.meetings.named(host, "Anna Schmidt", "Asia/Seoul");
    assert_eq!(seen(&stage, host).await.0, Vec::<String>::new());
    let ended = json!({ "audioFileUrl": "recordings/x", "endTime": "2026-11-26T01:00:00Z" });
    tell_meeting(&stage.kernel, kind::MEETING_ENDED, meeting, &[host], ended).await;
    let (key, _) = spoken(&stage, meeting, &["Anna will book the room."]).await;
    let text = json!({ "meetingId": meeting, "transcriptId": Uuid::now_v7(), "objectKey": key });
    tell(&stage.kernel, kind::TRANSCRIPT_CREATED, meeting, Uuid::now_v7(), text).await;
    stage.task_is(meeting, TaskStatus::Completed).await;
    platform::testing::eventually(crate::stage::DEADLINE, || async {
        seen(&stage, host).await.0 == ["Anna will book the room."]
    })
    .await;
}

#[tokio::test]
async fn pages_are_as_long_as_asked_for() {
    let stage = Stage::idle().await;
    let who = Uuid::now_v7();
    for title in ["one", "two", "three"] {
        stage.create(who, json!({ "title": title })).await;
    }
    let fields = "todos(first: 2) { nodes { title } pageInfo { hasNextPage endCursor } }";
    let first = stage.caller.entity(&viewer(who), "User", who, fields).await;
    assert_eq!(first["todos"]["nodes"], json!([{ "title": "three" }, { "title": "two" }]));
    assert_eq!(first["todos"]["pageInfo"]["hasNextPage"], true);
    let after = &first["todos"]["pageInfo"]["endCursor"];
    let fields = format!(
        "todos(first: 2, after: {after}) {{ nodes {{ title }} pageInfo {{ hasNextPage }} }}"
    );
    let second = stage.caller.entity(&viewer(who), "User", who, &fields).await;
    assert_eq!(second["todos"]["nodes"], json!([{ "title": "one" }]));
    assert_eq!(second["todos"]["pageInfo"]["hasNextPage"], false);
}
