//! Who may listen, and how a subscription begins and ends.

use futures::FutureExt;
use router::{
    BuildError, Router,
    push::{Config, Subscriber},
};
use serde_json::json;

use super::stand::{SUPERGRAPH, Script, Stand, eventually, request};

#[tokio::test]
async fn a_snapshot_comes_first_and_then_what_concerns_the_client() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = side.subscribe(request("roomUpdated", Script::room(), None)).await;
    let snapshot = client.event().await;
    assert_eq!(snapshot.kind(), "SNAPSHOT");
    assert_eq!(snapshot.event["room"], json!({"id": "r1"}));
    assert_eq!(snapshot.event["job"], json!(null));
    stand.room("r2").await;
    let id = stand.room("r1").await;
    let event = client.event().await;
    assert_eq!(event.kind(), "ROOM_CHANGED");
    assert_eq!(event.event["job"], json!({"id": id}));
    assert!(!client.has_more());
}

#[tokio::test]
async fn what_happens_while_the_guard_reads_comes_after_the_snapshot() {
    let stand = std::sync::Arc::new(Stand::new().await);
    let side = stand.side(Config::default());
    let publisher = stand.clone();
    let answer = json!({"data": {"room": {"__typename": "Room", "id": "r1"}, "job": null}});
    let script = Script::during_guard(answer, move || {
        let publisher = publisher.clone();
        async move {
            publisher.room("r1").await;
        }
        .boxed()
    });
    let mut client = side.subscribe(request("roomUpdated", script, None)).await;
    assert_eq!(client.event().await.kind(), "SNAPSHOT");
    let event = client.event().await;
    assert_eq!(event.event["job"], json!({"id": "e0"}));
    assert!(!client.has_more());
}

#[tokio::test]
async fn what_is_not_the_viewers_does_not_exist() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let no = || Script::answering(json!({"data": {"room": null, "job": null}}));
    for field in ["roomUpdated", "lines"] {
        assert_eq!(side.refusal(request(field, no(), None)).await, "NOT_FOUND");
        let mut anonymous = request(field, no(), None);
        anonymous.subscriber = None;
        assert_eq!(side.refusal(anonymous).await, "UNAUTHENTICATED");
    }
    // The guard stands before a resumed subscription as well.
    let mut client = side.subscribe(request("roomUpdated", Script::room(), None)).await;
    let cursor = client.event().await.cursor;
    let resumed = request("roomUpdated", no(), Some(&cursor));
    assert_eq!(side.refusal(resumed).await, "NOT_FOUND");
    drop(client);
    eventually(|| side.plane.subscriptions() == 0).await;
}

#[tokio::test]
async fn who_loses_his_access_loses_the_stream_at_once() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let script = Script::room();
    let mut client = side.subscribe(request("roomUpdated", script.clone(), None)).await;
    client.event().await;
    let revoke = async |viewer: &str, id: &str| {
        let subject = format!("app.live.r1.access.{viewer}.revoked");
        stand.publish(&subject, id, "app.access.revoked.v1", &json!({})).await;
    };
    // Somebody else's loss, and one that isn't of this room: the stream goes on, without a word.
    revoke("v2", "1").await;
    revoke("v1", "2").await;
    stand.room("r1").await;
    assert_eq!(client.event().await.kind(), "ROOM_CHANGED");
    // His own: no event of the room is needed to end it.
    script.answer_from_now_on(json!({"data": {"room": null, "job": null}}));
    revoke("v1", "3").await;
    assert_eq!(client.failure().await, "NOT_FOUND");
    // A guard that can't be asked then is a no as well.
    let script = Script::room();
    let mut client = side.subscribe(request("roomUpdated", script.clone(), None)).await;
    client.event().await;
    let error = json!({"message": "later", "extensions": {"code": "SUBREQUEST_TIMEOUT"}});
    script.answer_from_now_on(json!({"data": null, "errors": [error]}));
    revoke("v1", "4").await;
    assert_eq!(client.failure().await, "SUBREQUEST_TIMEOUT");
}

#[tokio::test]
async fn a_guard_that_fails_is_no_answer() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let error = json!({"message": "later", "extensions": {"code": "SUBREQUEST_TIMEOUT"}});
    let half = json!({"data": {"room": {"__typename": "Room", "id": "r1"}, "job": null}, "errors": [error]});
    let refusal = side.refusal(request("roomUpdated", Script::answering(half.clone()), None)).await;
    assert_eq!(refusal, "SUBREQUEST_TIMEOUT", "a snapshot with holes would pass for the state");
    let mut client = side.subscribe(request("roomUpdated", Script::room(), None)).await;
    let cursor = client.event().await.cursor;
    // Who resumes has had a snapshot; the room itself is known.
    side.subscribe(request("roomUpdated", Script::answering(half), Some(&cursor))).await;
    let nothing = Script::answering(json!({"data": null, "errors": [error]}));
    let refusal = side.refusal(request("roomUpdated", nothing, Some(&cursor))).await;
    assert_eq!(refusal, "SUBREQUEST_TIMEOUT");
}

#[tokio::test]
async fn arguments_must_be_single_tokens() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    for wrong in ["*", ">", "a.b", "", "r 1", &"x".repeat(65)] {
        let mut request = request("roomUpdated", Script::room(), None);
        request.arguments.insert("roomId".to_owned(), wrong.into());
        assert_eq!(side.refusal(request).await, "BAD_USER_INPUT", "{wrong:?}");
    }
}

#[tokio::test]
async fn the_viewers_own_subject_needs_a_viewer() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let script = || Script::answering(json!({"data": {"__typename": "Query"}}));
    let mut anonymous = request("inbox", script(), None);
    anonymous.subscriber = None;
    assert_eq!(side.refusal(anonymous).await, "UNAUTHENTICATED");
    let mut client = side.subscribe(request("inbox", script(), None)).await;
    client.event().await;
    stand.publish("app.event.v2.mail.m1.came", "1", "app.mail.came.v1", &json!({})).await;
    stand.publish("app.event.v1.mail.m2.came", "2", "app.mail.came.v1", &json!({})).await;
    assert_eq!(client.event().await.kind(), "MAIL_CAME");
    assert!(!client.has_more());
}

#[tokio::test]
async fn the_last_event_completes_the_subscription() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = side.subscribe(request("jobUpdated", Script::job(None), None)).await;
    let snapshot = client.event().await;
    stand.job("j1", None).await;
    stand.job("j1", Some("t")).await;
    stand.job("j1", Some("t")).await;
    assert_eq!(client.event().await.kind(), "JOB_STATE_CHANGED");
    let last = client.event().await;
    client.completes().await;

    // A job that ended before the client came is still reported.
    let mut late = side.subscribe(request("jobUpdated", Script::job(Some("t")), None)).await;
    assert_eq!(late.event().await.kind(), "SNAPSHOT");
    late.completes().await;

    // Who missed the last event gets it and the end.
    let after = Some(snapshot.cursor.as_str());
    let mut resumed = side.subscribe(request("jobUpdated", Script::job(Some("t")), after)).await;
    assert_eq!(resumed.event().await.kind(), "JOB_STATE_CHANGED");
    assert_eq!(resumed.event().await.cursor, last.cursor);
    resumed.completes().await;
}

#[tokio::test]
async fn who_resumes_with_nothing_left_to_come_does_not_wait_for_ever() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = side.subscribe(request("jobUpdated", Script::job(None), None)).await;
    client.event().await;
    stand.job("j1", Some("t")).await;
    let last = client.event().await.cursor;
    let mut resumed =
        side.subscribe(request("jobUpdated", Script::job(Some("t")), Some(&last))).await;
    assert_eq!(resumed.event().await.kind(), "SNAPSHOT");
    resumed.completes().await;
}

#[tokio::test]
async fn an_expired_token_ends_the_stream() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut expiring = request("roomUpdated", Script::room(), None);
    expiring.subscriber =
        Some(Subscriber { id: "v1".to_owned(), expires_at: chrono::Utc::now().timestamp() + 1 });
    let mut client = side.subscribe(expiring).await;
    client.event().await;
    assert_eq!(client.failure().await, "UNAUTHENTICATED");
    assert!(!client.has_more() || side.plane.subscriptions() <= 1);
    drop(client);
    eventually(|| side.plane.subscriptions() == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_at_once() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = side.subscribe(request("roomUpdated", Script::room(), None)).await;
    client.event().await;
    assert_eq!(side.plane.subscriptions(), 1);
    drop(client);
    assert_eq!(side.plane.subscriptions(), 0);
}

#[tokio::test]
async fn a_guard_that_does_not_fit_the_supergraph_stops_the_start() {
    let stand = Stand::new().await;
    let broken =
        SUPERGRAPH.replace("room(id: $roomId) { __typename id }", "room(id: $roomId) { no }");
    assert_ne!(broken, SUPERGRAPH);
    let built = Router::builder(broken, router::Config::default())
        .events(stand.context.clone(), stand.prefix.clone())
        .build()
        .await;
    assert!(matches!(built.err(), Some(BuildError::Guard { .. })));
}
