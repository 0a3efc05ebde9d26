//! Going on after a cursor: nothing lost, nothing doubled, and a clear word where
//! that can't be.

use std::sync::Arc;

use router::push::{Config, Cursor};
use serde_json::json;

use super::{
    stand::{Client, PATIENCE, Script, Side, Stand, eventually, request},
    wire::Wire,
};

async fn room(side: &Side, after: Option<&str>) -> Client {
    side.subscribe(request("roomUpdated", Script::room(), after)).await
}

async fn refusal_or_failure(side: &Side, after: &str) -> String {
    room(side, Some(after)).await.failure().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_again_and_again_loses_and_doubles_nothing_while_a_publisher_runs() {
    const EVENTS: usize = 1_500;
    let stand = Arc::new(Stand::new().await);
    // Two routers with small rings, so that clients go through the stream as well. One
    // reads it in pieces smaller than its ring, the other reads to the very end and
    // finds that its ring has been overtaken meanwhile.
    let small = |ring_messages, replay_chunk_messages| Config {
        ring_messages,
        replay_chunk_messages,
        queue_messages: 10_000,
        ..Config::default()
    };
    let sides = [stand.side(small(24, 8)), stand.side(small(2, 512))];
    let mut client = room(&sides[0], None).await;
    let mut cursor = client.event().await.cursor;
    let publisher = tokio::spawn({
        let stand = stand.clone();
        async move {
            for _ in 0..EVENTS {
                stand.room("r1").await;
            }
        }
    });
    let mut seen = Vec::new();
    // Short and long visits.
    let mut visit = 0;
    while seen.len() < EVENTS {
        visit += 1;
        for _ in 0..(visit * 7) % 60 + 1 {
            if seen.len() == EVENTS {
                break;
            }
            let event = client.event().await;
            seen.push(event.event["job"]["id"].as_str().expect("an id").to_owned());
            cursor = event.cursor;
        }
        drop(client);
        // Now and then the client stays away until the ring has forgotten its place.
        if visit % 3 == 0 {
            let far = (seen.len() + 60).min(EVENTS);
            eventually(|| stand.published() >= far).await;
        }
        client = room(&sides[visit % 2], Some(&cursor)).await;
    }
    publisher.await.expect("published");
    let expected: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    assert_eq!(seen, expected);
    assert!(!client.has_more());
    assert!(visit > 10, "it was resumed often");
}

#[tokio::test]
async fn a_cursor_within_the_ring_is_served_from_memory() {
    let stand = Stand::new().await;
    // No replay from the stream can begin.
    let side = stand.side(Config {
        replay_consumers: 0,
        replay_wait_ms: 50,
        ring_messages: 3,
        ..Config::default()
    });
    let mut client = room(&side, None).await;
    let first = client.event().await.cursor;
    let mut ids = Vec::new();
    let mut cursors = Vec::new();
    for _ in 0..5 {
        ids.push(stand.room("r1").await);
        cursors.push(client.event().await.cursor);
    }
    let mut resumed = room(&side, Some(&cursors[1])).await;
    for id in &ids[2..] {
        assert_eq!(resumed.event().await.event["job"]["id"], id.as_str());
    }
    // Beyond the ring it would need the stream.
    assert_eq!(refusal_or_failure(&side, &first).await, "INTERNAL_SERVER_ERROR");
}

#[tokio::test]
async fn a_cursor_beyond_the_ring_is_served_from_the_stream() {
    let stand = Stand::new().await;
    let side =
        stand.side(Config { ring_messages: 0, replay_chunk_messages: 2, ..Config::default() });
    let mut client = room(&side, None).await;
    let cursor = client.event().await.cursor;
    let mut ids = Vec::new();
    for _ in 0..7 {
        stand.room("r2").await;
        ids.push(stand.room("r1").await);
        client.event().await;
    }
    let mut resumed = room(&side, Some(&cursor)).await;
    for id in &ids {
        assert_eq!(resumed.event().await.event["job"]["id"], id.as_str());
    }
    let id = stand.room("r1").await;
    assert_eq!(resumed.event().await.event["job"]["id"], id.as_str());
    assert!(!resumed.has_more());
}

#[tokio::test]
async fn after_a_restart_and_on_another_router_the_cursor_holds() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    let cursor = client.event().await.cursor;
    drop((client, side));
    let ids = [stand.room("r1").await, stand.room("r1").await];
    // A new one has no memory but what it reads at its start.
    let again = stand.side(Config { replay_consumers: 0, ..Config::default() });
    let mut resumed = room(&again, Some(&cursor)).await;
    for id in &ids {
        assert_eq!(resumed.event().await.event["job"]["id"], id.as_str());
    }
}

#[tokio::test]
async fn retained_events_come_first_where_the_field_says_so() {
    let stand = Stand::new().await;
    for line in ["l1", "l2", "l3"] {
        stand.line("r1", line).await;
        stand.line("r2", "other").await;
    }
    for ring_messages in [0, 100] {
        let side =
            stand.side(Config { ring_messages, replay_chunk_messages: 2, ..Config::default() });
        let mut client = side.subscribe(request("lines", Script::room(), None)).await;
        for line in ["l1", "l2", "l3"] {
            let event = client.event().await;
            assert_eq!(
                (event.kind(), &event.event["line"]),
                ("LINE_RECOGNISED", &json!({"id": line}))
            );
        }
        assert!(!client.has_more());
        // Everything that is left, even when the oldest is gone: that is no gap.
    }
    let stream = stand.context.get_stream(stand.stream()).await.expect("there");
    stream.purge().sequence(3).await.expect("purged");
    let side = stand.side(Config::default());
    let mut client = side.subscribe(request("lines", Script::room(), None)).await;
    assert_eq!(client.event().await.event["line"], json!({"id": "l2"}));
}

#[tokio::test]
async fn a_cursor_older_than_the_stream_is_told() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    let aged = client.event().await.cursor;
    stand.room("r1").await;
    let held = client.event().await.cursor;
    stand.room("r1").await;
    drop((client, side));
    let stream = stand.context.get_stream(stand.stream()).await.expect("there");
    stream.purge().sequence(2).await.expect("purged");
    let side = stand.side(Config::default());
    assert_eq!(refusal_or_failure(&side, &aged).await, "SUBSCRIPTION_GAP");
    let mut resumed = room(&side, Some(&held)).await;
    assert_eq!(resumed.event().await.event["job"]["id"], "e1");
    assert!(!resumed.has_more());
}

#[tokio::test]
async fn a_recreated_stream_is_told_to_who_listens_and_to_who_comes_back() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    let cursor = client.event().await.cursor;
    stand.room("r1").await;
    client.event().await;
    stand.delete_stream().await;
    stand.create_stream().await;
    assert_eq!(client.failure().await, "SUBSCRIPTION_GAP");
    assert_eq!(refusal_or_failure(&side, &cursor).await, "SUBSCRIPTION_GAP");
    let mut fresh = room(&side, None).await;
    assert_eq!(fresh.event().await.kind(), "SNAPSHOT");
    let id = stand.room("r1").await;
    assert_eq!(fresh.event().await.event["job"]["id"], id.as_str());
}

#[tokio::test]
async fn a_lost_reader_goes_on_where_it_stood() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    client.event().await;
    for _ in 0..3 {
        let stream = stand.context.get_stream(stand.stream()).await.expect("there");
        let names: Vec<_> =
            futures::TryStreamExt::try_collect(stream.consumer_names()).await.expect("a list");
        for name in names {
            let name: String = name;
            stream.delete_consumer(&name).await.expect("deleted");
        }
        let ids = [stand.room("r1").await, stand.room("r1").await];
        for id in &ids {
            assert_eq!(client.event().await.event["job"]["id"], id.as_str());
        }
    }
    assert!(!client.has_more());
}

#[tokio::test]
async fn a_lost_server_costs_time_but_no_event() {
    let stand = Stand::new().await;
    let wire = Wire::new().await;
    let client = async_nats::connect(&wire.url).await.expect("NATS can be reached");
    let side = stand.side_by(async_nats::jetstream::new(client), Config::default());
    let mut client = room(&side, None).await;
    let cursor = client.event().await.cursor;
    for _ in 0..2 {
        wire.cut();
        let ids = [stand.room("r1").await, stand.room("r1").await];
        // Who comes meanwhile finds what is known, and gets the rest later.
        let mut late = room(&side, Some(&cursor)).await;
        assert!(!client.has_more());
        wire.mend();
        for id in &ids {
            assert_eq!(client.event().await.event["job"]["id"], id.as_str());
        }
        late.event().await;
    }
    assert!(!client.has_more());
}

#[tokio::test]
async fn garbage_is_no_cursor_and_a_made_up_future_is_a_gap() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    for garbage in ["", "x", "!!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let refusal = side.refusal(request("roomUpdated", Script::room(), Some(garbage))).await;
        assert_eq!(refusal, "INVALID_CURSOR", "{garbage:?}");
    }
    let cursor = room(&side, None).await.event().await.cursor;
    let now = Cursor::decode(&cursor).expect("ours");
    let ahead = Cursor { sequence: now.sequence + 1_000, ..now };
    assert_eq!(refusal_or_failure(&side, &ahead.encode()).await, "SUBSCRIPTION_GAP");
    let other = Cursor { epoch_ns: now.epoch_ns + 1, ..now };
    assert_eq!(refusal_or_failure(&side, &other.encode()).await, "SUBSCRIPTION_GAP");
}

#[tokio::test]
async fn the_transports_cursor_counts_unless_the_argument_is_there() {
    let stand = Stand::new().await;
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    let first = client.event().await.cursor;
    stand.room("r1").await;
    let second = client.event().await.cursor;
    stand.room("r1").await;
    let mut by_header = request("roomUpdated", Script::room(), None);
    by_header.last_event_id = Some(second.clone());
    let mut resumed = side.subscribe(by_header).await;
    assert_eq!(resumed.event().await.event["job"]["id"], "e1");
    let mut both = request("roomUpdated", Script::room(), Some(&first));
    both.last_event_id = Some(second);
    let mut resumed = side.subscribe(both).await;
    assert_eq!(resumed.event().await.event["job"]["id"], "e0");
}

#[tokio::test]
async fn copies_of_an_event_come_once() {
    let stand = Stand::new().await;
    let changed = json!({"room": {"__typename": "Room", "id": "r1"}, "job": null});
    let publish = |id: &'static str| {
        stand.publish("app.event.r1.room.r1.changed", id, "app.room.changed.v1", &changed)
    };
    let side = stand.side(Config::default());
    let mut client = room(&side, None).await;
    let cursor = client.event().await.cursor;
    assert!(!publish("a").await);
    // The stream itself forgets after its window; then a copy is stored again.
    let copied = async { while publish("a").await {} };
    tokio::time::timeout(PATIENCE, copied).await.expect("the window passed");
    publish("b").await;
    let a = client.event().await.cursor;
    let b = client.event().await.cursor;
    assert!(!client.has_more());
    // From memory, and from the stream on a router that begins anew.
    let fresh = stand.side(Config { ring_messages: 0, ..Config::default() });
    for side in [&side, &fresh] {
        let mut resumed = room(side, Some(&cursor)).await;
        assert_eq!(resumed.event().await.cursor, a);
        assert_eq!(resumed.event().await.cursor, b);
        assert!(!resumed.has_more());
    }
}

#[tokio::test]
async fn a_slow_client_is_told_and_can_go_on() {
    let stand = Stand::new().await;
    let side = stand.side(Config { queue_messages: 4, ..Config::default() });
    let mut slow = room(&side, None).await;
    let cursor = slow.event().await.cursor;
    for _ in 0..6 {
        stand.room("r1").await;
    }
    eventually(|| side.plane.subscriptions() == 0).await;
    assert_eq!(slow.failure().await, "SUBSCRIPTION_SLOW_CLIENT");
    let mut resumed = room(&side, Some(&cursor)).await;
    for n in 0..6 {
        assert_eq!(resumed.event().await.event["job"]["id"], format!("e{n}"));
    }
}

#[tokio::test]
async fn without_a_stream_it_says_so() {
    let stand = Stand::new().await;
    stand.delete_stream().await;
    let side = stand.side(Config { ready_timeout_ms: 100, ..Config::default() });
    let refusal = side.refusal(request("roomUpdated", Script::room(), None)).await;
    assert_eq!(refusal, "INTERNAL_SERVER_ERROR");
    stand.create_stream().await;
    let patient = async {
        loop {
            let request = request("roomUpdated", Script::room(), None);
            if side.plane.subscribe(request).await.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, patient).await.expect("it recovers by itself");
}
