//! A subscription that runs through changes of the supergraph.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use platform::{identity::Identity, telemetry};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{Live, Query, shared::Shared};
use crate::{
    engine::{Engine, Prepared, RequestContext, SubscriptionPlan, Variables},
    error::{GraphQLError, code},
    metrics::{METRICS, Open},
    push::{Cursor, Delivery, EventSource, Execution, Plane, Request, Root, Subscriber, announced},
    reload::{Current, SUBSCRIPTION_SCHEMA_RELOAD},
    remote::{self, Follower},
};

/// A subscription operation on the engine of the moment.
pub(super) struct Running {
    state: RwLock<State>,
    variables: Variables,
    context: RequestContext,
}

/// An engine and the operation that it has prepared; never mixed.
#[derive(Clone)]
struct State {
    engine: Arc<Engine>,
    prepared: Arc<Prepared>,
    /// What executes it for others as well; None where its answers are its viewer's own.
    shared: Option<Arc<Shared>>,
}

impl State {
    fn new(
        (live, current): (&Live, &Current),
        prepared: &Arc<Prepared>,
        plan: &SubscriptionPlan,
        variables: &Variables,
        context: &RequestContext,
    ) -> Self {
        let (engine, prepared) = (Arc::clone(&current.engine), Arc::clone(prepared));
        let shared = event_source(current, plan).and_then(|(_, source)| {
            live.shared.find((&engine, &prepared), (plan, source), variables, context)
        });
        Self { engine, prepared, shared }
    }
}

impl Running {
    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Runs what comes after an event, for its viewer.
    async fn execute(&self, state: State, root: Vec<u8>) -> Bytes {
        let State { engine, prepared, .. } = state;
        let mut context = Cow::Borrowed(&self.context);
        // The work for an event belongs to the event's trace.
        if let Some(trace) = telemetry::current().filter(|trace| *trace != self.context.trace) {
            context.to_mut().trace = trace;
        }
        if announced::is_announced() {
            announced::tell(context.to_mut());
        }
        engine.execute_event(&prepared, &self.variables, &context, root).await
    }
}

impl Execution for Running {
    fn guard<'a>(&'a self, query: &'a str, variables: Map<String, Value>) -> BoxFuture<'a, Bytes> {
        async move {
            let engine = self.state().engine;
            match engine.prepare(query, None).await {
                Ok(guard) => {
                    let variables = Variables::from(variables);
                    engine.execute(&guard, &variables, &self.context).await
                }
                Err(errors) => {
                    tracing::error!(?errors, "a guard doesn't fit the schema");
                    let error = GraphQLError::new(
                        code::INTERNAL_SERVER_ERROR,
                        "The subscription can't be checked.",
                    );
                    crate::error::response(&[error])
                }
            }
        }
        .boxed()
    }

    fn event<'a>(&'a self, position: Option<Cursor>, root: &'a Root<'a>) -> BoxFuture<'a, Bytes> {
        let state = self.state();
        match (&state.shared, position) {
            (Some(shared), Some(position)) => {
                let shared = Arc::clone(shared);
                async move { shared.answer(position, root).await }.boxed()
            }
            _ => self.execute(state, root()).boxed(),
        }
    }

    fn flag(&self, variable: &str) -> Option<bool> {
        self.variables.get(variable)?.as_bool()
    }
}

impl Follower for Running {
    fn event(&self, root: Vec<u8>) -> BoxFuture<'_, Bytes> {
        self.execute(self.state(), root).boxed()
    }
}

/// Where a subscription's events come from. While it stays the same, the events go on
/// through a change of the supergraph.
#[derive(PartialEq)]
struct Origin {
    subgraph: String,
    operation: String,
    /// The `@eventSource`, written out, or the subgraph's address.
    source: Option<String>,
}

impl Origin {
    fn new(current: &Current, plan: &SubscriptionPlan) -> Self {
        let event_source = event_source(current, plan).map(|(_, source)| format!("{source:?}"));
        let remote = || current.remotes.get(&*plan.subgraph).map(|it| it.address().to_string());
        Self {
            subgraph: plan.subgraph.clone(),
            operation: plan.operation.clone(),
            source: event_source.or_else(remote),
        }
    }
}

/// One subscription of a client, from its start to its end.
struct Followed {
    live: Arc<Live>,
    query: String,
    operation_name: Option<String>,
    running: Arc<Running>,
    origin: Origin,
    deliveries: BoxStream<'static, Delivery>,
    /// The last one that the client was given.
    cursor: Option<String>,
    changes: watch::Receiver<Arc<Current>>,
    over: bool,
    open: Option<Open>,
}

/// Starts a prepared subscription. `changes` has seen the state that it was prepared on.
///
/// # Errors
/// What the client is told instead of a first event.
pub(super) async fn start(
    live: &Arc<Live>,
    current: &Current,
    changes: watch::Receiver<Arc<Current>>,
    prepared: Arc<Prepared>,
    query: Query,
    context: RequestContext,
) -> Result<BoxStream<'static, Delivery>, Vec<GraphQLError>> {
    let plan = plan(&prepared)?;
    let origin = Origin::new(current, plan);
    let state = State::new((live, current), &prepared, plan, &query.variables, &context);
    let running =
        Arc::new(Running { state: RwLock::new(state), variables: query.variables, context });
    let deliveries = events(current, plan, &running, query.last_event_id, false).await?;
    let followed = Followed {
        live: Arc::clone(live),
        query: query.query,
        operation_name: query.operation_name,
        running,
        origin,
        deliveries,
        cursor: None,
        changes,
        over: false,
        open: Some(Open::new()),
    };
    let deliveries = stream::unfold(followed, |mut followed| async move {
        let delivery = followed.next().await?;
        Some((delivery, followed))
    });
    Ok(deliveries.boxed())
}

fn plan(prepared: &Prepared) -> Result<&SubscriptionPlan, Vec<GraphQLError>> {
    prepared.subscription().ok_or_else(|| {
        let message = "This is no subscription.";
        vec![GraphQLError::new(code::BAD_REQUEST, message)]
    })
}

/// The events of a subscription, after the cursor where there is one. `resumed`: the
/// cursor goes before the one that the client gave.
async fn events(
    current: &Current,
    plan: &SubscriptionPlan,
    running: &Arc<Running>,
    cursor: Option<String>,
    resumed: bool,
) -> Result<BoxStream<'static, Delivery>, Vec<GraphQLError>> {
    let Some((plane, _)) = event_source(current, plan) else {
        return remote_events(current, plan, running).await;
    };
    let mut arguments = plan.arguments(&running.variables);
    if resumed && cursor.is_some() {
        arguments.remove("after");
    }
    let request = Request {
        field: plan.field_name.clone(),
        arguments,
        document: plan.operation.as_str().into(),
        subscriber: subscriber(&running.context.identity),
        last_event_id: cursor,
        execution: Arc::clone(running) as Arc<dyn Execution>,
    };
    Ok(plane.subscribe(request).await?.deliveries())
}

/// The push plane and the field's source on it, where it has one.
fn event_source<'a>(
    current: &'a Current,
    plan: &SubscriptionPlan,
) -> Option<(&'a Arc<Plane>, &'a Arc<EventSource>)> {
    let plane = current.plane.as_ref()?;
    Some((plane, plane.sources().get(&plan.field_name)?))
}

/// The events of the subgraph itself; they can't be resumed.
async fn remote_events(
    current: &Current,
    plan: &SubscriptionPlan,
    running: &Arc<Running>,
) -> Result<BoxStream<'static, Delivery>, Vec<GraphQLError>> {
    let Some(remote) = current.remotes.get(&*plan.subgraph) else {
        return Err(vec![GraphQLError::new(
            code::BAD_REQUEST,
            "This router has neither an event stream nor an address to feed this subscription.",
        )]);
    };
    let given = plan.variables.iter().filter_map(|name| {
        let value = running.variables.get(name)?;
        Some((name.clone(), value.clone()))
    });
    let context = &running.context;
    let upstream = remote.subscribe(&plan.operation, &given.collect(), context).await?;
    let follower = Arc::clone(running) as Arc<dyn Follower>;
    Ok(remote::deliveries(upstream, follower, &context.identity))
}

fn subscriber(identity: &Identity) -> Option<Subscriber> {
    match identity {
        Identity::Viewer(viewer) => {
            Some(Subscriber { id: viewer.id.to_string(), expires_at: viewer.expires_at })
        }
        Identity::Anonymous | Identity::Service { .. } | Identity::Group { .. } => None,
    }
}

impl Followed {
    async fn next(&mut self) -> Option<Delivery> {
        while !self.over {
            tokio::select! {
                biased;
                Ok(()) = self.changes.changed() => {
                    if let Err(errors) = self.change().boxed().await {
                        self.end();
                        return Some(Delivery::Failed(errors));
                    }
                }
                delivery = self.deliveries.next() => {
                    if let Some(Delivery::Next { .. }) = &delivery {
                        METRICS.pushed.inc();
                    }
                    match &delivery {
                        Some(Delivery::Next { cursor, .. }) if cursor.is_some() => {
                            self.cursor.clone_from(cursor);
                        }
                        Some(Delivery::Next { .. }) => {}
                        _ => self.end(),
                    }
                    return delivery;
                }
            }
        }
        None
    }

    /// Frees what it holds before the client takes the last delivery.
    fn end(&mut self) {
        self.over = true;
        self.open = None;
        self.deliveries = stream::empty().boxed();
    }

    /// Goes over to a new supergraph.
    async fn change(&mut self) -> Result<(), Vec<GraphQLError>> {
        let current = Arc::clone(&self.changes.borrow_and_update());
        let (name, identity) = (self.operation_name.as_deref(), &self.running.context.identity);
        let prepared = current.engine.prepare_for(&self.query, name, identity).await;
        let prepared = prepared.map_err(|errors| outdated(&errors))?;
        let variables = &self.running.variables;
        current.engine.check_variables(&prepared, variables).map_err(|errors| outdated(&errors))?;
        let plan = plan(&prepared)?;
        let origin = Origin::new(&current, plan);
        let context = &self.running.context;
        let state = State::new((&self.live, &current), &prepared, plan, variables, context);
        self.running.replace(state);
        if origin == self.origin {
            return Ok(());
        }
        self.origin = origin;
        // Not everybody at once: each asks the guard.
        let _turn = self.live.turns().acquire().await;
        let cursor = self.cursor.clone();
        let resumed = cursor.is_some();
        self.deliveries = events(&current, plan, &self.running, cursor, resumed).await?;
        Ok(())
    }
}

fn outdated(errors: &[GraphQLError]) -> Vec<GraphQLError> {
    let reasons: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    let message = format!(
        "The schema has changed and this operation does not fit it any more: {}",
        reasons.join("; ")
    );
    vec![GraphQLError::new(SUBSCRIPTION_SCHEMA_RELOAD, message)]
}
