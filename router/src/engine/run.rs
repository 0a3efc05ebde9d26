//! Runs a plan. One task, no locks: fetches are in flight together, but only
//! this loop touches the tree, one answer at a time.

use std::time::Duration;

use bytes::Bytes;
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use http::{
    HeaderValue, Method, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use platform::{
    subgraph::{CallTimeout, Request, Response, TransportError},
    telemetry::{Kind, Span, TraceContext},
};
use tokio::time::Instant;

use super::{
    Answer, Engine, Operation, RequestContext, Variables,
    answer::{self, SubgraphAnswer},
    arena::Arena,
    condition::{FlagValues, holds},
    introspection, place,
    plan::{Entities, Fetch},
    prepare::Prepared,
    read::read,
    representation::Collected,
    value::{List, Object, Tree, Value, write_string},
    variable::{self, Coerced},
};
use crate::{
    error::{GraphQLError, PathSegment, code},
    fetch::Origin,
    projection,
};

/// Most positions that one error about a shared entity is reported at.
const MAX_POSITIONS_PER_ERROR: usize = 16;
/// Most errors in one response.
const MAX_ERRORS_PER_RESPONSE: usize = 1_000;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A fetch under way: which step, where its answer belongs, and the answer.
type Flight = BoxFuture<'static, (usize, Vec<Collected>, Result<Response, TransportError>)>;

/// Executes a prepared operation; `event` is a subscription's root object.
pub(super) async fn run(
    engine: &Engine,
    prepared: &Prepared,
    variables: &Variables,
    ctx: &RequestContext,
    event: Option<Bytes>,
) -> Answer {
    let schema = &engine.supergraph.schema;
    let coerced = match variable::coerce(schema, &prepared.declarations, variables) {
        Ok(coerced) => coerced,
        Err(errors) => return Answer::refused(&errors),
    };
    let decision = prepared.flags.decision(&coerced, &prepared.declarations);
    let decided;
    let prepared = match decision.is_empty() {
        true => prepared,
        false => match engine.decided(prepared, &decision) {
            Ok(found) => {
                decided = found;
                &decided
            }
            Err(errors) => return Answer::refused(&errors),
        },
    };
    let arena = Arena::default();
    let mut run = Run {
        engine,
        prepared,
        ctx,
        coerced,
        flags: FlagValues::default(),
        arena: &arena,
        tree: Tree::new(),
        errors: Vec::new(),
    };
    if let Err(error) = run.begin(event) {
        return Answer::refused(&[error]);
    }
    run.steps().await;
    run.respond()
}

struct Run<'a> {
    engine: &'a Engine,
    prepared: &'a Prepared,
    ctx: &'a RequestContext,
    coerced: Coerced,
    flags: FlagValues,
    arena: &'a Arena,
    tree: Tree<'a>,
    /// Errors and the step they came from, for an order that does not depend on time.
    errors: Vec<(usize, GraphQLError)>,
}

impl<'a> Run<'a> {
    /// Puts into the tree what needs no fetch.
    fn begin(&mut self, event: Option<Bytes>) -> Result<(), GraphQLError> {
        let names = &self.engine.supergraph.abstract_names;
        let keys = &self.prepared.keys;
        if let (Some(event), Some(subscription)) = (event, self.prepared.subscription()) {
            let bytes = self.arena.keep(event);
            let root = read(&mut self.tree, keys, bytes).map_err(|error| {
                tracing::error!(%error, "an event's payload is not JSON");
                GraphQLError::new(code::INTERNAL_SERVER_ERROR, "The event cannot be read.")
            })?;
            subscription.alias(&mut self.tree, root);
            if let Value::Object(root) = root {
                self.tree.merge(Tree::ROOT, root, names);
            }
        }
        let fields = &self.prepared.projection.root.list;
        for field in fields.iter().filter(|field| field.condition.holds(&self.flags)) {
            let schema = &self.engine.supergraph.schema;
            let Some(json) = introspection::resolve(schema, field, &self.flags, &self.coerced)
            else {
                continue;
            };
            let bytes = self.arena.keep(json.into());
            if let Ok(value) = read(&mut self.tree, keys, bytes) {
                self.tree.push(Tree::ROOT, (field.slot, value));
            }
        }
        Ok(())
    }

    async fn steps(&mut self) {
        let steps = &self.prepared.plan.steps;
        let mut waiting: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
        let mut ready: Vec<usize> = (0..steps.len()).filter(|step| waiting[*step] == 0).collect();
        let mut flights = FuturesUnordered::<Flight>::new();
        loop {
            while let Some(step) = ready.pop() {
                match self.start(step) {
                    Some(flight) => flights.push(flight),
                    None => release(&steps[step].before, &mut waiting, &mut ready),
                }
            }
            let Some((step, collected, outcome)) = flights.next().await else {
                return;
            };
            self.land(step, &collected, outcome);
            release(&steps[step].before, &mut waiting, &mut ready);
        }
    }

    /// Sends a step's request; None where there is nothing to ask.
    fn start(&mut self, index: usize) -> Option<Flight> {
        let step = &self.prepared.plan.steps[index];
        if !holds(&step.conditions, &self.flags) || !step.wanted.holds(&self.flags) {
            return None;
        }
        let fetch = &step.fetch;
        let collected: Vec<_> =
            fetch.entities.iter().map(|entities| entities.collection.collect(&self.tree)).collect();
        if !collected.is_empty() && collected.iter().all(|collected| collected.len == 0) {
            return None;
        }
        let Some(service) = self.engine.services.get(&fetch.service) else {
            let message = format!("The subgraph \"{}\" cannot be reached.", fetch.service);
            let error = GraphQLError::new(code::SUBREQUEST_HTTP_ERROR, message);
            self.fail(index, &collected, error.of_service(&fetch.service));
            return None;
        };
        let mut timeout = service.timeout;
        if let Some(deadline) = self.ctx.deadline {
            timeout = timeout.min(deadline.saturating_duration_since(Instant::now()));
        }
        let mut span = self.span(fetch);
        let request = self.request(fetch, &collected, timeout, span.context());
        let call = service.transport.call(request);
        let flight = async move {
            let outcome = tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| {
                let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                Err(TransportError::Timeout(millis))
            });
            tell(&mut span, &outcome);
            (index, collected, outcome)
        };
        Some(flight.boxed())
    }

    /// The span of a fetch.
    fn span(&self, fetch: &Fetch) -> Span {
        let service = &fetch.service;
        let above = Some(self.ctx.trace);
        let mut span = Span::start(Kind::Client, above, || format!("fetch {service}").into());
        span.set("http.request.method", || "POST");
        span.set("moim.subgraph", || service.to_string());
        span
    }

    fn request(
        &self,
        fetch: &Fetch,
        collected: &[Collected],
        timeout: Duration,
        trace: TraceContext,
    ) -> Request {
        let body = self.body(fetch, collected);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/graphql");
        let headers = request.headers_mut();
        *headers = self.ctx.headers.clone();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        trace.inject(headers);
        let operation = self.prepared.operation();
        if let Some(keys) = &self.engine.keys {
            // Answers to queries are shared wherever they were asked from.
            let client = self.ctx.client.filter(|_| operation == Operation::Mutation);
            keys.sign_for(&fetch.service, &self.ctx.identity, client, &body, headers);
        }
        request.extensions_mut().insert(CallTimeout(timeout));
        let origin = Origin::new(operation, &self.ctx.identity, self.ctx.fresh);
        request.extensions_mut().insert(origin);
        *request.body_mut() = body.into();
        request
    }

    fn body(&self, fetch: &Fetch, collected: &[Collected]) -> Vec<u8> {
        let size = collected.iter().map(|it| it.json.len() + 32).sum::<usize>();
        let mut body = Vec::with_capacity(fetch.prefix.len() + size + 64);
        body.extend_from_slice(&fetch.prefix);
        let mut first = true;
        let mut name = |body: &mut Vec<u8>, name: &str| {
            if !std::mem::take(&mut first) {
                body.push(b',');
            }
            write_string(body, name);
            body.push(b':');
        };
        for variable in &fetch.variables {
            if let Some(value) = self.coerced.get(variable) {
                name(&mut body, variable);
                body.extend_from_slice(value.as_bytes());
            }
        }
        for (index, (entities, collected)) in fetch.entities.iter().zip(collected).enumerate() {
            // Fields with the same representations share a variable.
            let known = &fetch.entities[..index];
            if !known.iter().any(|earlier| earlier.variable == entities.variable) {
                name(&mut body, &entities.variable);
                body.extend_from_slice(&collected.json);
            }
        }
        body.extend_from_slice(b"}}");
        body
    }

    /// Takes an answer into the tree.
    fn land(
        &mut self,
        index: usize,
        collected: &[Collected],
        outcome: Result<Response, TransportError>,
    ) {
        let fetch = &self.prepared.plan.steps[index].fetch;
        let tree = (&mut self.tree, &self.prepared.keys);
        let answer = match answer::read(tree, self.arena, &fetch.service, outcome) {
            Ok(answer) => answer,
            Err(error) => return self.fail(index, collected, error),
        };
        let SubgraphAnswer { data, errors } = answer;
        self.subgraph_errors(index, fetch, collected, data, errors);
        let Some(data) = data else { return };
        if fetch.entities.is_empty() {
            for renamer in &fetch.renames {
                renamer.apply(&mut self.tree, Value::Object(data));
            }
            self.tree.merge(Tree::ROOT, data, &self.engine.supergraph.abstract_names);
            return;
        }
        for (entities, collected) in fetch.entities.iter().zip(collected) {
            if let Some(Value::List(answers)) = self.tree.get(data, entities.alias) {
                self.place(entities, collected, answers);
            }
        }
    }

    /// Merges entities into all of their positions; the last one gets the
    /// original, the others copies, unless there is nothing but leaves.
    fn place(&mut self, entities: &Entities, collected: &Collected, answers: List) {
        let names = &self.engine.supergraph.abstract_names;
        for renamer in &entities.renames {
            renamer.apply(&mut self.tree, Value::List(answers));
        }
        let mut uses = vec![0_u32; answers.len()];
        for index in &collected.indices {
            if let Some(uses) = uses.get_mut(*index as usize) {
                *uses += 1;
            }
        }
        for (target, index) in collected.positions.objects().iter().zip(&collected.indices) {
            let index = *index as usize;
            let Some(Value::Object(answer)) = self.tree.items(answers).get(index).copied() else {
                continue;
            };
            uses[index] -= 1;
            let source = match uses[index] == 0 || self.tree.is_flat(answer) {
                true => answer,
                false => self.tree.copy_object(answer),
            };
            self.tree.merge(*target, source, names);
        }
    }

    /// A fetch that brought nothing: one error where its answer would have been.
    fn fail(&mut self, step: usize, collected: &[Collected], mut error: GraphQLError) {
        let fetch = &self.prepared.plan.steps[step].fetch;
        match collected.iter().find(|collected| collected.len > 0) {
            Some(collected) => {
                let keys = &self.prepared.keys;
                error.path = Some(collected.positions.common_path(&self.tree, keys));
            }
            None => {
                if let [key] = fetch.root_keys.as_slice() {
                    error.path = Some(vec![PathSegment::Key(key.to_string())]);
                }
            }
        }
        self.errors.push((step, error));
    }

    /// Gives a subgraph's errors the client's paths.
    fn subgraph_errors(
        &mut self,
        step: usize,
        fetch: &Fetch,
        collected: &[Collected],
        data: Option<Object>,
        mut errors: Vec<GraphQLError>,
    ) {
        let keys = &self.prepared.keys;
        for error in &mut errors {
            fetch.name_back(error.path.as_deref_mut().unwrap_or_default(), keys);
        }
        if fetch.entities.is_empty() {
            self.errors.extend(errors.into_iter().map(|error| (step, error)));
            return;
        }
        let paths = errors.iter().map(|error| error.path.as_deref().unwrap_or_default());
        let places = place::locate(fetch, (&self.tree, keys), data.map(Value::Object), paths);
        for (mut error, place) in errors.into_iter().zip(places) {
            let path = error.path.take().unwrap_or_default();
            let known = place.filter(|place| place.index < collected[place.entities].len);
            let Some(place) = known else {
                self.fail(step, collected, error);
                continue;
            };
            let collected = &collected[place.entities];
            for position in collected.positions_of(place.index).take(MAX_POSITIONS_PER_ERROR) {
                let mut at = collected.positions.path(position, &self.tree, keys);
                at.extend_from_slice(&path[place.skip..]);
                self.errors.push((step, error.clone().at(at)));
            }
        }
    }

    fn respond(mut self) -> Answer {
        // Stable: the order within a step is the subgraph's.
        self.errors.sort_by_key(|(step, _)| *step);
        let mut errors: Vec<_> = self.errors.drain(..).map(|(_, error)| error).collect();
        for error in &mut errors {
            let path = error.path.as_deref_mut().unwrap_or_default();
            self.prepared.aliases.name_back(path);
            self.engine.supergraph.planner.name_back(path);
        }
        let mut body = Vec::with_capacity(self.prepared.room());
        body.extend_from_slice(b"{\"data\":");
        let context = projection::Context { flags: &self.flags, errors: &errors };
        let found = projection::write(&self.prepared.projection, &self.tree, &context, &mut body);
        errors.extend(found);
        errors.truncate(MAX_ERRORS_PER_RESPONSE);
        self.engine.told.publish(&mut errors);
        if !errors.is_empty() {
            body.extend_from_slice(b",\"errors\":");
            // Writing to a Vec cannot fail.
            let _ = serde_json::to_writer(&mut body, &errors);
        }
        body.push(b'}');
        self.prepared.took(body.len());
        Answer { body: body.into(), executed: true, errors: errors.len() }
    }
}

/// Says of a fetch's span what it brought.
fn tell(span: &mut Span, outcome: &Result<Response, TransportError>) {
    match outcome {
        Ok(response) => {
            let status = response.status();
            span.set("http.response.status_code", || i64::from(status.as_u16()));
            if !status.is_success() {
                span.fail("http_error");
            }
        }
        Err(TransportError::Timeout(_)) => span.fail("timeout"),
        Err(_) => span.fail("unreachable"),
    }
}

/// A step is done: those that waited for it only may begin.
fn release(before: &[usize], waiting: &mut [usize], ready: &mut Vec<usize>) {
    for step in before {
        waiting[*step] -= 1;
        if waiting[*step] == 0 {
            ready.push(*step);
        }
    }
}
