//! The rows of the event table that end here: each event is told for real, and its effect is seen.

use contract::event::kind;
use contract::testing::{tell, tell_meeting, told};
use platform::config::Values;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

#[tokio::test]
async fn who_opens_an_account_is_welcomed_and_reached_where_they_say() {
    let stage = Stage::new().await;
    let who = stage.person("ko").await;
    let welcome = stage.told(who, "WELCOME").await;
    assert_eq!(welcome["title"], "모임에 오신 것을 환영합니다");

    let profile = json!({ "userId": who, "email": "new@example.com", "locale": "en", "name": "Ada",
        "phone": "+821012345678" });
    tell(&stage.kernel, kind::USER_UPDATED, who, who, profile).await;
    eventually(DEADLINE, || async {
        let known = notification::store::recipient::by_id(&stage.kernel.pool, who).await.unwrap();
        known.is_some_and(|known| {
            (known.email.as_str(), known.phone.as_deref())
                == ("new@example.com", Some("+821012345678"))
        })
    })
    .await;
    assert_eq!(stage.told(who, "WELCOME").await["title"], "Welcome to Moim", "texts follow");

    tell(&stage.kernel, kind::USER_DELETED, who, who, json!({ "userId": who })).await;
    eventually(DEADLINE, || async { stage.inbox(who).await.is_empty() }).await;
    let known = notification::store::recipient::by_id(&stage.kernel.pool, who).await.unwrap();
    assert!(known.is_none());
}

#[tokio::test]
async fn what_the_last_token_of_a_deleted_account_asks_for_leaves_nothing_behind() {
    let stage = Stage::configured(Values::new().with("MOIM_WEBHOOKS_PRIVATE", "true")).await;
    let who = stage.person("en").await;
    let set = async || {
        let input = json!({ "url": "http://127.0.0.1:9/" });
        stage.caller.mutate(&viewer(who), "setWebhook", "webhook { url }", input).await
    };
    assert_eq!(set().await["userErrors"], json!([]));
    let rows = async || -> i64 {
        let query = "SELECT (SELECT count(*) FROM webhook) + (SELECT count(*) FROM preference)
            + (SELECT count(*) FROM notification) + (SELECT count(*) FROM recipient)";
        sqlx::query_scalar(query).fetch_one(&stage.kernel.pool).await.unwrap()
    };
    assert!(rows().await > 0);
    tell(&stage.kernel, kind::USER_DELETED, who, who, json!({ "userId": who })).await;
    eventually(DEADLINE, || async { rows().await == 0 }).await;

    assert_eq!(set().await["userErrors"][0]["code"], "NO_ACCOUNT");
    let choice = json!({ "preferences": [
        { "kind": "MEETING_STARTED", "channel": "EMAIL", "enabled": true }] });
    let fields = "me { id }";
    let chosen =
        stage.caller.mutate(&viewer(who), "setNotificationPreferences", fields, choice).await;
    assert_eq!(chosen["userErrors"][0]["code"], "NO_ACCOUNT");
    let input = json!({ "channel": "INBOX" });
    let fields = "notification { id }";
    let sent = stage.caller.mutate(&viewer(who), "sendTestNotification", fields, input).await;
    assert_eq!(sent["userErrors"][0]["code"], "NO_ACCOUNT");
    // Nor does what comes late for them, while others are told.
    let host = stage.person("en").await;
    let other = stage.person("en").await;
    let meeting = Uuid::now_v7();
    let plan = json!({ "meetingTitle": "Late" });
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, meeting, &[host, who, other], plan).await;
    stage.told(other, "MEETING_INVITATION").await;
    let left = "SELECT count(*) FROM notification WHERE user_id = $1";
    let left: i64 = sqlx::query_scalar(left).bind(who).fetch_one(&stage.kernel.pool).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_meetings_people_hear_of_its_steps() {
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let people = [host, guest];
    let meeting = stage.meeting(&people).await;
    for (event, notice) in [
        (kind::MEETING_STARTED, "MEETING_STARTED"),
        (kind::MEETING_ENDED, "MEETING_ENDED"),
        (kind::MEETING_CANCELLED, "MEETING_CANCELLED"),
    ] {
        tell_meeting(&stage.kernel, event, meeting, &people, json!({})).await;
        let item = stage.told(guest, notice).await;
        assert_eq!(item["meeting"]["id"], json!(meeting), "{notice}");
    }
    for (event, notice) in [
        (kind::TRANSCRIPT_CREATED, "MINUTES_READY"),
        (kind::TRANSCRIPT_VERIFIED, "MINUTES_VERIFIED"),
        (kind::TRANSCRIPT_SHARED, "TRANSCRIPT_SHARED"),
    ] {
        let data = json!({ "meetingId": meeting });
        tell(&stage.kernel, event, meeting, Uuid::now_v7(), data).await;
        let title = stage.told(guest, notice).await["title"].clone();
        assert!(title.as_str().unwrap().contains("Weekly"), "the title is known: {title}");
    }
    // Who leads it did the steps, and hears of what others and workers do.
    let expected = ["MINUTES_READY", "MINUTES_VERIFIED", "TRANSCRIPT_SHARED"];
    assert_eq!(stage.kinds(host).await, expected);
}

#[tokio::test]
async fn who_comes_and_who_goes_hears_of_it() {
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host]).await;
    let about = json!({ "meetingId": meeting, "userId": guest, "meetingTitle": "Weekly" });
    tell(&stage.kernel, kind::PARTICIPANT_ADDED, meeting, guest, about.clone()).await;
    stage.told(guest, "MEETING_INVITATION").await;
    tell(&stage.kernel, kind::PARTICIPANT_REMOVED, meeting, guest, about).await;
    stage.told(guest, "REMOVED_FROM_MEETING").await;
    // and of nothing more
    tell_meeting(&stage.kernel, kind::MEETING_STARTED, meeting, &[host], json!({})).await;
    let data = json!({ "meetingId": meeting });
    tell(&stage.kernel, kind::TRANSCRIPT_CREATED, meeting, Uuid::now_v7(), data).await;
    stage.told(host, "MINUTES_READY").await;
    let kinds = stage.kinds(guest).await;
    assert_eq!(kinds, ["MEETING_INVITATION", "REMOVED_FROM_MEETING"]);
}

#[tokio::test]
async fn the_host_hears_who_comes_by_name_as_long_as_there_is_one() {
    let stage = Stage::new().await;
    let (host, guest) = (stage.person("en").await, stage.person("ko").await);
    let profile = json!({ "userId": guest, "name": "Ada" });
    tell(&stage.kernel, kind::USER_UPDATED, guest, guest, profile).await;
    let meeting = stage.meeting(&[host, guest]).await;
    let answer = |response: &str| {
        json!({ "meetingId": meeting, "meetingTitle": "Weekly", "userId": guest, "actorId": guest,
            "response": response })
    };
    for (response, notice, body) in [
        ("ACCEPTED", "INVITATION_ACCEPTED", "Ada comes to “Weekly”."),
        ("TENTATIVE", "INVITATION_TENTATIVE", "Ada may come to “Weekly”."),
        ("DECLINED", "INVITATION_DECLINED", "Ada doesn't come to “Weekly”."),
    ] {
        tell(&stage.kernel, kind::PARTICIPANT_RESPONDED, meeting, guest, answer(response)).await;
        assert_eq!(stage.told(host, notice).await["body"], body);
    }
    assert_eq!(stage.kinds(guest).await, ["WELCOME", "MEETING_INVITATION"], "the host alone");
    // With the account the name goes, from what others were told too.
    tell(&stage.kernel, kind::USER_DELETED, guest, guest, json!({ "userId": guest })).await;
    eventually(DEADLINE, || async {
        let item = stage.told(host, "INVITATION_DECLINED").await;
        item["body"] == "Somebody doesn't come to “Weekly”."
    })
    .await;
}

#[tokio::test]
async fn todos_and_tasks_are_told_to_those_they_concern() {
    let stage = Stage::new().await;
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let meeting = stage.meeting(&[host, guest]).await;
    let todo = Uuid::now_v7();
    let about = |status: &str, actor: Uuid| {
        json!({ "todoId": todo, "meetingId": meeting, "title": "Report", "status": status,
            "assigneeId": guest, "actorId": actor })
    };
    tell(&stage.kernel, kind::TODO_CREATED, meeting, todo, about("OPEN", host)).await;
    let item = stage.told(guest, "TODO_ASSIGNED").await;
    assert_eq!(item["todo"]["id"], json!(todo));
    assert!(item["title"].as_str().unwrap().contains("Report"));
    tell(&stage.kernel, kind::TODO_STATUS_CHANGED, meeting, todo, about("CANCELLED", host)).await;
    stage.told(guest, "TODO_STATUS_CHANGED").await;
    tell(&stage.kernel, kind::TODO_COMPLETED, meeting, todo, about("DONE", guest)).await;
    stage.told(host, "TODO_COMPLETED").await;

    let task = Uuid::now_v7();
    let ended = |status: &str, by: Value| json!({ "taskId": task, "status": status, "orderingKey": meeting, "requestedBy": by });
    let done = ended("COMPLETED", json!(guest));
    tell(&stage.kernel, kind::TASK_STATE_CHANGED, meeting, task, done).await;
    let item = stage.told(guest, "TASK_COMPLETED").await;
    assert_eq!(item["taskId"], json!(task));
    let failed = ended("FAILED", Value::Null);
    tell(&stage.kernel, kind::TASK_STATE_CHANGED, meeting, task, failed).await;
    stage.told(host, "TASK_FAILED").await;

    // Each notification was told to whom it is for
    let events = told(&stage.kernel).await;
    let to = |who: Uuid| {
        let told = |(kind, data): &&(String, Value)| {
            kind == contract::event::kind::NOTIFICATION_CREATED && data["userId"] == json!(who)
        };
        events.iter().filter(told).count()
    };
    assert_eq!((to(host), to(guest)), (2, 4));
}
