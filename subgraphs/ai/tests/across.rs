//! Analyses over several meetings.

use contract::event::kind;
use contract::testing::{tell, told};
use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::peers::Peers;
use crate::stage::{DEADLINE, Stage, viewer};

const TASK: &str = "task { id kind status meetingIds }";
const ANALYSIS: &str = "query($id: ID!) { meetingAnalysis(id: $id) {
    id meeting { id } meetings { id } topics { word count citations { meeting { id } segments { id } } }
    talkTime { speaker durationMs citations { meeting { id } segments { id } } }
    decisions { text meeting { id } segments { id } }
    openTodos { todo { id } meeting { id } segments { id } } engine insteadOf version } }";

/// Two meetings of somebody's, with a text each; and the segments of both.
async fn two_meetings(stage: &Stage, people: &[Uuid]) -> ([Uuid; 2], [Vec<Uuid>; 2]) {
    let first = stage.meeting(people).await;
    let second = stage.meeting(people).await;
    let said = ["The budget is tight.", "We decided to cut the budget.", "The budget is small."];
    let one = stage.transcribe(first, &said).await;
    let said =
        ["Hiring starts.", "The budget grows.", "We agreed to hire.", "A budget for hiring."];
    let other = stage.transcribe(second, &said).await;
    for meeting in [first, second] {
        stage.tasks_are(meeting, "ANALYSIS", &[TaskStatus::Completed]).await;
    }
    ([first, second], [one, other])
}

async fn ask(stage: &Stage, who: Uuid, input: Value) -> Value {
    stage.caller.mutate(&viewer(who), "requestAnalysis", TASK, input).await
}

/// Waits for a task to end so, and gives what it came to.
async fn ends(stage: &Stage, who: Uuid, task: &Value, status: &str) -> Value {
    let query = "query($t: ID!) { aiTask(id: $t) {
        status progress error { code } result { ... on MeetingAnalysis { id } } } }";
    eventually(DEADLINE, || async {
        let seen = stage.caller.data(&viewer(who), query, json!({ "t": task })).await;
        seen["aiTask"]["status"] == status
    })
    .await;
    let seen = stage.caller.data(&viewer(who), query, json!({ "t": task })).await;
    seen["aiTask"]["result"]["id"].clone()
}

#[tokio::test]
async fn what_several_meetings_came_to_is_put_together() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let ([first, second], [one, other]) = two_meetings(&stage, &[host]).await;
    let transcript = stage.transcript_of(second).await;
    stage.peers.speaks(transcript, other[0], "Ada");
    stage.peers.speaks(transcript, other[1], "Bea");
    let open = stage.peers.todo(first, "OPEN", &one[1..2]);
    stage.peers.todo(first, "DONE", &[]);
    let proposed = stage.peers.todo(second, "PROPOSED", &[]);
    stage.peers.todo(second, "CANCELLED", &[]);

    let asked = ask(&stage, host, json!({ "meetingIds": [first, second, first] })).await;
    assert_eq!(asked["task"]["kind"], "ANALYSIS", "{asked}");
    assert_eq!(asked["task"]["meetingIds"], json!([first, second]), "each once");
    let id = ends(&stage, host, &asked["task"]["id"], "COMPLETED").await;

    let found = stage.caller.data(&viewer(host), ANALYSIS, json!({ "id": id })).await;
    let found = &found["meetingAnalysis"];
    assert_eq!(found["meetings"], json!([{ "id": first }, { "id": second }]));
    let budget = json!({ "word": "budget", "count": 5, "citations": [
        { "meeting": { "id": first }, "segments": ids(&one) },
        { "meeting": { "id": second }, "segments": ids(&[other[1], other[3]]) } ] });
    assert_eq!(found["topics"][0], budget);
    let decisions = json!([
        { "text": "We decided to cut the budget.", "meeting": { "id": first }, "segments": ids(&one[1..2]) },
        { "text": "We agreed to hire.", "meeting": { "id": second }, "segments": ids(&other[2..3]) } ]);
    assert_eq!(found["decisions"], decisions);
    let talk = json!([
        { "speaker": null, "durationMs": 4_500, "citations": [
            { "meeting": { "id": first }, "segments": ids(&one) },
            { "meeting": { "id": second }, "segments": ids(&other[2..]) } ] },
        { "speaker": "Ada", "durationMs": 900, "citations": [
            { "meeting": { "id": second }, "segments": ids(&other[..1]) } ] },
        { "speaker": "Bea", "durationMs": 900, "citations": [
            { "meeting": { "id": second }, "segments": ids(&other[1..2]) } ] } ]);
    assert_eq!(found["talkTime"], talk);
    let todos = json!([
        { "todo": { "id": open }, "meeting": { "id": first }, "segments": ids(&one[1..2]) },
        { "todo": { "id": proposed }, "meeting": { "id": second }, "segments": [] } ]);
    assert_eq!(found["openTodos"], todos);
    assert_eq!((&found["engine"], &found["version"]), (&json!("builtin"), &json!(1)));

    let events = told(&stage.kernel).await;
    let created: Vec<&Value> = events
        .iter()
        .filter(|(kind, data)| kind == kind::ANALYSIS_CREATED && data["analysisId"] == id)
        .map(|(_, data)| data)
        .collect();
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["meetingIds"], json!([first, second]));

    // The meetings' own analyses stay as they were.
    let fields = "analysis { id openTodos { meeting { id } } }";
    let own = stage.caller.entity(&viewer(host), "Meeting", first, fields).await;
    assert_ne!(own["analysis"]["id"], id);
    assert_eq!(own["analysis"]["openTodos"], Value::Null);
}

fn ids(segments: &[Uuid]) -> Value {
    segments.iter().map(|id| json!({ "id": id })).collect()
}

#[tokio::test]
async fn it_is_for_who_asked_and_shows_the_meetings_they_still_take_part_in() {
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let ([first, second], _) = two_meetings(&stage, &[host, guest]).await;
    let asked = ask(&stage, guest, json!({ "meetingIds": [first, second] })).await;
    let task = &asked["task"]["id"];
    let id = ends(&stage, guest, task, "COMPLETED").await;
    let entity = async |who: &Identity| {
        let id = id.as_str().unwrap().parse().unwrap();
        stage.caller.entity(who, "MeetingAnalysis", id, "meetings { id } decisions { text }").await
    };
    let list = "{ meetingAnalyses { nodes { id meetings { id } } }
        aiTasks { nodes { id result { __typename } } } }";
    let listed = async |who: Uuid| stage.caller.data(&viewer(who), list, Value::Null).await;

    // Somebody else, though of both meetings, and the meeting's members as one see nothing of it.
    for who in [viewer(host), viewer(Uuid::now_v7()), Identity::Group { id: first }] {
        assert_eq!(entity(&who).await, Value::Null, "{who:?}");
    }
    let query = "query($t: ID!) { aiTask(id: $t) { id } }";
    let seen = stage.caller.data(&viewer(host), query, json!({ "t": task })).await;
    assert_eq!(seen["aiTask"], Value::Null);
    for name in ["retryAiTask", "cancelAiTask"] {
        let input = json!({ "taskId": task });
        let refused = stage.caller.mutate(&viewer(host), name, "task { id }", input).await;
        assert_eq!(refused["userErrors"][0]["code"], "TASK_NOT_FOUND", "{name}");
    }
    assert_eq!(listed(host).await["meetingAnalyses"]["nodes"], json!([]));
    let service = Identity::Service { name: "todo".into() };
    assert_eq!(entity(&service).await["meetings"].as_array().unwrap().len(), 2);
    let own = listed(guest).await;
    assert_eq!(own["meetingAnalyses"]["nodes"][0]["id"], id);
    assert!(own["aiTasks"]["nodes"].as_array().unwrap().iter().any(|one| one["id"] == *task));

    // Removed from one meeting: its part is gone. Removed from both: all of it.
    let leave = async |meeting: Uuid| {
        let about = json!({ "meetingId": meeting, "userId": guest });
        tell(&stage.kernel, kind::PARTICIPANT_REMOVED, meeting, guest, about).await;
        stage.heard(meeting, guest, false).await;
    };
    leave(first).await;
    let seen = entity(&viewer(guest)).await;
    assert_eq!(seen["meetings"], json!([{ "id": second }]));
    assert_eq!(seen["decisions"], json!([{ "text": "We agreed to hire." }]));
    let nodes = listed(guest).await;
    assert_eq!(nodes["meetingAnalyses"]["nodes"][0]["meetings"], json!([{ "id": second }]));
    leave(second).await;
    assert_eq!(entity(&viewer(guest)).await, Value::Null);
    let nodes = listed(guest).await;
    assert_eq!(nodes["meetingAnalyses"]["nodes"], json!([]));
    // Their own tasks stay, with nothing in them.
    for task in nodes["aiTasks"]["nodes"].as_array().unwrap() {
        assert_eq!(task["result"], Value::Null, "{nodes}");
    }
}

#[tokio::test]
async fn what_cannot_be_analysed_is_refused() {
    let stage = Stage::new().await;
    let (host, other) = (Uuid::now_v7(), Uuid::now_v7());
    let ([first, second], _) = two_meetings(&stage, &[host]).await;
    let silent = stage.meeting(&[host]).await;
    let theirs = stage.meeting(&[other]).await;
    let code = async |input: Value| {
        let refused = ask(&stage, host, input).await;
        assert_eq!(refused["task"], Value::Null);
        refused["userErrors"][0]["code"].clone()
    };
    assert_eq!(code(json!({ "meetingIds": [first, theirs] })).await, "MEETING_NOT_FOUND");
    assert_eq!(code(json!({ "meetingIds": [first, "garbage"] })).await, "MEETING_NOT_FOUND");
    assert_eq!(code(json!({ "meetingIds": [first, silent] })).await, "TRANSCRIPT_NOT_READY");
    assert_eq!(code(json!({ "meetingIds": [] })).await, "INVALID_MEETINGS");
    assert_eq!(code(json!({ "meetingIds": vec![first; 21] })).await, "INVALID_MEETINGS");
    assert_eq!(code(json!({})).await, "INVALID_MEETINGS");
    let both = json!({ "meetingId": first, "meetingIds": [second] });
    assert_eq!(code(both).await, "INVALID_MEETINGS");
    let key = json!({ "meetingIds": [first], "idempotencyKey": "" });
    assert_eq!(code(key).await, "INVALID_IDEMPOTENCY_KEY");
}

#[tokio::test]
async fn the_same_key_is_the_same_task() {
    let stage = Stage::idle().await;
    let host = Uuid::now_v7();
    let mut meetings = Vec::new();
    for place in 0..2 {
        let meeting = Uuid::now_v7();
        stage.meetings.joins(meeting, host);
        let mut tx = stage.kernel.pool.begin().await.unwrap();
        let key = format!("transcripts/{place}.json");
        ai::store::meeting::transcribe(&mut tx, meeting, Uuid::now_v7(), &key).await.unwrap();
        tx.commit().await.unwrap();
        meetings.push(meeting);
    }
    let over = json!({ "meetingIds": meetings, "idempotencyKey": "k" });
    let (a, b) = tokio::join!(ask(&stage, host, over.clone()), ask(&stage, host, over.clone()));
    assert!(a["task"]["id"].is_string(), "{a}");
    assert_eq!(a["task"]["id"], b["task"]["id"], "{a} {b}");
    let other = ask(&stage, host, json!({ "meetingIds": meetings })).await;
    assert_ne!(other["task"]["id"], a["task"]["id"]);
    let input = json!({ "taskId": a["task"]["id"], "idempotencyKey": "off" });
    for _ in 0..2 {
        let off = stage.caller.mutate(&viewer(host), "cancelAiTask", TASK, input.clone()).await;
        assert_eq!(off["task"]["status"], "CANCELLED", "{off}");
    }
    // Called off, and still what the key stands for.
    assert_eq!(ask(&stage, host, over).await["task"]["status"], "CANCELLED");

    // Of one meeting: once the first task is called off, only another key makes another one.
    let of = |key: &str| json!({ "meetingId": meetings[0], "idempotencyKey": key });
    let first = ask(&stage, host, of("x")).await["task"]["id"].clone();
    let input = json!({ "taskId": first });
    stage.caller.mutate(&viewer(host), "cancelAiTask", TASK, input).await;
    assert_eq!(ask(&stage, host, of("x")).await["task"]["id"], first);
    assert_ne!(ask(&stage, host, of("y")).await["task"]["id"], first);
    // Another meeting under the same key is another request.
    let elsewhere = json!({ "meetingId": meetings[1], "idempotencyKey": "x" });
    assert_ne!(ask(&stage, host, elsewhere).await["task"]["id"], first);
}

#[tokio::test]
async fn another_try_goes_on_where_the_first_one_stopped() {
    let stage = Stage::new().await;
    let host = Uuid::now_v7();
    let ([first, second], _) = two_meetings(&stage, &[host]).await;
    Peers::leave(&stage.kernel);
    let asked = ask(&stage, host, json!({ "meetingIds": [first, second] })).await;
    let task = &asked["task"]["id"];
    let tries = async || {
        let id: Uuid = task.as_str().unwrap().parse().unwrap();
        stage.tasks.get(&[id]).await.unwrap()[&id].tries
    };
    eventually(DEADLINE, || async { tries().await >= 1 }).await;
    assert_eq!(ends_with(&stage, task).await, 0, "no part without its todos");
    stage.peers.come(&stage.kernel);
    let id = ends(&stage, host, task, "COMPLETED").await;
    assert!(id.is_string());
    assert_eq!(ends_with(&stage, task).await, 2);
}

/// How many parts of a task's analysis are there.
async fn ends_with(stage: &Stage, task: &Value) -> i64 {
    let task: Uuid = task.as_str().unwrap().parse().unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM analysis_part p JOIN analysis a ON a.id = p.analysis_id
         WHERE a.task_id = $1 AND p.content IS NOT NULL",
    )
    .bind(task)
    .fetch_one(&stage.kernel.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_account_that_is_deleted_takes_its_analyses_along() {
    let stage = Stage::new().await;
    let (host, gone) = (Uuid::now_v7(), Uuid::now_v7());
    let ([first, second], _) = two_meetings(&stage, &[host, gone]).await;
    let asked = ask(&stage, gone, json!({ "meetingIds": [first, second] })).await;
    ends(&stage, gone, &asked["task"]["id"], "COMPLETED").await;
    tell(&stage.kernel, kind::USER_DELETED, gone, gone, json!({ "userId": gone })).await;
    eventually(DEADLINE, || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM analysis")
            .fetch_one(&stage.kernel.pool)
            .await
            .unwrap();
        left == 0
    })
    .await;
}
