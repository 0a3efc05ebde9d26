//! One's own inbox.

use platform::identity::Identity;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, viewer};

#[tokio::test]
async fn an_inbox_is_read_and_marked() {
    let stage = Stage::new().await;
    let (host, guest) = (stage.person("ko").await, stage.person("en-US").await);
    for _ in 0..3 {
        stage.meeting(&[host, guest]).await;
    }
    let count = async |who: Uuid| {
        let me = stage.caller.entity(&viewer(who), "User", who, "unreadNotificationCount").await;
        me["unreadNotificationCount"].clone()
    };
    // A welcome and three invitations
    eventually(DEADLINE, || async { count(guest).await == 4 }).await;
    let newest = stage.inbox(guest).await[0].clone();
    assert_eq!(newest["title"], "Invitation: Weekly");

    let payload = "me { unreadNotificationCount } markedCount";
    let mark = async |who: Uuid, ids: Value| {
        let input = json!({ "notificationIds": ids });
        stage.caller.mutate(&viewer(who), "markNotificationsRead", payload, input).await
    };
    // Only one's own
    let other = mark(host, json!([newest["id"], "garbage"])).await;
    assert_eq!((&other["markedCount"], count(guest).await), (&json!(0), json!(4)));
    let one = mark(guest, json!([newest["id"]])).await;
    assert_eq!(one["markedCount"], 1);
    assert_eq!(one["me"]["unreadNotificationCount"], 3);
    for (filter, expected) in [
        ("{ unread: true }", json!(["MEETING_INVITATION", "MEETING_INVITATION", "WELCOME"])),
        ("{ unread: false }", json!(["MEETING_INVITATION"])),
        ("{ kind: [WELCOME] }", json!(["WELCOME"])),
        ("{ kind: [WELCOME], unread: false }", json!([])),
        ("{ kind: [] }", json!([])),
    ] {
        let fields = format!("notifications(filter: {filter}) {{ nodes {{ kind }} }}");
        let found = stage.caller.entity(&viewer(guest), "User", guest, &fields).await;
        let nodes = found["notifications"]["nodes"].as_array().unwrap().iter();
        let kinds: Value = nodes.map(|node| node["kind"].clone()).collect();
        assert_eq!(kinds, expected, "{filter}");
    }
    assert_eq!(mark(guest, Value::Null).await["markedCount"], 3, "left out: all of them");
    assert_eq!(count(guest).await, 0);
    assert!(stage.inbox(guest).await.iter().all(|item| item["readAt"].is_string()));
    let many = json!({ "input": { "notificationIds": vec![guest; 101] } });
    let query = "mutation($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) { markedCount } }";
    assert_eq!(stage.caller.code(&viewer(guest), query, many).await, "BAD_USER_INPUT");

    // Page by page, newest first
    let fields = "notifications(first: 3) { nodes { kind } pageInfo { hasNextPage endCursor } }";
    let page = stage.caller.entity(&viewer(guest), "User", guest, fields).await;
    let end = page["notifications"]["pageInfo"]["endCursor"].as_str().unwrap();
    let fields = format!(
        "notifications(after: \"{end}\") {{ nodes {{ kind }} pageInfo {{ hasNextPage }} }}"
    );
    let last = stage.caller.entity(&viewer(guest), "User", guest, &fields).await;
    let rest = json!({ "nodes": [{ "kind": "WELCOME" }], "pageInfo": { "hasNextPage": false } });
    assert_eq!(last["notifications"], rest);
}

#[tokio::test]
async fn nobody_sees_anothers_inbox() {
    let stage = Stage::new().await;
    let (one, other) = (stage.person("ko").await, stage.person("ko").await);
    let id: Uuid = stage.inbox(one).await[0]["id"].as_str().unwrap().parse().unwrap();
    let fields = "notifications { nodes { id } } unreadNotificationCount";
    let seen = stage.caller.entity(&viewer(other), "User", one, fields).await;
    let nothing = json!({ "notifications": null, "unreadNotificationCount": null });
    assert_eq!(seen, nothing);
    assert_eq!(stage.caller.entity(&viewer(other), "Notification", id, "id").await, Value::Null);
    let root = "query($id: ID!) { notification(id: $id) { id } }";
    let seen = stage.caller.data(&viewer(other), root, json!({ "id": id })).await;
    assert_eq!(seen["notification"], Value::Null);
    let seen = stage.caller.data(&viewer(one), root, json!({ "id": id })).await;
    assert_eq!(seen["notification"]["id"], json!(id));
    let r = json!({ "r": [{ "__typename": "Notification", "id": id }] });
    for (query, variables) in [
        (root, json!({ "id": id })),
        ("query($r: [_Any!]!) { _entities(representations: $r) { __typename } }", r),
        ("mutation { markNotificationsRead(input: {}) { markedCount } }", json!({})),
    ] {
        let code = stage.caller.code(&Identity::Anonymous, query, variables).await;
        assert_eq!(code, "UNAUTHENTICATED", "{query}");
    }
}
