//! A subgraph made of its SDL and a table of data.
//!
//! It is as strict as a real one: it refuses operations that its schema does not
//! allow, identifies entities only by a complete key of its own, keeps null
//! where it belongs and knows nothing that its table does not say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{Json, extract::State, routing::post};
use graphql_tools::{
    static_graphql::schema,
    validation::{rules::default_rules_validation_plan, validate::ValidationPlan},
};
use serde_json::{Value, json};

use super::{
    sdl::{self, Type},
    world::View,
};

type Computed = Arc<dyn Fn(&Value, &Value) -> Value + Send + Sync>;

/// One request that came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub query: String,
    pub variables: Value,
}

/// A subgraph's data.
///
/// `Query` and `Mutation` hold the root fields' values, every other key the rows
/// of a type. `{"$find": "T"}` is the row of T that has the field's arguments,
/// `{"$all": "T"}` all rows, `{"$error": "…"}` an error. An object that lacks a
/// field is looked up among its type's rows by its key. Objects of an abstract
/// type say their `__typename`.
pub struct Subgraph {
    pub name: &'static str,
    pub(super) data: Value,
    pub(super) computed: HashMap<&'static str, Computed>,
    /// Whether it sends values that its enums do not have.
    pub(super) is_careless: bool,
}

/// A subgraph with this data.
pub fn subgraph(name: &'static str, data: Value) -> Subgraph {
    Subgraph { name, data, computed: HashMap::new(), is_careless: false }
}

impl Subgraph {
    /// Computes `Type.field` of the object (with the representation it came with)
    /// and the arguments.
    pub fn field(
        mut self,
        coordinate: &'static str,
        compute: impl Fn(&Value, &Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.computed.insert(coordinate, Arc::new(compute));
        self
    }

    /// Sends what the table says, also where no enum has such a value.
    pub fn careless(mut self) -> Self {
        self.is_careless = true;
        self
    }
}

/// A running subgraph.
pub struct Service {
    pub(super) schema: schema::Document,
    pub(super) types: HashMap<String, Type>,
    pub(super) rules: ValidationPlan,
    pub(super) subgraph: Subgraph,
    /// Answers from a made-up world instead of a table.
    pub(super) view: Option<View>,
    requests: Mutex<Vec<Request>>,
    pub(super) refusals: Mutex<Vec<String>>,
}

impl Service {
    pub fn new(sdl: &str, subgraph: Subgraph) -> Arc<Self> {
        Self::made(sdl, subgraph, None)
    }

    /// One that answers from a made-up world.
    pub fn of_world(sdl: &str, view: View) -> Arc<Self> {
        Self::made(sdl, subgraph("world", json!({})), Some(view))
    }

    fn made(sdl: &str, subgraph: Subgraph, view: Option<View>) -> Arc<Self> {
        let (schema, types) = sdl::read(sdl);
        Arc::new(Self {
            schema,
            types,
            rules: default_rules_validation_plan(),
            subgraph,
            view,
            requests: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    pub fn routes(self: &Arc<Self>) -> axum::Router {
        let handler = |State(service): State<Arc<Self>>, Json(body): Json<Value>| async move {
            let query = body["query"].as_str().unwrap_or_default().to_owned();
            let variables = body["variables"].clone();
            let answer = service.answer(&query, &variables);
            service.requests.lock().unwrap().push(Request { query, variables });
            Json(answer)
        };
        axum::Router::new().route("/graphql", post(handler)).with_state(Arc::clone(self))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Operations that this subgraph's schema does not allow.
    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap().clone()
    }

    /// Forgets what has come in.
    pub fn forget(&self) {
        self.requests.lock().unwrap().clear();
        self.refusals.lock().unwrap().clear();
    }

    pub(super) fn refuse(&self, query: &str, reason: &str) -> Value {
        self.refusals.lock().unwrap().push(format!("{reason}\n{query}"));
        json!({ "errors": [{ "message": reason }] })
    }
}
