//! The engine: prepares operations once and executes them.
//!
//! | module | idea |
//! |---|---|
//! | `prepare` | document → plan and projection, cached |
//! | `plan` | the planner's tree as steps that wait for each other |
//! | `run` | takes the steps, concurrently where it may, in one task |
//! | `value`, `arena`, `merge`, `position` | answers as borrowed trees |
//! | `representation`, `rewrite` | entities into requests, answers into the tree |

mod answer;
mod arena;
mod condition;
mod introspection;
mod merge;
mod place;
mod plan;
mod position;
mod prepare;
mod representation;
mod rewrite;
mod run;
mod subscription;
mod value;
mod variable;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use platform::{identity::Identity, signature::Keys, subgraph::Transport, telemetry::TraceContext};
use tokio::time::Instant;

pub use prepare::{Operation, Prepared};
pub use subscription::{Argument, SubscriptionPlan};
pub use variable::Variables;

pub(crate) use condition::{All, Condition, FlagValues, Flags};
pub(crate) use prepare::PlanCache;
pub(crate) use value::{Value, write_string};

use crate::{
    error::{self, GraphQLError, code},
    supergraph::Supergraph,
};

/// Longest that a subgraph may take to answer unless configured, in milliseconds.
pub const SUBGRAPH_TIMEOUT_MS: u64 = 30_000;

/// What a request brings along beside operation and variables.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Who asks.
    pub identity: Identity,
    /// Headers for the subgraphs, already chosen by the router's rules.
    pub headers: HeaderMap,
    /// When the answer must be there; None for the subgraphs' own timeouts only.
    pub deadline: Option<Instant>,
    /// The request's place in its trace.
    pub trace: TraceContext,
}

impl RequestContext {
    /// A context without headers and deadline, in a new trace.
    pub fn new(identity: Identity) -> Self {
        Self { identity, headers: HeaderMap::new(), deadline: None, trace: TraceContext::new() }
    }
}

/// How to reach a subgraph.
pub(crate) struct Service {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timeout: Duration,
}

/// Executes operations on a supergraph. Shared by all requests.
pub struct Engine {
    supergraph: Supergraph,
    services: HashMap<Arc<str>, Service>,
    keys: Option<Keys>,
    introspection: bool,
    cache: PlanCache,
}

/// A response and what HTTP needs to know of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The whole response, JSON.
    pub(crate) body: Bytes,
    /// False where nothing was executed: a request error, without `data`.
    pub(crate) executed: bool,
    /// How many errors it has.
    pub(crate) errors: usize,
}

impl Answer {
    /// A request error.
    pub(crate) fn refused(errors: &[GraphQLError]) -> Self {
        Self { body: error::response(errors), executed: false, errors: errors.len() }
    }
}

impl Engine {
    pub(crate) fn new(
        supergraph: Supergraph,
        services: HashMap<Arc<str>, Service>,
        keys: Option<Keys>,
        introspection: bool,
        plan_cache_entries: usize,
    ) -> Self {
        Self {
            supergraph,
            services,
            keys,
            introspection,
            cache: PlanCache::new(plan_cache_entries),
        }
    }

    /// The supergraph it serves.
    pub fn supergraph(&self) -> &Supergraph {
        &self.supergraph
    }

    /// Parses, validates and plans an operation, or finds it in the cache.
    ///
    /// # Errors
    /// `GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED`, or
    /// `INTERNAL_SERVER_ERROR` where a valid operation cannot be planned.
    #[expect(clippy::unused_async, reason = "planning may move off the request's thread")]
    pub async fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        self.cache.get(query, operation_name, || {
            Prepared::new(&self.supergraph, self.introspection, query, operation_name)
        })
    }

    /// Executes a query or mutation and answers the whole JSON response. Faults
    /// are in the response; a subscription is refused.
    pub async fn execute(
        &self,
        prepared: &Arc<Prepared>,
        variables: &Variables,
        ctx: &RequestContext,
    ) -> Bytes {
        self.answer(prepared, variables, ctx).await.body
    }

    /// The same with what HTTP needs.
    pub(crate) async fn answer(
        &self,
        prepared: &Prepared,
        variables: &Variables,
        ctx: &RequestContext,
    ) -> Answer {
        if prepared.operation() == Operation::Subscription {
            return Answer::refused(&[GraphQLError::new(
                code::BAD_REQUEST,
                "Subscriptions need a streaming transport: SSE or WebSocket.",
            )]);
        }
        run::run(self, prepared, variables, ctx, None).await
    }

    /// Executes the steps that follow a subscription's event and answers the
    /// whole JSON response of that event.
    ///
    /// `root_data` is the subscription's root object as the events subgraph would
    /// answer it, for example `{"meetingUpdated":{…}}`. Keys may be the fields'
    /// own names or the aliases under which the operation asks for them.
    pub async fn execute_event(
        &self,
        prepared: &Arc<Prepared>,
        variables: &Variables,
        ctx: &RequestContext,
        root_data: Vec<u8>,
    ) -> Bytes {
        run::run(self, prepared, variables, ctx, Some(root_data.into())).await.body
    }

    /// Checks a request's variables without executing anything.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`, one error per variable that does not fit.
    pub fn check_variables(
        &self,
        prepared: &Prepared,
        variables: &Variables,
    ) -> Result<(), Vec<GraphQLError>> {
        variable::coerce(&self.supergraph.schema, &prepared.declarations, variables).map(|_| ())
    }
}
