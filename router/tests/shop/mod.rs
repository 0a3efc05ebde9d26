//! A small shop of four real subgraphs on real sockets, with a recorder and
//! faults in front of each.

pub mod inventory;
pub mod product;
pub mod review;
pub mod user;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::StatusCode;
use platform::{
    identity::Identity,
    signature::Keys,
    subgraph::{Endpoint, Transport},
};
use router::{Config, RequestContext, Router, Variables};
use serde_json::{Value, json};

/// The composed supergraph of the shop; see `fixtures/README.md`.
pub const SUPERGRAPH: &str = include_str!("../fixtures/shop.graphql");

/// How a subgraph misbehaves.
#[derive(Clone)]
pub enum Fault {
    /// Answers this instead.
    Answer(StatusCode, String),
    /// Answers late.
    Delay(Duration),
    /// Breaks the connection off.
    Hang,
}

/// What came in at a subgraph.
#[derive(Clone, Debug)]
pub struct Seen {
    pub query: String,
    pub variables: Value,
    pub headers: http::HeaderMap,
    /// The number of the request among all subgraphs' beginnings and endings.
    pub began: usize,
    pub ended: usize,
}

#[derive(Default)]
struct Door {
    seen: Mutex<Vec<Seen>>,
    fault: Mutex<Option<Fault>>,
}

/// One running subgraph.
pub struct Subgraph {
    pub endpoint: Arc<Endpoint>,
    pub url: String,
    door: Arc<Door>,
}

/// The running shop.
pub struct Shop {
    pub keys: Keys,
    pub subgraphs: HashMap<&'static str, Subgraph>,
}

pub const NAMES: [&str; 4] = ["inventory", "product", "review", "user"];

pub fn endpoint(name: &str, keys: &Keys) -> Arc<Endpoint> {
    let keys = keys.clone();
    match name {
        "inventory" => Endpoint::new(name, keys, inventory::schema(), |request| request),
        "product" => Endpoint::new(name, keys, product::schema(), |request| request),
        "review" => Endpoint::new(name, keys, review::schema(), |request| request),
        _ => Endpoint::new(name, keys, user::schema(), |request| request),
    }
}

pub fn sdl(name: &str) -> String {
    let options = async_graphql::SDLExportOptions::new().federation().sorted_fields();
    match name {
        "inventory" => inventory::schema().sdl_with_options(options),
        "product" => product::schema().sdl_with_options(options),
        "review" => review::schema().sdl_with_options(options),
        _ => user::schema().sdl_with_options(options),
    }
}

impl Shop {
    pub async fn open() -> Self {
        let keys = Keys::random();
        let mut subgraphs = HashMap::new();
        for name in NAMES {
            let endpoint = endpoint(name, &keys);
            let door = Arc::new(Door::default());
            let routes =
                endpoint.routes().layer(from_fn_with_state(Arc::clone(&door), at_the_door));
            let url = serve(routes).await;
            subgraphs.insert(name, Subgraph { endpoint, url: format!("{url}/graphql"), door });
        }
        Self { keys, subgraphs }
    }

    pub fn config(&self) -> Config {
        let mut config = Config::default();
        for (name, subgraph) in &self.subgraphs {
            let settings =
                router::config::Subgraph { url: Some(subgraph.url.clone()), ..Default::default() };
            config.subgraphs.insert((*name).to_owned(), settings);
        }
        config
    }

    /// A router that reaches the shop over HTTP.
    pub async fn router(&self) -> Router {
        self.router_with(self.config()).await
    }

    pub async fn router_with(&self, config: Config) -> Router {
        Router::builder(SUPERGRAPH, config)
            .keys(self.keys.clone())
            .build()
            .await
            .expect("the router is built")
    }

    /// A router that has the shop in its own process.
    pub async fn router_in_process(&self) -> Router {
        let mut builder = Router::builder(SUPERGRAPH, Config::default()).keys(self.keys.clone());
        for (name, subgraph) in &self.subgraphs {
            let transport: Arc<dyn Transport> = Arc::new(Local(Arc::clone(&subgraph.endpoint)));
            builder = builder.transport(*name, transport);
        }
        builder.build().await.expect("the router is built")
    }

    pub fn fault(&self, name: &str, fault: Fault) {
        *self.subgraphs[name].door.fault.lock().unwrap() = Some(fault);
    }

    /// What has come in at a subgraph, in order.
    pub fn seen(&self, name: &str) -> Vec<Seen> {
        self.subgraphs[name].door.seen.lock().unwrap().clone()
    }

    pub fn count(&self, name: &str) -> usize {
        self.seen(name).len()
    }
}

struct Local(Arc<Endpoint>);

impl Transport for Local {
    fn call(
        &self,
        request: platform::subgraph::Request,
    ) -> futures::future::BoxFuture<
        'static,
        Result<platform::subgraph::Response, platform::subgraph::TransportError>,
    > {
        self.0.call(request)
    }
}

static CLOCK: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn tick() -> usize {
    CLOCK.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}

async fn at_the_door(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let parsed: Value = serde_json::from_slice(&body).expect("subrequests are JSON");
    let index = {
        let mut seen = door.seen.lock().unwrap();
        seen.push(Seen {
            query: parsed["query"].as_str().unwrap_or_default().to_owned(),
            variables: parsed["variables"].clone(),
            headers: parts.headers.clone(),
            began: tick(),
            ended: usize::MAX,
        });
        seen.len() - 1
    };
    let fault = door.fault.lock().unwrap().clone();
    let response = match fault {
        Some(Fault::Answer(status, body)) => {
            Response::builder().status(status).body(Body::from(body)).unwrap()
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
    };
    door.seen.lock().unwrap()[index].ended = tick();
    response
}

/// Serves routes on a free port and answers their address.
pub async fn serve(routes: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}")
}

/// Executes an operation and answers the response as JSON.
pub async fn ask(router: &Router, query: &str) -> Value {
    ask_with(router, query, json!({})).await
}

pub async fn ask_with(router: &Router, query: &str, variables: Value) -> Value {
    let engine = router.engine();
    let prepared = match engine.prepare(query, None).await {
        Ok(prepared) => prepared,
        Err(errors) => return json!({ "errors": errors }),
    };
    let variables = Variables::from_json(variables).unwrap();
    let ctx = RequestContext::new(Identity::Anonymous);
    let body = engine.execute(&prepared, &variables, &ctx).await;
    serde_json::from_slice(&body).expect("the response is JSON")
}
