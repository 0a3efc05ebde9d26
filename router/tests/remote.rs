//! Subscriptions of a subgraph, over a real WebSocket.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, EmptyMutation, Error, ID, Object, Result, Schema, SimpleObject, Subscription,
};
use axum::{
    extract::{State, WebSocketUpgrade},
    response::Response,
};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use http::HeaderMap;
use platform::identity::{Identity, Viewer};
use router::{Config, RequestContext, Router, Variables, push::Delivery, subscription::Query};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::shop::{Shop, serve};

/// The longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const UPDATED: &str = "subscription($upc: ID!) { \
    u: productUpdated(upc: $upc) { at: cursor product { n: name inStock upc } } }";

/// What the subgraph is told to do.
#[derive(Clone)]
enum Order {
    Event(String),
    Fault,
    End,
}

struct Events {
    orders: broadcast::Sender<Order>,
    running: Arc<AtomicUsize>,
    /// Of the upgrade requests.
    headers: Mutex<Vec<HeaderMap>>,
    init: Mutex<Vec<Value>>,
    /// Ends all sockets without a word.
    cut: broadcast::Sender<()>,
}

#[derive(SimpleObject)]
struct Product {
    upc: ID,
}

struct ProductEvent {
    cursor: String,
    upc: ID,
    broken: bool,
}

#[Object]
impl ProductEvent {
    async fn cursor(&self) -> Result<String> {
        match self.broken {
            true => Err(Error::new("no cursor today")),
            false => Ok(self.cursor.clone()),
        }
    }

    async fn product(&self) -> Product {
        Product { upc: self.upc.clone() }
    }
}

struct EventQuery;

#[Object(name = "Query")]
impl EventQuery {
    async fn event_types(&self) -> Option<i32> {
        None
    }
}

struct EventSubscription;

/// Counts itself.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[Subscription(name = "Subscription")]
impl EventSubscription {
    async fn product_updated(
        &self,
        ctx: &Context<'_>,
        upc: ID,
        after: Option<String>,
    ) -> Result<impl Stream<Item = ProductEvent> + use<>> {
        let _ = after;
        if upc.as_str() == "forbidden" {
            return Err(Error::new("not this one"));
        }
        let events = ctx.data::<Arc<Events>>()?;
        let orders = events.orders.subscribe();
        events.running.fetch_add(1, Ordering::SeqCst);
        let state = (orders, Running(Arc::clone(&events.running)), upc);
        Ok(futures::stream::unfold(state, |(mut orders, running, upc)| async move {
            let event = match orders.recv().await.ok()? {
                Order::Event(cursor) => ProductEvent { cursor, upc: upc.clone(), broken: false },
                Order::Fault => {
                    ProductEvent { cursor: String::new(), upc: upc.clone(), broken: true }
                }
                Order::End => return None,
            };
            Some((event, (orders, running, upc)))
        }))
    }
}

type EventSchema = Schema<EventQuery, EmptyMutation, EventSubscription>;

async fn upgrade(
    State((schema, events)): State<(EventSchema, Arc<Events>)>,
    protocol: async_graphql_axum::GraphQLProtocol,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    events.headers.lock().unwrap().push(headers);
    let cut = events.cut.subscribe();
    upgrade.protocols(async_graphql::http::ALL_WEBSOCKET_PROTOCOLS).on_upgrade(
        move |socket| async move {
            let mut cut = cut;
            let serving = async_graphql_axum::GraphQLWebSocket::new(socket, schema, protocol)
                .on_connection_init(move |payload| async move {
                    events.init.lock().unwrap().push(payload);
                    Ok(async_graphql::Data::default())
                })
                .serve();
            tokio::select! {
                () = serving => {}
                _ = cut.recv() => {}
            }
        },
    )
}

struct Stage {
    shop: Shop,
    events: Arc<Events>,
    config: Config,
}

impl Stage {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let events = Arc::new(Events {
            orders: broadcast::Sender::new(64),
            running: Arc::default(),
            headers: Mutex::default(),
            init: Mutex::default(),
            cut: broadcast::Sender::new(1),
        });
        let schema =
            Schema::build(EventQuery, EmptyMutation, EventSubscription).data(events.clone());
        let routes = axum::Router::new()
            .route("/ws", axum::routing::get(upgrade))
            .with_state((schema.finish(), events.clone()));
        let url = format!("{}/ws", serve(routes).await);
        let mut config = shop.config();
        let settings =
            router::config::Subgraph { subscription_url: Some(url), ..Default::default() };
        config.subgraphs.insert("events".to_owned(), settings);
        Self { shop, events, config }
    }

    async fn router(&self) -> Router {
        self.shop.router_with(self.config.clone()).await
    }

    async fn running(&self, wanted: usize) {
        let reached = async {
            while self.events.running.load(Ordering::SeqCst) != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the subgraph sees it");
    }

    fn order(&self, order: Order) {
        self.events.orders.send(order).unwrap_or_else(|_| panic!("somebody listens"));
    }
}

struct Client(BoxStream<'static, Delivery>);

impl Client {
    fn start(router: &Router, upc: &str, context: RequestContext) -> Self {
        let query = Query {
            query: UPDATED.to_owned(),
            operation_name: None,
            variables: Variables::from_json(json!({ "upc": upc })).unwrap(),
            last_event_id: None,
        };
        Self(router.gateway().live.run(query, context))
    }

    /// Started, and polled until the subgraph has it.
    async fn running(stage: &Stage, router: &Router, context: RequestContext) -> Self {
        let mut client = Self::start(router, "1", context);
        let before = stage.events.running.load(Ordering::SeqCst);
        tokio::select! {
            () = stage.running(before + 1) => client,
            delivery = client.0.next() => panic!("nothing is to come: {delivery:?}"),
        }
    }

    async fn delivery(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("a delivery in time").expect("not over yet")
    }

    async fn event(&mut self) -> Value {
        match self.delivery().await {
            Delivery::Next { body, .. } => serde_json::from_slice(&body).unwrap(),
            other => panic!("no event but {other:?}"),
        }
    }

    async fn failure(&mut self) -> String {
        match self.delivery().await {
            Delivery::Failed(errors) => {
                assert!(tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().is_none());
                errors[0].code().to_owned()
            }
            other => panic!("no failure but {other:?}"),
        }
    }
}

fn anonymous() -> RequestContext {
    RequestContext::new(Identity::Anonymous)
}

#[tokio::test]
async fn each_event_is_completed_by_entity_fetches() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let mut context = anonymous();
    context.headers.insert("accept-language", http::HeaderValue::from_static("ko"));
    context.headers.insert("x-other", http::HeaderValue::from_static("secret"));
    let mut client = Client::running(&stage, &router, context).await;
    for number in 0..3 {
        stage.order(Order::Event(format!("c{number}")));
        let product = json!({ "n": "Table", "inStock": true, "upc": "1" });
        let event = json!({ "data": { "u": { "at": format!("c{number}"), "product": product } } });
        assert_eq!(client.event().await, event);
    }
    assert_eq!(stage.shop.count("product"), 3);
    let headers = stage.events.headers.lock().unwrap()[0].clone();
    assert_eq!(headers["accept-language"], "ko");
    assert!(!headers.contains_key("x-other"), "it is for another subgraph");
    assert!(headers.contains_key("traceparent"));
    let (identity, _) = stage.shop.keys.verify("events", &headers, b"").expect("it is signed");
    assert_eq!(identity, Identity::Anonymous);
    assert_eq!(stage.events.init.lock().unwrap()[0]["accept-language"], "ko");
    stage.order(Order::End);
    assert!(matches!(client.delivery().await, Delivery::Complete));
    stage.running(0).await;
}

#[tokio::test]
async fn an_events_errors_are_told_with_its_data() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let mut client = Client::running(&stage, &router, anonymous()).await;
    stage.order(Order::Fault);
    let event = client.event().await;
    assert_eq!(event["data"], Value::Null, "{event}");
    assert_eq!(event["errors"][0]["message"], "no cursor today");
    assert_eq!(event["errors"][0]["extensions"]["service"], "events");
    assert_eq!(event["errors"][0]["path"], json!(["u", "at"]));
    // The subscription goes on.
    stage.order(Order::Event("c".to_owned()));
    assert_eq!(client.event().await["data"]["u"]["at"], "c");
}

#[tokio::test]
async fn a_client_that_goes_is_unsubscribed_at_once() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let client = Client::running(&stage, &router, anonymous()).await;
    let other = Client::running(&stage, &router, anonymous()).await;
    drop(client);
    stage.running(1).await;
    drop(other);
    stage.running(0).await;
}

#[tokio::test]
async fn what_the_subgraph_refuses_is_told() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let mut client = Client::start(&router, "forbidden", anonymous());
    let first = match client.delivery().await {
        // This library answers with an event that has errors only.
        Delivery::Next { body, .. } => serde_json::from_slice::<Value>(&body).unwrap(),
        Delivery::Failed(errors) => json!({ "errors": errors }),
        other => panic!("nothing told but {other:?}"),
    };
    assert_eq!(first["errors"][0]["message"], "not this one");
}

#[tokio::test]
async fn a_lost_connection_is_told() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let mut client = Client::running(&stage, &router, anonymous()).await;
    stage.events.cut.send(()).unwrap();
    assert_eq!(client.failure().await, "SUBSCRIPTION_UPSTREAM_LOST");
}

#[tokio::test]
async fn subgraphs_that_cannot_be_reached_or_do_something_else_are_told() {
    let mut stage = Stage::open().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("ws://{}/", silent.local_addr().unwrap());
    stage.config.remote.connect_timeout_ms = 200;
    let html = serve(axum::Router::new().fallback(|| async { "<h1>hello</h1>" })).await;
    for (url, code) in [
        (html, "SUBREQUEST_HTTP_ERROR"),
        ("http://127.0.0.1:1/ws".to_owned(), "SUBREQUEST_HTTP_ERROR"),
        (silent_url, "SUBREQUEST_TIMEOUT"),
    ] {
        let events = stage.config.subgraphs.get_mut("events").unwrap();
        events.subscription_url = Some(url);
        let router = stage.router().await;
        assert_eq!(Client::start(&router, "1", anonymous()).failure().await, code);
    }
    let without = stage.config.subgraphs.get_mut("events").unwrap();
    without.subscription_url = None;
    let router = stage.router().await;
    assert_eq!(Client::start(&router, "1", anonymous()).failure().await, "BAD_REQUEST");
}

#[tokio::test]
async fn subscriptions_are_bounded_and_their_places_are_freed() {
    let mut stage = Stage::open().await;
    stage.config.remote.max = 1;
    let router = stage.router().await;
    let first = Client::running(&stage, &router, anonymous()).await;
    assert_eq!(Client::start(&router, "1", anonymous()).failure().await, "SUBGRAPH_OVERLOADED");
    drop(first);
    stage.running(0).await;
    Client::running(&stage, &router, anonymous()).await;
}

#[tokio::test]
async fn an_expired_identity_and_the_routers_end_stop_it() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let viewer = Viewer {
        id: uuid::Uuid::new_v4(),
        scopes: vec![],
        roles: vec![],
        expires_at: chrono::Utc::now().timestamp() + 1,
    };
    let context = RequestContext::new(Identity::Viewer(viewer));
    let mut expiring = Client::running(&stage, &router, context).await;
    assert_eq!(expiring.failure().await, "UNAUTHENTICATED");
    stage.running(0).await;
    let mut client = Client::running(&stage, &router, anonymous()).await;
    router.close();
    assert!(matches!(client.delivery().await, Delivery::Closed));
}

#[tokio::test]
async fn it_goes_on_through_a_new_supergraph_that_it_fits() {
    let stage = Stage::open().await;
    let router = stage.router().await;
    let mut client = Client::running(&stage, &router, anonymous()).await;
    let stores = "  stores: Int! @join__field(graph: INVENTORY)\n";
    router.reload(crate::shop::SUPERGRAPH.replace(stores, "")).await.unwrap();
    stage.order(Order::Event("c".to_owned()));
    assert_eq!(client.event().await["data"]["u"]["product"]["n"], "Table");
    assert_eq!(stage.events.headers.lock().unwrap().len(), 1, "by the same connection");
    let field = "  productUpdated(upc: ID!, after: String): ProductEvent!\n";
    let other = "  other(upc: ID!, after: String): ProductEvent!\n";
    router.reload(crate::shop::SUPERGRAPH.replace(field, other)).await.unwrap();
    assert_eq!(client.failure().await, "SUBSCRIPTION_SCHEMA_RELOAD");
    stage.running(0).await;
}
