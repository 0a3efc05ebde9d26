//! Two routers on one stream: a subscription that was begun on one is resumed on the
//! other, over real sockets.

use std::sync::Arc;

use http::{HeaderValue, header::HeaderName};
use serde_json::{Value, json};

use super::{
    house::{House, MEMBER, token},
    sse::{Stream, post},
    stand::eventually,
    websocket::Client,
};

/// Enough for many visits, and for events that come between and during them.
const EVENTS: usize = 400;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ROOM: &str = "subscription($after: Cursor) { roomUpdated(roomId: \"r1\", after: $after) { cursor type room { title } job { id } } }";

/// What a client has so far.
#[derive(Default)]
struct Seen {
    cursor: Option<String>,
    jobs: Vec<String>,
}

impl Seen {
    fn note(&mut self, response: &Value) {
        let event = &response["data"]["roomUpdated"];
        assert_eq!(event["room"]["title"], "first", "{response}");
        self.cursor = Some(event["cursor"].as_str().expect("a cursor").to_owned());
        if event["type"] != "SNAPSHOT" {
            self.jobs.push(event["job"]["id"].as_str().expect("an id").to_owned());
        }
    }
}

/// Reads some events over a WebSocket, going on with `after`.
async fn visit_by_websocket(house: &House, events: usize, seen: &mut Seen) {
    let mut client = Client::of(house, MEMBER).await;
    let payload = json!({"query": ROOM, "variables": {"after": seen.cursor}});
    client.say(json!({"id": "1", "type": "subscribe", "payload": payload})).await;
    for _ in 0..events {
        let response = client.next("1").await;
        seen.note(&response);
    }
}

/// Reads some events over SSE, going on with `Last-Event-ID`.
async fn visit_by_sse(house: &House, events: usize, seen: &mut Seen) {
    let mut request = post(house, Some(&token(MEMBER, 600)), &json!({"query": ROOM}));
    if let Some(cursor) = &seen.cursor {
        let cursor = HeaderValue::from_str(cursor).expect("a cursor is a header value");
        request.headers_mut().insert(LAST_EVENT_ID, cursor);
    }
    let mut stream = Stream::open(house, request).await;
    for _ in 0..events {
        let event = stream.event().await;
        assert_eq!(event.name, "next");
        seen.note(&event.data());
        assert_eq!(event.id, seen.cursor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_from_router_to_router_and_loses_and_doubles_nothing() {
    // Given two routers and events that don't stop
    let house = House::new().await;
    let houses = [house.beside().await, house];
    let mut seen = Seen::default();
    visit_by_websocket(&houses[0], 1, &mut seen).await;
    let stand = Arc::clone(&houses[0].stand);
    let publisher = tokio::spawn(async move {
        for _ in 0..EVENTS {
            stand.room("r1").await;
        }
    });
    // When a client goes to and fro, by both transports and after longer and shorter visits
    let mut visit = 0;
    while seen.jobs.len() < EVENTS {
        visit += 1;
        let events = (visit * 11 % 37 + 1).min(EVENTS - seen.jobs.len());
        let house = &houses[visit % 2];
        match visit / 2 % 2 {
            0 => visit_by_websocket(house, events, &mut seen).await,
            _ => visit_by_sse(house, events, &mut seen).await,
        }
    }
    publisher.await.expect("published");
    // Then it has seen every event once, in order
    let expected: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    assert_eq!(seen.jobs, expected);
    assert!(visit > 8, "it went to and fro");
    for house in &houses {
        eventually(|| house.subscriptions() == 0).await;
    }
}
