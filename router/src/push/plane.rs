//! The push plane: subscriptions on fields that the event stream feeds.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{GraphQLError, code};

use super::{
    config::Config,
    cursor::Cursor,
    error,
    event::Event,
    feed::Feed,
    hub::Hub,
    payload::Shape,
    source::{EventSource, SourceError, Sources, Start, answered},
    subject::{Filter, Template},
    subscription::Subscription,
};

/// How many shapes of fetches are kept parsed.
const SHAPES: usize = 1_024;

/// One operation with its variables for one subscriber: what is executed per event.
pub trait Execution: Send + Sync + 'static {
    /// Runs a query as the subscriber and gives the whole JSON response.
    fn guard<'a>(&'a self, query: &'a str, variables: Map<String, Value>) -> BoxFuture<'a, Bytes>;

    /// Runs what the plan does after an event, given the JSON of the subscription's
    /// root object, and gives the whole JSON response. With a position the root is the
    /// same for all subscribers of the same operation and arguments, so that who may see
    /// the same can share the answer; the snapshot has none.
    fn event<'a>(&'a self, position: Option<Cursor>, root: &'a Root<'a>) -> BoxFuture<'a, Bytes>;

    /// The value of a boolean variable, for `@include` and `@skip`.
    fn flag(&self, variable: &str) -> Option<bool>;
}

/// Writes a root object; called only by who executes.
pub type Root<'a> = dyn Fn() -> Vec<u8> + Send + Sync + 'a;

/// Who subscribes.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The viewer's id.
    pub id: String,
    /// When the proof of identity ends, in seconds since 1970.
    pub expires_at: i64,
}

/// A subscription operation, ready to start.
pub struct Request {
    /// Name of the subscription field.
    pub field: String,
    /// The values of its arguments.
    pub arguments: Map<String, Value>,
    /// The GraphQL document of the plan's fetch to the events subgraph.
    pub document: Arc<str>,
    /// None when nobody is signed in.
    pub subscriber: Option<Subscriber>,
    /// The cursor that the transport knows (SSE `Last-Event-ID`); the argument
    /// `after` goes before it.
    pub last_event_id: Option<String>,
    /// Runs the guard and the events.
    pub execution: Arc<dyn Execution>,
}

/// Starts subscriptions. Shared by all connections.
pub struct Plane {
    pub(super) sources: Sources,
    pub(super) hub: Hub,
    prefix: String,
    stop: Arc<DropGuard>,
    shapes: Cache<Arc<str>, Arc<Shape>>,
}

impl Plane {
    /// A plane over the hub. `prefix` goes before every subject (`t1.` or nothing);
    /// `stop` ends the hub's reader, and is called when the plane is dropped.
    pub(super) fn new(sources: Sources, hub: Hub, prefix: String, stop: CancellationToken) -> Self {
        let stop = Arc::new(stop.drop_guard());
        Self { sources, hub, prefix, stop, shapes: Cache::new(SHAPES) }
    }

    /// A plane for another supergraph on the same stream: they share the reader and
    /// the events in memory. None where that supergraph has no event source.
    ///
    /// # Errors
    /// When an `@eventSource` can't work.
    pub fn with_sources_of(&self, supergraph: &str) -> Result<Option<Arc<Self>>, SourceError> {
        let sources = Sources::read(supergraph)?;
        Ok((!sources.is_empty()).then(|| {
            Arc::new(Self {
                sources,
                hub: self.hub.clone(),
                prefix: self.prefix.clone(),
                stop: Arc::clone(&self.stop),
                shapes: Cache::new(SHAPES),
            })
        }))
    }

    /// Stops reading and closes all subscriptions without a word, so that their
    /// clients resume elsewhere. For the end of the process.
    pub fn close(&self) {
        self.stop.token().cancel();
        self.hub.close();
    }

    /// Whether the stream has been reached.
    pub fn is_ready(&self) -> bool {
        self.hub.is_ready()
    }

    /// Bounds of the plane and its transports.
    pub fn config(&self) -> &Config {
        self.hub.config()
    }

    /// Where events come from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// How many subscriptions listen.
    pub fn subscriptions(&self) -> usize {
        self.hub.subscribers()
    }

    /// Starts a subscription: finds its place in the stream, then asks the guard.
    ///
    /// # Errors
    /// What the client is told instead of a first event.
    pub async fn subscribe(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Subscription, Vec<GraphQLError>> {
        let source = self.sources.get(&request.field).cloned().ok_or_else(|| {
            one(GraphQLError::new(code::BAD_REQUEST, "This subscription has no event source."))
        })?;
        let shape = self.shape(&request.document).map_err(one)?;
        let subjects = self.filters(&source.subjects, &request).map_err(one)?;
        // Nobody who isn't signed in has an access of his own to lose.
        let anonymous = request.subscriber.is_none();
        let recheck = source.recheck.iter().filter(|one| !(anonymous && one.needs_viewer()));
        let recheck = self.filters(recheck, &request).map_err(one)?;
        let filters: Arc<[Filter]> = match recheck.is_empty() {
            true => subjects.clone(),
            false => subjects.iter().chain(&*recheck).cloned().collect(),
        };
        let after = cursor(&request).map_err(one)?;
        self.hub.ready().await.map_err(|e| one(e.into()))?;
        // The place is taken before the guard reads the state: what happens in
        // between comes after the snapshot, and nothing falls between the two.
        let feed = match (after, source.start) {
            (Some(cursor), _) => Feed::after(&self.hub, filters, cursor),
            (None, Start::Snapshot) => Feed::live(&self.hub, filters),
            (None, Start::Retained) => Feed::retained(&self.hub, filters),
        };
        let guard = Guard::new(&source, request, subjects, recheck);
        let state = guard.ask(after.is_some()).await?;
        let resumed = after.is_some();
        Ok(Subscription::new(self.clone(), shape, guard, feed, state, resumed))
    }

    fn shape(&self, document: &Arc<str>) -> Result<Arc<Shape>, GraphQLError> {
        self.shapes.get_or_insert_with(document, || Shape::parse(document).map(Arc::new)).map_err(
            |error| {
                tracing::error!(%error, "a subscription can't start");
                error::internal("This subscription can't be planned.")
            },
        )
    }

    fn filters<'a>(
        &self,
        templates: impl IntoIterator<Item = &'a Template>,
        request: &Request,
    ) -> Result<Arc<[Filter]>, GraphQLError> {
        let viewer = request.subscriber.as_ref().map(|s| s.id.as_str());
        let argument = |name: &str| request.arguments.get(name).and_then(Value::as_str);
        let fill = |template: &Template| template.fill(&self.prefix, argument, viewer);
        let filters: Result<Arc<[Filter]>, _> = templates.into_iter().map(fill).collect();
        Ok(filters?)
    }
}

fn one(error: GraphQLError) -> Vec<GraphQLError> {
    vec![error]
}

/// Where the client wants to go on from, if it says so.
fn cursor(request: &Request) -> Result<Option<Cursor>, GraphQLError> {
    let text = match request.arguments.get("after") {
        None | Some(Value::Null) => request.last_event_id.as_deref().filter(|id| !id.is_empty()),
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => return Err(super::cursor::InvalidCursor.into()),
    };
    Ok(text.map(Cursor::decode).transpose()?)
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Map<String, Value>>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
    #[serde(default)]
    path: Vec<Value>,
    #[serde(default)]
    extensions: Map<String, Value>,
}

/// Decides whether a subscriber may listen, and runs what he subscribed to.
pub(super) struct Guard {
    pub(super) source: Arc<EventSource>,
    pub(super) execution: Arc<dyn Execution>,
    pub(super) subscriber: Option<Subscriber>,
    variables: Map<String, Value>,
    subjects: Arc<[Filter]>,
    recheck: Arc<[Filter]>,
}

impl Guard {
    fn new(
        source: &Arc<EventSource>,
        request: Request,
        subjects: Arc<[Filter]>,
        recheck: Arc<[Filter]>,
    ) -> Self {
        let mut variables = request.arguments;
        variables.retain(|name, _| source.guard_variables.contains(name));
        Self {
            source: source.clone(),
            execution: request.execution,
            subscriber: request.subscriber,
            variables,
            subjects,
            recheck,
        }
    }

    /// Whether an event is for the subscriber. One that says that he may have lost his access makes
    /// the guard be asked again first.
    pub(super) async fn passes(&self, event: &Event) -> Result<bool, Vec<GraphQLError>> {
        if self.recheck.is_empty() || !event.passes(&self.recheck) {
            return Ok(true);
        }
        self.ask(true).await?;
        Ok(event.passes(&self.subjects))
    }

    /// Asks whether the subscriber may listen, and for the state now. `known`: he has
    /// had the state before, so that one with holes does no harm.
    pub(super) async fn ask(&self, known: bool) -> Result<Map<String, Value>, Vec<GraphQLError>> {
        let query = &self.source.guard;
        let body = self.execution.guard(query, self.variables.clone()).await;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            tracing::error!(%error, field = self.source.field, "the guard's answer can't be read");
            one(error::internal("The subscription can't be checked at the moment."))
        })?;
        let mut errors = answer.errors;
        let data = self.settle(answer.data.unwrap_or_default(), &mut errors);
        let missing = |key: &String| data.get(key).is_none_or(Value::is_null);
        let refused = self.source.required.iter().any(missing);
        if refused && self.subscriber.is_none() {
            return Err(one(error::unauthenticated("Sign in to listen to this.")));
        }
        if !errors.is_empty() && (refused || !known) {
            return Err(errors.into_iter().map(public).collect());
        }
        if refused {
            return Err(one(error::not_found()));
        }
        Ok(data)
    }
}

impl Guard {
    /// Of several ways to a field the first one that answers counts, and no error of the others does.
    fn settle(&self, data: Map<String, Value>, errors: &mut Vec<Problem>) -> Map<String, Value> {
        if self.source.alternatives.is_empty() {
            return data;
        }
        let mut settled = Map::new();
        for (key, value) in data {
            let field = answered(&key);
            if settled.get(field).is_none_or(Value::is_null) {
                settled.insert(field.to_owned(), value);
            }
        }
        errors.retain(|problem| {
            let key = problem.path.first().and_then(Value::as_str).unwrap_or_default();
            let field = answered(key);
            let answered = settled.get(field).is_some_and(|value| !value.is_null());
            !(answered && self.source.alternatives.iter().any(|several| several == field))
        });
        settled
    }
}

/// An error of the guard for the client: its path lies in a query that he didn't write.
fn public(problem: Problem) -> GraphQLError {
    let mut error = GraphQLError::new(code::INTERNAL_SERVER_ERROR, problem.message);
    error.extensions.extend(problem.extensions);
    error
}
