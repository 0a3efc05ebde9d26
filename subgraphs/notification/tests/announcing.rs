//! What one person tells to many.

use std::collections::HashSet;

use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Schema};
use contract::testing::Meetings;
use notification::announcement::{BATCH, PERMISSION};
use platform::identity::{Identity, Viewer};
use platform::subgraph::Endpoint;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

/// The question that the user service answers, with these who may announce to all.
struct Permissions(HashSet<Uuid>);

#[Object]
impl Permissions {
    async fn permits(&self, user_id: ID, permission: String) -> bool {
        permission == PERMISSION && user_id.parse().is_ok_and(|id| self.0.contains(&id))
    }
}

fn permit(stage: &Stage, who: &[Uuid]) {
    let schema =
        Schema::new(Permissions(who.iter().copied().collect()), EmptyMutation, EmptySubscription);
    let keys = stage.kernel.keys.clone();
    stage.kernel.peers.set("user", Endpoint::new("user", keys, schema, |request| request));
}

/// Somebody whose token says that they may announce to all.
fn scoped(id: Uuid) -> Identity {
    let scopes = vec!["api".to_owned(), PERMISSION.to_owned()];
    Identity::Viewer(Viewer { id, scopes, roles: Vec::new(), expires_at: i64::MAX })
}

const FIELDS: &str = "announcement { id title toldCount completedAt meeting { id } }";

async fn to_all(stage: &Stage, who: Uuid, input: Value) -> Value {
    stage.caller.mutate(&scoped(who), "announce", FIELDS, input).await
}

/// How many people were told how often: each of them once.
async fn told(stage: &Stage) -> i64 {
    let query =
        "SELECT count(DISTINCT user_id), count(*) FROM notification WHERE kind = 'ANNOUNCEMENT'";
    let (people, all): (i64, i64) =
        sqlx::query_as(query).fetch_one(&stage.kernel.pool).await.unwrap();
    assert_eq!(people, all, "nobody is told twice");
    all
}

/// Fills the address book.
async fn people(stage: &Stage, count: usize) {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
    sqlx::query(
        "INSERT INTO recipient (user_id, email, name, locale, time_zone)
         SELECT id, id || '@example.com', 'P', 'ko', 'Asia/Seoul' FROM unnest($1::uuid[]) AS id",
    )
    .bind(&ids)
    .execute(&stage.kernel.pool)
    .await
    .unwrap();
}

async fn completed(stage: &Stage, announcement: &Value) -> Value {
    let query = "SELECT count(*) FROM announcement WHERE id = $1 AND completed_at IS NOT NULL";
    let id: Uuid = announcement["id"].as_str().unwrap().parse().unwrap();
    eventually(DEADLINE, || async {
        let done: i64 =
            sqlx::query_scalar(query).bind(id).fetch_one(&stage.kernel.pool).await.unwrap();
        done == 1
    })
    .await;
    announcement["id"].clone()
}

#[tokio::test]
async fn the_host_tells_those_who_take_part() {
    let stage = Stage::new().await;
    let meetings = Meetings::of(&stage.kernel);
    let (host, guest, other) =
        (stage.person("ko").await, stage.person("en").await, stage.person("ko").await);
    let meeting = Uuid::now_v7();
    meetings.joins(meeting, host);
    meetings.joins(meeting, guest);
    let announce = async |who: Uuid, input: Value| {
        stage.caller.mutate(&viewer(who), "announceToMeeting", FIELDS, input).await
    };
    let input = json!({ "meetingId": meeting, "title": " Room 2 ", "body": "We moved.",
        "idempotencyKey": "once" });
    let made = announce(host, input.clone()).await;
    assert_eq!(made["announcement"]["title"], "Room 2", "{made}");
    let again = announce(host, input).await;
    assert_eq!(again["announcement"]["id"], made["announcement"]["id"]);
    let item = stage.told(guest, "ANNOUNCEMENT").await;
    assert_eq!(item["title"], "Announcement: Room 2");
    assert_eq!((&item["body"], &item["meeting"]["id"]), (&json!("We moved."), &json!(meeting)));
    let id = completed(&stage, &made["announcement"]).await;
    for quiet in [host, other] {
        assert!(!stage.kinds(quiet).await.contains(&"ANNOUNCEMENT".to_owned()));
    }
    let query = "query($id: ID!) { announcement(id: $id) { toldCount completedAt } }";
    let seen = stage.caller.data(&viewer(host), query, json!({ "id": id })).await;
    assert_eq!(seen["announcement"]["toldCount"], 1);
    let seen = stage.caller.data(&viewer(guest), query, json!({ "id": id })).await;
    assert_eq!(seen["announcement"], Value::Null, "who announced it alone");

    let long = |chars: usize| "x".repeat(chars);
    for (who, input, code) in [
        (guest, json!({ "meetingId": meeting, "title": "T", "body": "B" }), "NOT_HOST"),
        (other, json!({ "meetingId": meeting, "title": "T", "body": "B" }), "MEETING_NOT_FOUND"),
        (host, json!({ "meetingId": "x", "title": "T", "body": "B" }), "MEETING_NOT_FOUND"),
        (host, json!({ "meetingId": meeting, "title": long(121), "body": "B" }), "INVALID_TITLE"),
        (host, json!({ "meetingId": meeting, "title": "a\nb", "body": "B" }), "INVALID_TITLE"),
        (host, json!({ "meetingId": meeting, "title": "T", "body": long(2_001) }), "INVALID_BODY"),
    ] {
        let refused = announce(who, input).await;
        assert_eq!(refused["userErrors"][0]["code"], code, "{refused}");
        assert_eq!(refused["announcement"], Value::Null);
    }
}

#[tokio::test]
async fn administrators_tell_everybody_as_they_chose() {
    let stage = Stage::new().await;
    let (admin, one, deaf) =
        (stage.person("ko").await, stage.person("en").await, stage.person("ko").await);
    permit(&stage, &[admin]);
    let off = json!({ "preferences": Way4::ALL.map(|channel| json!({
        "kind": "ANNOUNCEMENT", "channel": channel, "enabled": false })) });
    stage.caller.mutate(&viewer(deaf), "setNotificationPreferences", "me { id }", off).await;
    people(&stage, 2 * BATCH).await;
    let made = to_all(&stage, admin, json!({ "title": "Maintenance", "body": "Tonight." })).await;
    completed(&stage, &made["announcement"]).await;
    assert_eq!(stage.told(one, "ANNOUNCEMENT").await["title"], "Announcement: Maintenance");
    // All but who announced it and who wants to hear of none
    assert_eq!(told(&stage).await, i64::try_from(2 * BATCH).unwrap() + 1);
    assert!(!stage.kinds(deaf).await.contains(&"ANNOUNCEMENT".to_owned()));

    // Both a token and the permission
    let query =
        "mutation { announce(input: { title: \"T\", body: \"B\" }) { announcement { id } } }";
    let code = async |who: Identity| stage.caller.code(&who, query, json!({})).await;
    assert_eq!(code(viewer(admin)).await, "FORBIDDEN");
    assert_eq!(code(scoped(one)).await, "FORBIDDEN");
    assert_eq!(code(Identity::Anonymous).await, "UNAUTHENTICATED");
}

/// The names of the channels.
struct Way4;

impl Way4 {
    const ALL: [&'static str; 4] = ["INBOX", "EMAIL", "SMS", "WEBHOOK"];
}

#[tokio::test]
async fn whoever_goes_on_after_an_end_in_the_middle_tells_the_rest_and_nobody_twice() {
    let mut stage = Stage::new().await;
    let admin = stage.person("ko").await;
    permit(&stage, &[admin]);
    let many = 12 * BATCH;
    people(&stage, many).await;
    let made = to_all(&stage, admin, json!({ "title": "T", "body": "B" })).await;
    for batches in [2, 5] {
        let some = i64::try_from(batches * BATCH).unwrap();
        eventually(DEADLINE, || async { told(&stage).await >= some }).await;
        stage.restart().await;
    }
    completed(&stage, &made["announcement"]).await;
    assert_eq!(told(&stage).await, i64::try_from(many).unwrap());
    // What the feed of each says, and no more
    let query = "SELECT count(*) FROM outbox WHERE body->>'type' = 'moim.notification.created.v1'
        AND body->'data'->>'kind' = 'ANNOUNCEMENT'";
    let events: i64 = sqlx::query_scalar(query).fetch_one(&stage.kernel.pool).await.unwrap();
    assert_eq!(events, i64::try_from(many).unwrap());
}

#[tokio::test]
async fn the_same_key_about_another_meeting_is_another_announcement() {
    let stage = Stage::new().await;
    let meetings = Meetings::of(&stage.kernel);
    let host = stage.person("ko").await;
    permit(&stage, &[host]);
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let text = |meeting: Option<Uuid>| {
        let mut input = json!({ "title": "T", "body": "B", "idempotencyKey": "k" });
        if let Some(meeting) = meeting {
            input["meetingId"] = json!(meeting);
        }
        input
    };
    for meeting in [one, other] {
        meetings.joins(meeting, host);
        for _ in 0..2 {
            let input = text(Some(meeting));
            let made = stage.caller.mutate(&viewer(host), "announceToMeeting", FIELDS, input).await;
            assert_eq!(made["announcement"]["meeting"]["id"], json!(meeting), "{made}");
        }
    }
    for _ in 0..2 {
        let made = to_all(&stage, host, text(None)).await;
        assert_eq!(made["userErrors"], json!([]));
        assert_eq!(made["announcement"]["meeting"], Value::Null, "{made}");
    }
    let count = sqlx::query_scalar("SELECT count(*) FROM announcement");
    let count: i64 = count.fetch_one(&stage.kernel.pool).await.unwrap();
    assert_eq!(count, 3, "each once");
}
