//! The engine: prepares operations once and executes them.
//!
//! | module | idea |
//! |---|---|
//! | `prepare` | document → plan and projection, cached |
//! | `plan` | the planner's tree as steps that wait for each other |
//! | `run` | takes the steps, concurrently where it may, in one task |
//! | `value`, `arena`, `key`, `read`, `merge` | answers as one borrowed tree |
//! | `position` | places in it |
//! | `representation`, `rewrite` | entities into requests, answers into the tree |

mod alias;
mod answer;
mod arena;
mod condition;
mod decision;
mod introspection;
mod key;
mod merge;
mod place;
mod plan;
mod position;
mod prepare;
mod read;
mod representation;
mod rewrite;
mod run;
mod subscription;
mod value;
mod variable;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use platform::{
    identity::{ClientAddress, Identity},
    signature,
    subgraph::Transport,
    telemetry::TraceContext,
};
use tokio::time::Instant;

pub use prepare::{Operation, Prepared};
pub use subscription::{Argument, SubscriptionPlan};
pub use variable::Variables;

pub(crate) use alias::Aliases;
pub(crate) use condition::{All, Condition, Decision, FlagValues, Flags};
pub(crate) use key::{Key, Keys};
pub(crate) use prepare::{Kind, PlanCache};
pub(crate) use value::{Object, Tree, Value, write_string};

use crate::{
    authorization::{Grant, Unauthorized},
    error::{self, GraphQLError, code},
    limit::{self, Limits},
    mode::Told,
    planner::{Overrides, Rollout},
    rate::Toll,
    supergraph::Supergraph,
};

/// Longest that a subgraph may take to answer unless configured, in milliseconds.
pub const SUBGRAPH_TIMEOUT_MS: u64 = 30_000;

/// What a request brings along beside operation and variables.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Who asks.
    pub identity: Identity,
    /// From where, if that is known; told to subgraphs with mutations.
    pub client: Option<ClientAddress>,
    /// Headers for the subgraphs, already chosen by the router's rules.
    pub headers: HeaderMap,
    /// When the answer must be there; None for the subgraphs' own timeouts only.
    pub deadline: Option<Instant>,
    /// The request's place in its trace.
    pub trace: TraceContext,
    /// Whether fetches must begin from now on: an answer on its way to somebody else
    /// may be too old.
    pub fresh: bool,
    /// What is to be paid before an operation is executed.
    pub toll: Toll,
}

impl RequestContext {
    /// A context without headers and deadline, in a new trace.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            client: None,
            headers: HeaderMap::new(),
            deadline: None,
            trace: TraceContext::new(),
            fresh: false,
            toll: Toll::default(),
        }
    }

    /// Draws from the rate limits for an operation; the second time does nothing.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(crate) async fn pay(&mut self, prepared: &Prepared) -> Result<(), GraphQLError> {
        let toll = std::mem::take(&mut self.toll);
        toll.pay(&self.identity, prepared.root_subgraphs()).await
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
    keys: Option<signature::Keys>,
    introspection: bool,
    limits: Limits,
    rollout: Rollout,
    cache: PlanCache,
    unauthorized: Unauthorized,
    told: Told,
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
        keys: Option<signature::Keys>,
        introspection: bool,
        limits: limit::Config,
        plan_cache_entries: usize,
    ) -> Self {
        Self {
            limits: Limits::new(limits, &supergraph.schema),
            rollout: Rollout::new(&supergraph.planner, &Overrides::default()),
            supergraph,
            services,
            keys,
            introspection,
            cache: PlanCache::new(plan_cache_entries),
            unauthorized: Unauthorized::default(),
            told: Told::default(),
        }
    }

    /// What becomes of operations with fields that their viewer may not see.
    #[must_use]
    pub(crate) fn unauthorized(mut self, unauthorized: Unauthorized) -> Self {
        self.unauthorized = unauthorized;
        self
    }

    /// Rolls progressive overrides out as configured.
    #[must_use]
    pub(crate) fn roll_out(mut self, overrides: &Overrides) -> Self {
        self.rollout = Rollout::new(&self.supergraph.planner, overrides);
        self
    }

    /// What clients are told of errors.
    #[must_use]
    pub(crate) fn told(mut self, told: Told) -> Self {
        self.told = told;
        self
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
    pub async fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        self.prepare_granted(query, operation_name, &Grant::default())
    }

    /// The same for somebody: without what he may not see. Viewers who meet the same requirements share
    /// plans.
    ///
    /// # Errors
    /// The same, and `UNAUTHORIZED_FIELD_OR_TYPE` where the whole operation is refused.
    pub async fn prepare_for(
        &self,
        query: &str,
        operation_name: Option<&str>,
        identity: &Identity,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        let grant = self.supergraph.rules.grant(identity);
        self.prepare_granted(query, operation_name, &grant)
    }

    fn prepare_granted(
        &self,
        query: &str,
        operation_name: Option<&str>,
        grant: &Grant,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        let decision = Decision::default();
        let kind = Kind { grant, variant: &self.rollout.draw(), decision: &decision };
        self.prepare_kind(query, operation_name, kind)
    }

    /// An operation as its conditions are decided in a request.
    pub(crate) fn decided(
        &self,
        prepared: &Prepared,
        decision: &Decision,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        let (query, operation_name) = prepared.asked();
        let kind = Kind { decision, ..prepared.kind() };
        self.prepare_kind(query, operation_name, kind)
    }

    fn prepare_kind(
        &self,
        query: &str,
        operation_name: Option<&str>,
        kind: Kind<'_>,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        self.cache
            .get(query, operation_name, kind, || {
                let Self { supergraph, introspection, limits, .. } = self;
                let asked = (query, operation_name);
                Prepared::new(supergraph, *introspection, limits, asked, self.unauthorized, kind)
            })
            .map_err(|mut errors| {
                errors.iter_mut().for_each(|error| self.told.suggest(error));
                errors
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

    /// The cost of an operation with a request's variables.
    ///
    /// # Errors
    /// `COST_LIMIT_EXCEEDED`
    pub fn check_cost(
        &self,
        prepared: &Prepared,
        variables: &Variables,
    ) -> Result<u64, GraphQLError> {
        let cost = prepared.cost(variables);
        self.limits.config.check_cost(cost).map(|()| cost)
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
