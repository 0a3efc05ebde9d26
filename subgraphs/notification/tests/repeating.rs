//! Every change can be sent again under its key: it is done once, and answered again.

use contract::testing::told;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

const WEBHOOK: &str = "webhook { url createdAt } secret";

async fn ask(
    stage: &Stage,
    who: Uuid,
    name: &str,
    fields: &str,
    mut input: Value,
    key: &str,
) -> Value {
    input["idempotencyKey"] = json!(key);
    let payload = stage.caller.mutate(&viewer(who), name, fields, input.clone()).await;
    // Nobody's key is too long, or empty.
    input["idempotencyKey"] = json!("k".repeat(201));
    let refused = stage.caller.mutate(&viewer(who), name, fields, input).await;
    assert_eq!(refused["userErrors"][0]["code"], "INVALID_IDEMPOTENCY_KEY", "{name}");
    payload
}

#[tokio::test]
async fn what_was_read_once_is_marked_once() {
    let stage = Stage::new().await;
    let (host, guest) = (stage.person("ko").await, stage.person("ko").await);
    stage.meeting(&[host, guest]).await;
    let fields = "markedCount me { unreadNotificationCount }";
    let mark =
        async |input: Value| ask(&stage, guest, "markNotificationsRead", fields, input, "k").await;
    let first = mark(json!({})).await;
    assert_eq!(first["markedCount"], 2, "a welcome and an invitation: {first}");
    // What came since isn't read, though all is marked again.
    stage.meeting(&[host, guest]).await;
    let unread =
        async || stage.inbox(guest).await.iter().filter(|one| one["readAt"].is_null()).count();
    eventually(DEADLINE, || async { unread().await == 1 }).await;
    let again = mark(json!({})).await;
    assert_eq!(again["markedCount"], 2, "the same answer");
    assert_eq!(again["me"]["unreadNotificationCount"], 1);
    // Those of another list are others.
    let newest = stage.inbox(guest).await[0]["id"].clone();
    let named = mark(json!({ "notificationIds": [newest] })).await;
    assert_eq!((&named["markedCount"], unread().await), (&json!(1), 0));
}

#[tokio::test]
async fn choices_are_made_once() {
    let stage = Stage::new().await;
    let who = stage.person("ko").await;
    let fields = "me { notificationPreferences { kind channel enabled } }";
    let choose = async |enabled: bool, key: &str| {
        let one = json!({ "kind": "TODO_ASSIGNED", "channel": "INBOX", "enabled": enabled });
        let input = json!({ "preferences": [one.clone()] });
        let name = "setNotificationPreferences";
        let payload = ask(&stage, who, name, fields, input, key).await;
        payload["me"]["notificationPreferences"].as_array().unwrap().contains(&one)
    };
    assert!(choose(false, "k").await);
    assert!(choose(true, "later").await);
    assert!(!choose(false, "k").await, "what was chosen since stays");
}

#[tokio::test]
async fn a_webhook_is_set_up_and_removed_once_and_tells_its_secret_to_whoever_set_it_up() {
    let stage = Stage::new().await;
    let who = stage.person("ko").await;
    let set = async |url: &str, key: &str| {
        ask(&stage, who, "setWebhook", WEBHOOK, json!({ "url": url }), key).await
    };
    let remove = async |url: &str, key: &str| {
        let input = json!({ "url": url });
        ask(&stage, who, "removeWebhook", "me { webhook { url } }", input, key).await
    };
    let (a, b) = ("https://example.com/a", "https://example.com/b");
    let (first, second) = tokio::join!(set(a, "k"), set(a, "k"));
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"), "{first}");
    assert_eq!(first, second, "of two at once one is done");
    assert_eq!(set(a, "k").await, first, "the secret too");
    // In its place came another one, whose secret isn't told to this key.
    let other = set(b, "k").await;
    assert_ne!(other["secret"], first["secret"]);
    let late = set(a, "k").await;
    assert_eq!((&late["webhook"], &late["secret"]), (&other["webhook"], &Value::Null));

    let long = format!("https://example.com/{}", "x".repeat(1_900));
    for url in [b, &long] {
        set(url, "new").await;
        let gone = json!({ "me": { "webhook": null }, "userErrors": [] });
        assert_eq!(remove(url, "k").await, gone);
        assert_eq!(remove(url, "k").await, gone, "not WEBHOOK_NOT_FOUND");
        set(url, "back").await;
        assert_eq!(remove(url, "k").await["me"]["webhook"]["url"], *url, "it came back, and stays");
    }
    let missing = remove("https://example.com/c", "k").await;
    assert_eq!(missing["userErrors"][0]["code"], "WEBHOOK_NOT_FOUND");
    let late = set(b, "new").await;
    assert_eq!(late["secret"], Value::Null);
}

#[tokio::test]
async fn a_message_to_try_a_channel_is_sent_once() {
    let stage = Stage::new().await;
    let who = stage.person("ko").await;
    let input = json!({ "channel": "INBOX" });
    let test = async || {
        let fields = "notification { id }";
        ask(&stage, who, "sendTestNotification", fields, input.clone(), "k").await
    };
    let (first, second) = tokio::join!(test(), test());
    assert!(first["notification"]["id"].is_string(), "{first}");
    assert_eq!((&first, &test().await), (&second, &first));
    let events = told(&stage.kernel).await;
    let tests =
        events.iter().filter(|(_, data)| data["kind"] == "TEST" && data["userId"] == json!(who));
    assert_eq!(tests.count(), 1);
}
