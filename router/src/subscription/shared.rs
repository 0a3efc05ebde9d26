//! One event, one execution, however many subscribers: those whose answers can't differ share it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{self, BoxFuture},
};
use http::{HeaderName, HeaderValue};
use platform::{identity::Identity, telemetry};
use uuid::Uuid;

use crate::{
    engine::{Argument, Engine, Prepared, RequestContext, SubscriptionPlan, Variables},
    metrics::METRICS,
    push::{Cursor, EventSource, Root, announced},
};

/// How many events' answers are kept for subscribers that read a little behind the others.
const ANSWERS_KEPT: usize = 4;

/// All executions that are shared at the moment.
#[derive(Default)]
pub(super) struct SharedExecutions(Arc<Registry>);

type Registry = Mutex<HashMap<Key, Weak<Shared>>>;

/// Subscribers with the same key get the same answers.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// Addresses, which stay those of the engine and of the operation as long as they are shared. An
    /// operation is prepared apart for viewers whose scopes and roles differ in what they may see.
    engine: usize,
    prepared: usize,
    variables: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    group: Uuid,
}

/// One execution for all who follow the same. It asks in the group's name, so that it can't see more than
/// each of its members.
pub(super) struct Shared {
    registry: Weak<Registry>,
    key: Key,
    engine: Arc<Engine>,
    prepared: Arc<Prepared>,
    variables: Variables,
    context: RequestContext,
    answers: Mutex<VecDeque<(Cursor, Answer)>>,
}

type Answer = future::Shared<BoxFuture<'static, Bytes>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedExecutions {
    /// The execution that a subscription shares with others. None where its answers are its viewer's own:
    /// something that it selects isn't marked as the same for everybody, nobody is logged in, or its source
    /// names no group.
    pub(super) fn find(
        &self,
        (engine, prepared): (&Arc<Engine>, &Arc<Prepared>),
        (plan, source): (&SubscriptionPlan, &EventSource),
        variables: &Variables,
        context: &RequestContext,
    ) -> Option<Arc<Shared>> {
        if !prepared.is_independent() || !matches!(context.identity, Identity::Viewer(_)) {
            return None;
        }
        let argument = source.group.as_deref()?;
        let group = Uuid::parse_str(plan.arguments(variables).get(argument)?.as_str()?).ok()?;
        let headers = context.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mut headers: Vec<_> = headers.collect();
        // Stable: values of one name keep their order.
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        let key = Key {
            engine: Arc::as_ptr(engine) as usize,
            prepared: Arc::as_ptr(prepared) as usize,
            variables: variables.text_without(cursor_variable(plan, prepared.document())),
            headers,
            group,
        };
        let mut known = lock(&self.0);
        if let Some(shared) = known.get(&key).and_then(Weak::upgrade) {
            return Some(shared);
        }
        let mut context = context.clone();
        context.identity = Identity::Group { id: group };
        context.client = None;
        let shared = Arc::new(Shared {
            registry: Arc::downgrade(&self.0),
            key: key.clone(),
            engine: Arc::clone(engine),
            prepared: Arc::clone(prepared),
            variables: variables.clone(),
            context,
            answers: Mutex::default(),
        });
        known.insert(key, Arc::downgrade(&shared));
        Some(shared)
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            let mut known = lock(&registry);
            // Another may have taken the place already.
            if known.get(&self.key).is_some_and(|shared| shared.strong_count() == 0) {
                known.remove(&self.key);
            }
        }
    }
}

impl Shared {
    /// The answer for the event at this position: made by the first one who asks, driven on by whoever still
    /// waits for it.
    pub(super) async fn answer(&self, position: Cursor, root: &Root<'_>) -> Bytes {
        let answer = {
            let mut answers = lock(&self.answers);
            match answers.iter().find(|(known, _)| *known == position) {
                Some((_, answer)) => {
                    METRICS.push_shared.inc();
                    answer.clone()
                }
                None => {
                    let answer = self.execute(root());
                    if answers.len() == ANSWERS_KEPT {
                        answers.pop_front();
                    }
                    answers.push_back((position, answer.clone()));
                    answer
                }
            }
        };
        answer.await
    }

    fn execute(&self, root: Vec<u8>) -> Answer {
        let (engine, prepared) = (Arc::clone(&self.engine), Arc::clone(&self.prepared));
        let (variables, mut context) = (self.variables.clone(), self.context.clone());
        context.trace = telemetry::current().unwrap_or(context.trace);
        announced::tell(&mut context);
        let trace = context.trace;
        let run = async move { engine.execute_event(&prepared, &variables, &context, root).await };
        async move { trace.scope(run).await }.boxed().shared()
    }
}

/// The variable that only says where a client goes on. Those who differ in nothing else see the same events.
fn cursor_variable<'p>(plan: &'p SubscriptionPlan, document: &str) -> Option<&'p str> {
    let (_, argument) = plan.arguments.iter().find(|(name, _)| name == "after")?;
    let Argument::Variable { name, .. } = argument else { return None };
    // Declared, used once, and nowhere else.
    (mentions(document, name) == 2).then_some(name)
}

/// How often a document has `$name`; in texts and comments, too.
fn mentions(document: &str, name: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    document
        .split('$')
        .skip(1)
        .map(str::trim_start)
        .filter(|rest| rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_counted_wherever_it_is_mentioned() {
        let document = "subscription($a: C, $after: C) { x(after: $a) { y(z: $ a) w(v: $after) } }";
        assert_eq!(mentions(document, "a"), 3);
        assert_eq!(mentions(document, "after"), 2);
        assert_eq!(mentions(document, "aft"), 0);
    }

    #[test]
    fn there_are_none_to_begin_with() {
        assert_eq!(SharedExecutions::default().len(), 0);
    }
}
