//! A router over a case's subgraphs, on real sockets.

use std::{collections::HashMap, sync::Arc};

use router::{Config, Router};
use serde_json::{Value, json};

use super::{
    subgraph::{Request, Service, Subgraph},
    world::World,
};
use crate::shop::{ask_with, serve};

/// A running case.
pub struct Stage {
    pub router: Router,
    services: HashMap<String, Arc<Service>>,
}

impl Stage {
    /// Starts the subgraphs of `schema/<case>.graphql`.
    pub async fn open(case: &str, subgraphs: Vec<Subgraph>) -> Self {
        Self::open_with(case, subgraphs, Config::default()).await
    }

    pub async fn open_with(case: &str, subgraphs: Vec<Subgraph>, config: Config) -> Self {
        let sdls = Self::sdls(case);
        let services = subgraphs.into_iter().map(|subgraph| {
            let name = subgraph.name;
            (name.to_owned(), Service::new(&sdls[name], subgraph))
        });
        Self::serve(case, services.collect(), config).await
    }

    /// Over the same subgraphs, which answer from a made-up world.
    pub async fn open_world(case: &str, world: &Arc<World>) -> Self {
        let sdls = Self::sdls(case).into_iter();
        let services = sdls.map(|(name, sdl)| {
            let service = Service::of_world(&sdl, World::seen_by(world, &name));
            (name, service)
        });
        let mut config = Config::default();
        config.limits.cost = None;
        Self::serve(case, services.collect(), config).await
    }

    async fn serve(
        case: &str,
        services: HashMap<String, Arc<Service>>,
        mut config: Config,
    ) -> Self {
        for (name, service) in &services {
            let url = serve(service.routes()).await;
            let url = Some(format!("{url}/graphql"));
            let settings = router::config::Subgraph { url, ..Default::default() };
            config.subgraphs.insert(name.clone(), settings);
        }
        let router = Router::builder(Self::supergraph(case), config).build().await.unwrap();
        Self { router, services }
    }

    /// The subgraphs' schemas by name.
    pub fn sdls(case: &str) -> HashMap<String, String> {
        let parts = format!("\n{}", read(&format!("{case}.graphql")));
        let parts = parts.split("\n#: ").skip(1).map(|part| {
            let (head, sdl) = part.split_once('\n').unwrap();
            (head.split(' ').next().unwrap().to_owned(), sdl.to_owned())
        });
        parts.collect()
    }

    /// What is composed of them.
    pub fn supergraph(case: &str) -> String {
        read(&format!("{case}.supergraph.graphql"))
    }

    /// What has come in at a subgraph, in order.
    pub fn requests(&self, name: &str) -> Vec<Request> {
        self.services[name].requests()
    }

    /// How often each subgraph was asked.
    pub fn count(&self, name: &str) -> usize {
        self.requests(name).len()
    }

    /// The response to a query.
    pub async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, json!({})).await
    }

    pub async fn ask_with(&self, query: &str, variables: Value) -> Value {
        ask_with(&self.router, query, variables).await
    }

    /// The query gives exactly this data and no error.
    #[track_caller]
    pub fn gives(&self, query: &str, data: Value) -> impl Future<Output = ()> {
        self.gives_with(query, json!({}), data)
    }

    #[track_caller]
    pub fn gives_with(
        &self,
        query: &str,
        variables: Value,
        data: Value,
    ) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let response = self.ask_with(query, variables).await;
            let expected = json!({ "data": data });
            self.compare(query, &response, &expected, place);
        }
    }

    /// The query gives this data and errors at exactly these paths.
    #[track_caller]
    pub fn fails(&self, query: &str, data: Value, paths: Value) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let response = self.ask(query).await;
            let errors = response["errors"].as_array().cloned().unwrap_or_default();
            let found: Value = errors.iter().map(|error| error["path"].clone()).collect();
            let brief = json!({ "data": response["data"], "paths": sorted(&found) });
            let expected = json!({ "data": data, "paths": sorted(&paths) });
            self.compare(query, &brief, &expected, place);
        }
    }

    /// The query is refused before anything is asked.
    #[track_caller]
    pub fn refuses(&self, query: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let response = self.ask(query).await;
            assert!(response.get("data").is_none(), "{place}: {query}\n{response:#}");
            assert!(response["errors"][0]["message"].is_string(), "{place}: {query}");
        }
    }

    /// Operations that subgraphs refused.
    pub fn refusals(&self) -> Vec<String> {
        self.services.values().flat_map(|it| it.refusals()).collect()
    }

    /// Forgets what has come in.
    pub fn forget(&self) {
        self.services.values().for_each(|it| it.forget());
    }

    /// Everything that has come in, for a person to read.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for (name, service) in &self.services {
            for request in service.requests() {
                told += &format!("\n{name}: {} {}", request.query, request.variables);
            }
        }
        told
    }

    fn compare(
        &self,
        query: &str,
        response: &Value,
        expected: &Value,
        place: &std::panic::Location<'_>,
    ) {
        let refusals = self.refusals();
        if response == expected && refusals.is_empty() {
            return;
        }
        let told = self.told();
        panic!(
            "{place}\n{query}\ngot      {response}\nexpected {expected}\nrefused {refusals:?}{told}"
        );
    }
}

fn read(name: &str) -> String {
    let folder = format!("{}/tests/federation/schema", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

/// Which of several subgraphs' errors comes first does not matter.
fn sorted(paths: &Value) -> Value {
    let mut paths = paths.as_array().cloned().unwrap_or_default();
    paths.sort_by_key(ToString::to_string);
    paths.into()
}
