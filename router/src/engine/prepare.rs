//! From a document to something that can be executed, once per document.

use std::{
    hash::{BuildHasher, DefaultHasher, Hash, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use graphql_tools::static_graphql::query as ast;
use platform::telemetry::{self, Span};
use quick_cache::sync::Cache;

use super::{
    Aliases,
    condition::{Decision, Flags},
    decision,
    key::Keys,
    plan::{self, Plan},
    subscription::{self, SubscriptionPlan},
    variable::{Declaration, Variables},
};
use crate::{
    authorization::{self, Grant, Unauthorized},
    error::{GraphQLError, code},
    limit::{Cost, Limits},
    metrics::METRICS,
    name::Hasher,
    planner::{PlanError, Planner, SelectionItem, SelectionSet, Variant},
    projection::{self, Projection},
    supergraph::Supergraph,
};

/// Longest document that is prepared, in bytes.
pub(super) const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Room for an operation's first response, in bytes.
const RESPONSE_START_BYTES: usize = 4 * 1024;
/// Most room that a response begins with, in bytes.
const RESPONSE_START_MAX_BYTES: usize = 1024 * 1024;

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reads.
    Query,
    /// Writes, field after field.
    Mutation,
    /// Follows events.
    Subscription,
}

impl Operation {
    /// As GraphQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// What plans of one operation are made for.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct Kind<'k> {
    /// Which requirements the viewer meets.
    pub(crate) grant: &'k Grant,
    /// Which overrides are on.
    pub(crate) variant: &'k Variant,
    /// What its conditions come to; empty before that is known.
    pub(crate) decision: &'k Decision,
}

/// A validated and planned operation. Independent of viewers, and of all variables
/// but those that `@include` and `@skip` use: these are decided in each request.
#[derive(Debug)]
pub struct Prepared {
    query: Box<str>,
    requested: Option<Box<str>>,
    variant: Variant,
    decision: Decision,
    name: Option<String>,
    operation: Operation,
    hash: u64,
    grant: Grant,
    cost: Cost,
    subscription: Option<SubscriptionPlan>,
    /// All that it selects is the same for everybody who may see it.
    independent: bool,
    pub(super) plan: Plan,
    pub(super) projection: Projection,
    pub(super) flags: Flags,
    pub(super) keys: Keys,
    pub(super) aliases: Aliases,
    pub(super) declarations: Vec<Declaration>,
    /// How long the last response was, in bytes.
    size: AtomicUsize,
}

impl Prepared {
    /// The kind of the operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The operation's own name.
    pub fn operation_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A hash of the document and the operation's name: the same in every process
    /// of this build, for logs and for grouping equal operations.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many objects the operation may ask for with these variables.
    pub fn cost(&self, variables: &Variables) -> u64 {
        self.cost.of(variables)
    }

    /// Room for a response: what the last one took and a little more, in bytes.
    pub(super) fn room(&self) -> usize {
        let last = self.size.load(Ordering::Relaxed);
        (last + last / 8).min(RESPONSE_START_MAX_BYTES)
    }

    /// Notes how long a response was, in bytes.
    pub(super) fn took(&self, size: usize) {
        self.size.store(size, Ordering::Relaxed);
    }

    /// What feeds a subscription; None for queries and mutations.
    pub fn subscription(&self) -> Option<&SubscriptionPlan> {
        self.subscription.as_ref()
    }

    /// Whether all that a subscription's events bring is the same for everybody who may see it.
    pub(crate) fn is_independent(&self) -> bool {
        self.independent
    }

    /// The document that it was prepared from.
    pub(crate) fn document(&self) -> &str {
        &self.query
    }

    /// The subgraphs whose root fields it touches; one may come several times.
    pub(crate) fn root_subgraphs(&self) -> impl Iterator<Item = &str> {
        let fetches = self.plan.steps.iter().map(|step| &step.fetch);
        let roots = fetches.filter(|fetch| fetch.entities.is_empty()).map(|fetch| &*fetch.service);
        let subscription = self.plan.subscription.iter().map(|fetch| fetch.service_name.as_str());
        roots.chain(subscription)
    }

    pub(super) fn new(
        supergraph: &Supergraph,
        introspection: bool,
        limits: &Limits,
        (query, requested): (&str, Option<&str>),
        unauthorized: Unauthorized,
        kind: Kind<'_>,
    ) -> Result<Self, Vec<GraphQLError>> {
        if query.len() > MAX_DOCUMENT_BYTES {
            let message = format!("The document is longer than {MAX_DOCUMENT_BYTES} bytes.");
            return Err(vec![GraphQLError::new(code::GRAPHQL_PARSE_FAILED, message)]);
        }
        limits.config.check_text(query).map_err(|error| vec![error])?;
        let planner = &supergraph.planner;
        let document = &Planner::parse(query).map_err(|error| vec![error])?;
        let chosen = choose(document, requested).map_err(|error| vec![error])?;
        limits.config.check_shape(document).map_err(|error| vec![error])?;
        planner.validate(document)?;
        let root_type = root_type(supergraph, chosen.operation).map_err(|error| vec![error])?;
        if !introspection && introspects(document) {
            let message = "Introspection is switched off.";
            return Err(vec![GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, message)]);
        }
        let mut flags = Flags::default();
        let mut keys = Keys::default();
        let schema = &supergraph.schema;
        let operation = (root_type, chosen.variables, chosen.selections);
        let cost = limits.cost(schema, document, operation).map_err(|error| vec![error])?;
        let decision = Some(kind.decision).filter(|it| !it.is_empty());
        let decided = decision::decide(document, chosen.definition, &mut flags, decision);
        let (shown, planned) = match &decided {
            Some(decided) => (&decided.shown, &decided.planned),
            None => (document, document),
        };
        let mut planned = without_introspection(planned, root_type);
        let denied = supergraph.rules.denied(kind.grant);
        let taken = authorization::strip(schema, &mut planned, &denied);
        check_access(&taken, unauthorized, chosen.operation, root_type)?;
        let fixed = schema.subscription.as_deref();
        let aliases = Aliases::displace(&mut planned, &supergraph.field_names, fixed);
        let selections = match &decided {
            Some(decided) => choose(&decided.shown, None).map_err(|error| vec![error])?.selections,
            None => chosen.selections,
        };
        let projection = projection::compile(
            schema,
            shown,
            selections,
            root_type,
            (&mut flags, &mut keys),
            (&aliases, &denied),
        );
        let plan = plan_steps(planner, &planned, &chosen, kind.variant, (&mut flags, &mut keys))
            .map_err(|error| vec![error])?;
        let subscription = match &plan.subscription {
            Some(fetch) => Some(subscription::plan(fetch, &mut keys).ok_or_else(unplannable)?),
            // With its only field skipped there is nothing left of it.
            None if chosen.operation == Operation::Subscription && decision.is_none() => {
                return Err(unplannable());
            }
            None => None,
        };
        Ok(Self {
            query: query.into(),
            requested: requested.map(Into::into),
            variant: kind.variant.clone(),
            decision: kind.decision.clone(),
            name: chosen.name.map(str::to_owned),
            operation: chosen.operation,
            hash: stable_hash(query, requested),
            grant: kind.grant.clone(),
            cost,
            independent: chosen.operation == Operation::Subscription
                && supergraph.independence.covers(schema, root_type, document),
            subscription,
            plan,
            projection,
            flags,
            keys,
            aliases,
            declarations: chosen.variables.iter().map(Declaration::new).collect(),
            size: AtomicUsize::new(RESPONSE_START_BYTES),
        })
    }

    /// The document and the requested operation's name.
    pub(super) fn asked(&self) -> (&str, Option<&str>) {
        (&self.query, self.requested.as_deref())
    }

    pub(super) fn kind(&self) -> Kind<'_> {
        Kind { grant: &self.grant, variant: &self.variant, decision: &self.decision }
    }

    fn is_of(&self, query: &str, requested: Option<&str>, kind: Kind<'_>) -> bool {
        *self.query == *query
            && self.requested.as_deref() == requested
            && self.grant == *kind.grant
            && self.variant == *kind.variant
            && self.decision == *kind.decision
    }
}

/// Prepared operations, bounded.
pub(crate) struct PlanCache {
    // Keyed by a process-private hash, so that nobody can prepare collisions.
    cache: Cache<u64, Arc<Prepared>>,
    hasher: Hasher,
}

impl PlanCache {
    /// A cache of that many entries.
    pub(crate) fn new(entries: usize) -> Self {
        Self { cache: Cache::new(entries), hasher: Hasher::default() }
    }

    /// The cached operation, or the one that `prepare` makes.
    pub(crate) fn get(
        &self,
        query: &str,
        requested: Option<&str>,
        kind: Kind<'_>,
        prepare: impl FnOnce() -> Result<Prepared, Vec<GraphQLError>>,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        let key = self.hasher.hash_one((query, requested, kind));
        if let Some(prepared) = self.cache.get(&key)
            && prepared.is_of(query, requested, kind)
        {
            METRICS.plan_hits.inc();
            return Ok(prepared);
        }
        METRICS.plan_misses.inc();
        let began = Instant::now();
        let span = telemetry::current()
            .map(|above| Span::start(telemetry::Kind::Internal, Some(above), || "plan".into()));
        let prepared = Arc::new(prepare()?);
        drop(span);
        METRICS.plan_duration.observe(began.elapsed().as_secs_f64());
        self.cache.insert(key, Arc::clone(&prepared));
        METRICS.plan_entries.set(i64::try_from(self.cache.len()).unwrap_or(i64::MAX));
        Ok(prepared)
    }
}

/// Refuses an operation whose viewer may not see some of it, where that is wanted. A subscription to what
/// is denied has nothing to follow.
fn check_access(
    taken: &[String],
    unauthorized: Unauthorized,
    operation: Operation,
    root_type: &str,
) -> Result<(), Vec<GraphQLError>> {
    let of_root = |place: &String| place.split('.').next() == Some(root_type);
    let refused = match unauthorized {
        Unauthorized::Refuse => !taken.is_empty(),
        Unauthorized::Mask => operation == Operation::Subscription && taken.iter().any(of_root),
    };
    if !refused {
        return Ok(());
    }
    Err(taken.iter().map(|place| authorization::error(place)).collect())
}

fn stable_hash(query: &str, requested: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (query, requested).hash(&mut hasher);
    hasher.finish()
}

/// The operation to execute.
struct Chosen<'d> {
    definition: &'d ast::OperationDefinition,
    operation: Operation,
    name: Option<&'d str>,
    selections: &'d ast::SelectionSet,
    variables: &'d [ast::VariableDefinition],
}

fn choose<'d>(
    document: &'d ast::Document,
    requested: Option<&str>,
) -> Result<Chosen<'d>, GraphQLError> {
    let mut operations = document.definitions.iter().filter_map(|it| match it {
        ast::Definition::Operation(operation) => Some(chosen(operation)),
        ast::Definition::Fragment(_) => None,
    });
    let refused = |message: String| GraphQLError::new(code::BAD_REQUEST, message);
    match requested {
        Some(name) => operations
            .find(|operation| operation.name == Some(name))
            .ok_or_else(|| refused(format!("The document has no operation named \"{name}\"."))),
        None => {
            let first = operations
                .next()
                .ok_or_else(|| refused("The document has no operation.".to_owned()))?;
            match operations.next() {
                None => Ok(first),
                Some(_) => Err(refused(
                    "The document has several operations: `operationName` is needed.".to_owned(),
                )),
            }
        }
    }
}

fn chosen(operation: &ast::OperationDefinition) -> Chosen<'_> {
    let definition = operation;
    match operation {
        ast::OperationDefinition::SelectionSet(selections) => Chosen {
            definition,
            operation: Operation::Query,
            name: None,
            selections,
            variables: &[],
        },
        ast::OperationDefinition::Query(it) => Chosen {
            definition,
            operation: Operation::Query,
            name: it.name.as_deref(),
            selections: &it.selection_set,
            variables: &it.variable_definitions,
        },
        ast::OperationDefinition::Mutation(it) => Chosen {
            definition,
            operation: Operation::Mutation,
            name: it.name.as_deref(),
            selections: &it.selection_set,
            variables: &it.variable_definitions,
        },
        ast::OperationDefinition::Subscription(it) => Chosen {
            definition,
            operation: Operation::Subscription,
            name: it.name.as_deref(),
            selections: &it.selection_set,
            variables: &it.variable_definitions,
        },
    }
}

fn root_type(supergraph: &Supergraph, operation: Operation) -> Result<&str, GraphQLError> {
    let schema = &supergraph.schema;
    match operation {
        Operation::Query => Some(schema.query.as_str()),
        Operation::Mutation => schema.mutation.as_deref(),
        Operation::Subscription => schema.subscription.as_deref(),
    }
    .ok_or_else(|| {
        let message = format!("The schema has no {}s.", operation.as_str());
        GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, message)
    })
}

fn unplannable() -> Vec<GraphQLError> {
    vec![GraphQLError::new(code::INTERNAL_SERVER_ERROR, "The operation cannot be planned.")]
}

fn plan_steps(
    planner: &Planner,
    document: &ast::Document,
    chosen: &Chosen<'_>,
    variant: &Variant,
    (flags, keys): (&mut Flags, &mut Keys),
) -> Result<Plan, GraphQLError> {
    let internal = |error: PlanError| {
        tracing::error!(%error, "an operation could not be planned");
        GraphQLError::new(code::INTERNAL_SERVER_ERROR, "The operation cannot be planned.")
    };
    let mut operation = planner.normalise(document, chosen.name).map_err(internal)?;
    drop_root_typename(&mut operation.selection_set);
    let nodes = planner.plan_in_parts(&operation, variant).map_err(internal)?;
    plan::compile(planner, &nodes, flags, keys)
        .map_err(|error| GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, error.to_string()))
}

/// Takes `__typename` out of the root: the router knows it.
fn drop_root_typename(selections: &mut SelectionSet) {
    selections.items.retain_mut(|item| match item {
        SelectionItem::Field(field) => field.name != "__typename",
        SelectionItem::InlineFragment(fragment) => {
            drop_root_typename(&mut fragment.selections);
            !fragment.selections.items.is_empty()
        }
        SelectionItem::FragmentSpread(_) => true,
    });
}

fn introspects(document: &ast::Document) -> bool {
    document
        .definitions
        .iter()
        .any(|definition| any_field(selections_of(definition), &|field| is_introspection(field)))
}

fn is_introspection(field: &ast::Field) -> bool {
    field.name == "__schema" || field.name == "__type"
}

fn selections_of(definition: &ast::Definition) -> &ast::SelectionSet {
    match definition {
        ast::Definition::Operation(operation) => chosen(operation).selections,
        ast::Definition::Fragment(fragment) => &fragment.selection_set,
    }
}

fn any_field(selections: &ast::SelectionSet, wanted: &dyn Fn(&ast::Field) -> bool) -> bool {
    selections.items.iter().any(|selection| match selection {
        ast::Selection::Field(field) => wanted(field) || any_field(&field.selection_set, wanted),
        ast::Selection::InlineFragment(fragment) => any_field(&fragment.selection_set, wanted),
        ast::Selection::FragmentSpread(_) => false,
    })
}

/// The document for the planner: introspection stands as `__typename`, which is
/// then dropped, so that no selection becomes empty.
fn without_introspection(document: &ast::Document, root_type: &str) -> ast::Document {
    let mut document = document.clone();
    if !introspects(&document) {
        return document;
    }
    for definition in &mut document.definitions {
        let selections = match definition {
            ast::Definition::Fragment(fragment) => {
                if fragment.type_condition.as_ref() != root_type {
                    continue;
                }
                &mut fragment.selection_set
            }
            ast::Definition::Operation(operation) => match operation {
                ast::OperationDefinition::SelectionSet(selections) => selections,
                ast::OperationDefinition::Query(it) => &mut it.selection_set,
                ast::OperationDefinition::Mutation(it) => &mut it.selection_set,
                ast::OperationDefinition::Subscription(it) => &mut it.selection_set,
            },
        };
        hide_introspection(selections);
    }
    document
}

fn hide_introspection(selections: &mut ast::SelectionSet) {
    for selection in &mut selections.items {
        match selection {
            ast::Selection::Field(field) if is_introspection(field) => {
                "__typename".clone_into(&mut field.name);
                field.alias = None;
                field.arguments.clear();
                field.selection_set.items.clear();
            }
            ast::Selection::InlineFragment(fragment) => {
                hide_introspection(&mut fragment.selection_set);
            }
            _ => {}
        }
    }
}
