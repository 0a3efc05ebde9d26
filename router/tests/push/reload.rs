//! Subscriptions go on through a new supergraph, if they fit it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{StreamExt as _, stream::BoxStream};
use platform::identity::Identity;
use router::{RequestContext, Variables, push::Delivery, subscription::Query};
use serde_json::{Value, json};

use super::{
    house::{House, MEMBER},
    stand::{PATIENCE, SUPERGRAPH},
    websocket,
};

const ROOM: &str =
    "subscription { roomUpdated(roomId: \"r1\") { type room { id title } job { id } } }";
const TITLE: &str = "  title: String! @viewerIndependent @join__field(graph: ROOMS)\n";
const GUARD: &str = "room(id: $roomId) { __typename id } job: latestJob";

struct Client(BoxStream<'static, Delivery>);

impl Client {
    fn start(house: &House) -> Self {
        let viewer = platform::identity::Viewer {
            id: MEMBER.parse().unwrap(),
            scopes: vec![],
            roles: vec![],
            expires_at: i64::MAX,
        };
        let query = Query {
            query: ROOM.to_owned(),
            operation_name: None,
            variables: Variables::default(),
            last_event_id: None,
        };
        let context = RequestContext::new(Identity::Viewer(viewer));
        Self(house.router.gateway().live.run(query, context))
    }

    async fn delivery(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("a delivery in time").expect("not over yet")
    }

    async fn event(&mut self) -> Value {
        match self.delivery().await {
            Delivery::Next { body, .. } => {
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body.get("errors"), None, "{body}");
                body["data"]["roomUpdated"].clone()
            }
            other => panic!("no event but {other:?}"),
        }
    }
}

fn changed(from: &str, to: &str) -> String {
    assert_eq!(SUPERGRAPH.matches(from).count(), 1, "{from}");
    SUPERGRAPH.replace(from, to)
}

#[tokio::test]
async fn a_subscription_goes_on_while_its_operation_fits() {
    let house = House::new().await;
    let mut client = Client::start(&house);
    assert_eq!(client.event().await["type"], "SNAPSHOT");
    let schemas = [
        changed(TITLE, &format!("{TITLE}  colour: String @join__field(graph: ROOMS)\n")),
        // Another event source: it begins anew after the last event.
        changed(GUARD, &GUARD.replace("id }", "id title }")),
        SUPERGRAPH.to_owned(),
    ];
    for (number, sdl) in schemas.into_iter().cycle().take(9).enumerate() {
        let before = house.stand.room("r1").await;
        house.router.reload(sdl).await.unwrap();
        let after = house.stand.room("r1").await;
        for id in [before, after] {
            let event = client.event().await;
            assert_eq!(event["type"], "ROOM_CHANGED");
            assert_eq!(event["job"]["id"], *id, "reload {number}: in order, none lost or doubled");
            assert_eq!(event["room"], json!({ "id": "r1", "title": "first" }));
        }
    }
    assert_eq!(house.subscriptions(), 1);
}

#[tokio::test]
async fn a_subscription_that_does_not_fit_is_told_and_ends() {
    let house = House::new().await;
    let mut client = Client::start(&house);
    client.event().await;
    house.router.reload(changed(TITLE, "")).await.unwrap();
    match client.delivery().await {
        Delivery::Failed(errors) => {
            assert_eq!(errors[0].code(), "SUBSCRIPTION_SCHEMA_RELOAD");
            assert!(errors[0].message.contains("title"), "{errors:?}");
        }
        other => panic!("no failure but {other:?}"),
    }
    assert!(client.0.next().await.is_none());
    drop(client);
    assert_eq!(house.subscriptions(), 0);
}

#[tokio::test]
async fn event_sources_may_go_and_come_back() {
    let house = House::new().await;
    let start = SUPERGRAPH.find("  roomUpdated(").unwrap();
    let end = SUPERGRAPH.find("  inbox(").unwrap();
    let without = format!("{}{}", &SUPERGRAPH[..start], &SUPERGRAPH[end..]);
    house.router.reload(without).await.unwrap();
    let mut refused = Client::start(&house);
    assert!(matches!(refused.delivery().await, Delivery::Failed(_)));
    house.router.reload(SUPERGRAPH).await.unwrap();
    let mut client = Client::start(&house);
    client.event().await;
    let id = house.stand.room("r1").await;
    assert_eq!(client.event().await["job"]["id"], *id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_socket_loses_its_subscription_or_a_request() {
    const EVENTS: usize = 150;
    const RELOADS: usize = 6;
    // Given a socket with a subscription, and events and requests that don't stop
    let house = House::new().await;
    let mut client = websocket::Client::of(&house, MEMBER).await;
    client.subscribe("s", ROOM).await;
    assert_eq!(client.next("s").await["data"]["roomUpdated"]["type"], "SNAPSHOT");
    let mut asker = websocket::Client::of(&house, MEMBER).await;
    let stand = Arc::clone(&house.stand);
    let publisher = tokio::spawn(async move {
        for _ in 0..EVENTS {
            stand.room("r1").await;
        }
    });
    let over = Arc::<AtomicBool>::default();
    let asks = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            let mut asked = 0;
            while !over.load(Ordering::SeqCst) {
                // Cached plans and new ones.
                let query = format!("{{ a{}: room(id: \"r1\") {{ title }} }}", asked % 7);
                asker.subscribe("q", &query).await;
                let answer = asker.next("q").await;
                assert_eq!(answer.get("errors"), None, "{answer}");
                assert_eq!(asker.hear().await["type"], "complete");
                asked += 1;
            }
            asked
        }
    });
    // When the supergraph changes again and again, also its event source
    let reloads = async {
        let schemas = [changed(GUARD, &GUARD.replace("id }", "id title }")), SUPERGRAPH.to_owned()];
        for number in 0..RELOADS {
            house.router.reload(schemas[number % 2].clone()).await.expect("it fits");
        }
        over.store(true, Ordering::SeqCst);
    };
    let events = async {
        for number in 0..EVENTS {
            let event = client.next("s").await["data"]["roomUpdated"].take();
            assert_eq!(event["job"]["id"], format!("e{number}"), "in order, none lost or doubled");
        }
    };
    tokio::join!(reloads, events);
    // Then nobody has noticed
    publisher.await.expect("published");
    assert!(asks.await.expect("no request failed") > 0);
    assert_eq!(house.subscriptions(), 1);
}
