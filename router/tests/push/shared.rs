//! One event, one execution for all whose answers can't differ; and apart for all others.

use futures::{StreamExt, stream::BoxStream};
use platform::identity::{Identity, Viewer};
use router::{RequestContext, Variables, push::Delivery, subscription::Query};
use serde_json::{Value, json};

use super::{
    house::{FRIEND, GROUP, House, MEMBER, OUTSIDER},
    stand::{PATIENCE, eventually},
};

/// All of it is the same for everybody.
const TITLE: &str = "subscription($room: ID!, $after: Cursor, $more: Boolean = false) {
    roomUpdated(roomId: $room, after: $after) { ...E type room { title } }
}
fragment E on RoomEvent { cursor job { id ... on BuildJob @include(if: $more) { progress } } }";
/// The status is each viewer's own.
const STATUS: &str =
    "subscription($room: ID!) { roomUpdated(roomId: $room) { room { title status } } }";

/// A subscription as its client sees it.
struct Client(BoxStream<'static, Delivery>);

fn viewer(id: &str) -> RequestContext {
    let (scopes, roles) = (Vec::new(), Vec::new());
    let id = id.parse().expect("an id");
    RequestContext::new(Identity::Viewer(Viewer { id, scopes, roles, expires_at: i64::MAX }))
}

impl Client {
    fn start(house: &House, context: RequestContext, query: &str, variables: Value) -> Self {
        let mut all = json!({ "room": GROUP });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, variables) {
            all.extend(more);
        }
        let query = Query {
            query: query.to_owned(),
            operation_name: None,
            variables: Variables::from_json(all).expect("variables"),
            last_event_id: None,
        };
        Self(house.router.gateway().live.run(query, context))
    }

    /// Started, and given its snapshot.
    async fn of(house: &House, context: RequestContext, query: &str) -> Self {
        let mut client = Self::start(house, context, query, json!({}));
        client.event().await;
        client
    }

    async fn delivery(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("a delivery in time").expect("not over yet")
    }

    async fn event(&mut self) -> Value {
        match self.delivery().await {
            Delivery::Next { body, .. } => {
                let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(answer["errors"], Value::Null, "{answer}");
                answer["data"]["roomUpdated"].take()
            }
            other => panic!("no event but {other:?}"),
        }
    }

    async fn failure(&mut self) -> String {
        match self.delivery().await {
            Delivery::Failed(errors) => errors[0].code().to_owned(),
            other => panic!("no failure but {other:?}"),
        }
    }
}

/// In whose name rooms were looked for since the last look.
fn askers(house: &House) -> Vec<Identity> {
    std::mem::take(&mut *house.state.askers.lock().expect("no panic"))
}

fn group() -> Identity {
    Identity::Group { id: GROUP.parse().expect("an id") }
}

#[tokio::test]
async fn viewers_of_the_same_have_one_fetch_and_each_its_answer() {
    // Given two viewers who follow the same
    let house = House::new().await;
    let mut clients = Vec::new();
    for id in [MEMBER, FRIEND] {
        clients.push(Client::of(&house, viewer(id), TITLE).await);
    }
    // Each has had the snapshot for himself
    let own = [MEMBER, FRIEND].map(|id| viewer(id).identity);
    assert_eq!(askers(&house), own);
    // When something happens, twice
    for title in ["second", "third"] {
        title.clone_into(&mut house.state.title.lock().expect("no panic"));
        house.stand.room(GROUP).await;
        let mut events = Vec::new();
        for client in &mut clients {
            events.push(client.event().await);
        }
        // Then each is told the same
        assert_eq!(
            (&events[0]["type"], &events[0]["room"]["title"]),
            (&json!("ROOM_CHANGED"), &json!(title))
        );
        assert_eq!(events[0], events[1]);
        // And it was fetched once, in the group's name
        assert_eq!(askers(&house), [group()]);
    }
    // Somebody who comes back with a cursor shares with the others
    let cursor = {
        house.stand.room(GROUP).await;
        let event = clients[0].event().await;
        clients[1].event().await;
        event["cursor"].clone()
    };
    let mut resumed = Client::start(&house, viewer(FRIEND), TITLE, json!({ "after": cursor }));
    tokio::select! {
        delivery = resumed.delivery() => panic!("nothing has happened: {delivery:?}"),
        () = eventually(|| house.subscriptions() == 3) => {}
    }
    clients.push(resumed);
    askers(&house);
    house.stand.room(GROUP).await;
    for client in &mut clients {
        client.event().await;
    }
    assert_eq!(askers(&house), [group()]);
}

#[tokio::test]
async fn what_is_not_marked_is_fetched_for_each() {
    let house = House::new().await;
    let mut clients = Vec::new();
    for id in [MEMBER, FRIEND] {
        clients.push(Client::of(&house, viewer(id), STATUS).await);
    }
    askers(&house);
    house.stand.room(GROUP).await;
    for client in &mut clients {
        assert_eq!(client.event().await["room"]["status"], "OPEN");
    }
    let mut found = askers(&house);
    found.sort_by_key(|identity| identity != &viewer(MEMBER).identity);
    assert_eq!(found, [MEMBER, FRIEND].map(|id| viewer(id).identity));
}

#[tokio::test]
async fn other_variables_or_headers_are_another_execution() {
    let house = House::new().await;
    let tenant = |name: &'static str| {
        let mut context = viewer(FRIEND);
        context.headers.insert("x-tenant", http::HeaderValue::from_static(name));
        context
    };
    let mut clients = vec![
        Client::start(&house, viewer(MEMBER), TITLE, json!({ "more": false })),
        Client::start(&house, viewer(FRIEND), TITLE, json!({ "more": false })),
        Client::start(&house, viewer(FRIEND), TITLE, json!({ "more": true })),
        Client::start(&house, tenant("a"), TITLE, json!({ "more": false })),
        Client::start(&house, tenant("b"), TITLE, json!({ "more": false })),
    ];
    for client in &mut clients {
        client.event().await;
    }
    askers(&house);
    house.stand.room(GROUP).await;
    for client in &mut clients {
        client.event().await;
    }
    let found = askers(&house);
    assert_eq!(found.len(), 4, "the first two are one: {found:?}");
    assert!(found.iter().all(|asker| *asker == group()));
}

#[tokio::test]
async fn each_passes_the_guard_for_himself_and_who_is_removed_gets_nothing_more() {
    // Given two who share
    let house = House::new().await;
    let mut member = Client::of(&house, viewer(MEMBER), TITLE).await;
    let mut friend = Client::of(&house, viewer(FRIEND), TITLE).await;
    // Somebody who doesn't take part gets in by none of it
    let mut outsider = Client::start(&house, viewer(OUTSIDER), TITLE, json!({}));
    assert_eq!(outsider.failure().await, "NOT_FOUND");
    let mut nobody =
        Client::start(&house, RequestContext::new(Identity::Anonymous), TITLE, json!({}));
    assert_eq!(nobody.failure().await, "UNAUTHENTICATED");
    // When one is removed, and then something happens
    house.state.removed.store(true, std::sync::atomic::Ordering::Relaxed);
    let subject = format!("app.live.{GROUP}.access.{MEMBER}.revoked");
    house.stand.publish(&subject, "removed", "app.access.revoked.v1", &json!({})).await;
    house.stand.room(GROUP).await;
    // Then only the other is told
    assert_eq!(friend.event().await["type"], "ROOM_CHANGED");
    assert_eq!(member.failure().await, "NOT_FOUND");
    assert!(member.0.next().await.is_none());
}

#[tokio::test]
async fn who_waits_gets_the_answer_though_the_one_who_asked_first_is_gone() {
    let house = House::new().await;
    let mut first = Client::of(&house, viewer(MEMBER), TITLE).await;
    let mut second = Client::of(&house, viewer(FRIEND), TITLE).await;
    askers(&house);
    // Given a fetch that takes its time
    let turn = house.state.finds.acquire().await.expect("a turn");
    house.stand.room(GROUP).await;
    tokio::select! {
        event = first.event() => panic!("it can't be there: {event}"),
        () = eventually(|| house.state.askers.lock().expect("no panic").len() == 1) => {}
    }
    // When who began it goes
    drop(first);
    let waiting = tokio::spawn(async move { second.event().await });
    drop(turn);
    // Then the other has it all the same, from the same fetch
    let event = waiting.await.expect("no panic");
    assert_eq!(event["type"], "ROOM_CHANGED");
    assert_eq!(askers(&house), [group()]);
}
