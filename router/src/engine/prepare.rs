//! From a document to something that can be executed, once per document.

use std::{
    collections::HashMap,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
    sync::Arc,
};

use graphql_tools::static_graphql::query as ast;
use quick_cache::sync::Cache;

use super::{
    condition::Flags,
    plan::{self, Plan},
    subscription::{self, SubscriptionPlan},
    variable::Declaration,
};
use crate::{
    error::{GraphQLError, code},
    planner::{
        OperationDefinition, OperationKind, PlanError, PlanNode, Planner, SelectionItem,
        SelectionSet,
    },
    projection::{self, Projection},
    supergraph::Supergraph,
};

/// Longest document that is prepared, in bytes.
pub(super) const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

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

/// A validated and planned operation. Independent of variables and viewers.
#[derive(Debug)]
pub struct Prepared {
    query: Box<str>,
    requested: Option<Box<str>>,
    name: Option<String>,
    operation: Operation,
    hash: u64,
    subscription: Option<SubscriptionPlan>,
    pub(super) plan: Plan,
    pub(super) projection: Projection,
    pub(super) flags: Flags,
    pub(super) declarations: Vec<Declaration>,
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

    /// What feeds a subscription; None for queries and mutations.
    pub fn subscription(&self) -> Option<&SubscriptionPlan> {
        self.subscription.as_ref()
    }

    pub(super) fn new(
        supergraph: &Supergraph,
        introspection: bool,
        query: &str,
        requested: Option<&str>,
    ) -> Result<Self, Vec<GraphQLError>> {
        if query.len() > MAX_DOCUMENT_BYTES {
            let message = format!("The document is longer than {MAX_DOCUMENT_BYTES} bytes.");
            return Err(vec![GraphQLError::new(code::GRAPHQL_PARSE_FAILED, message)]);
        }
        let planner = &supergraph.planner;
        let document = Planner::parse(query).map_err(|error| vec![error])?;
        let chosen = choose(&document, requested).map_err(|error| vec![error])?;
        planner.validate(&document)?;
        let root_type = root_type(supergraph, chosen.operation).map_err(|error| vec![error])?;
        if !introspection && introspects(&document) {
            let message = "Introspection is switched off.";
            return Err(vec![GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, message)]);
        }
        let mut flags = Flags::default();
        let schema = &supergraph.schema;
        let projection =
            projection::compile(schema, &document, chosen.selections, root_type, &mut flags);
        let plan = plan_steps(planner, &document, &chosen, root_type, &mut flags)
            .map_err(|error| vec![error])?;
        let subscription = match &plan.subscription {
            Some(fetch) => Some(subscription::plan(fetch).ok_or_else(unplannable)?),
            None if chosen.operation == Operation::Subscription => return Err(unplannable()),
            None => None,
        };
        Ok(Self {
            query: query.into(),
            requested: requested.map(Into::into),
            name: chosen.name.map(str::to_owned),
            operation: chosen.operation,
            hash: stable_hash(query, requested),
            subscription,
            plan,
            projection,
            flags,
            declarations: chosen.variables.iter().map(Declaration::new).collect(),
        })
    }

    fn is_of(&self, query: &str, requested: Option<&str>) -> bool {
        *self.query == *query && self.requested.as_deref() == requested
    }
}

/// Prepared operations, bounded.
pub(crate) struct PlanCache {
    // Keyed by a process-private hash, so that nobody can prepare collisions.
    cache: Cache<u64, Arc<Prepared>>,
    hasher: RandomState,
}

impl PlanCache {
    /// A cache of that many entries.
    pub(crate) fn new(entries: usize) -> Self {
        Self { cache: Cache::new(entries), hasher: RandomState::new() }
    }

    /// The cached operation, or the one that `prepare` makes.
    pub(crate) fn get(
        &self,
        query: &str,
        requested: Option<&str>,
        prepare: impl FnOnce() -> Result<Prepared, Vec<GraphQLError>>,
    ) -> Result<Arc<Prepared>, Vec<GraphQLError>> {
        let key = self.hasher.hash_one((query, requested));
        if let Some(prepared) = self.cache.get(&key)
            && prepared.is_of(query, requested)
        {
            return Ok(prepared);
        }
        let prepared = Arc::new(prepare()?);
        self.cache.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }
}

fn stable_hash(query: &str, requested: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (query, requested).hash(&mut hasher);
    hasher.finish()
}

/// The operation to execute.
struct Chosen<'d> {
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
    match operation {
        ast::OperationDefinition::SelectionSet(selections) => {
            Chosen { operation: Operation::Query, name: None, selections, variables: &[] }
        }
        ast::OperationDefinition::Query(it) => Chosen {
            operation: Operation::Query,
            name: it.name.as_deref(),
            selections: &it.selection_set,
            variables: &it.variable_definitions,
        },
        ast::OperationDefinition::Mutation(it) => Chosen {
            operation: Operation::Mutation,
            name: it.name.as_deref(),
            selections: &it.selection_set,
            variables: &it.variable_definitions,
        },
        ast::OperationDefinition::Subscription(it) => Chosen {
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
    root_type: &str,
    flags: &mut Flags,
) -> Result<Plan, GraphQLError> {
    let internal = |error: PlanError| {
        tracing::error!(%error, "an operation could not be planned");
        GraphQLError::new(code::INTERNAL_SERVER_ERROR, "The operation cannot be planned.")
    };
    let without = without_introspection(document, root_type);
    let mut operation = planner.normalise(&without, chosen.name).map_err(internal)?;
    drop_root_typename(&mut operation.selection_set);
    let nodes = plan_nodes(planner, &operation).map_err(internal)?;
    plan::compile(planner, &nodes, flags)
        .map_err(|error| GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, error.to_string()))
}

/// Plans an operation. The planner may run the fetches below one root field of a
/// mutation beside the next root field, so a mutation is planned field by field,
/// unless a single request to a single subgraph does it all.
fn plan_nodes(
    planner: &Planner,
    operation: &OperationDefinition,
) -> Result<Vec<PlanNode>, PlanError> {
    let whole = planner.plan(operation)?;
    let serial = operation.operation_kind == Some(OperationKind::Mutation);
    if !serial || matches!(whole, None | Some(PlanNode::Fetch(_))) {
        return Ok(whole.into_iter().collect());
    }
    let mut nodes = Vec::new();
    for items in by_root_key(&operation.selection_set.items) {
        let field =
            OperationDefinition { selection_set: SelectionSet { items }, ..operation.clone() };
        nodes.extend(planner.plan(&field)?);
    }
    Ok(nodes)
}

/// Root selections by response key, in order; a key asked for in several places
/// (under different conditions) stays together.
fn by_root_key(items: &[SelectionItem]) -> Vec<Vec<SelectionItem>> {
    let mut groups: Vec<Vec<SelectionItem>> = Vec::new();
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for (key, item) in single_fields(items) {
        match by_key.get(&key) {
            Some(group) => groups[*group].push(item),
            None => {
                by_key.insert(key, groups.len());
                groups.push(vec![item]);
            }
        }
    }
    groups
}

/// Every field, alone in the fragments around it.
fn single_fields(items: &[SelectionItem]) -> Vec<(String, SelectionItem)> {
    let mut singles = Vec::new();
    for item in items {
        match item {
            SelectionItem::Field(field) => {
                singles.push((field.selection_identifier().to_owned(), item.clone()));
            }
            SelectionItem::InlineFragment(fragment) => {
                for (key, item) in single_fields(&fragment.selections.items) {
                    let mut fragment = fragment.clone();
                    fragment.selections = SelectionSet { items: vec![item] };
                    singles.push((key, SelectionItem::InlineFragment(fragment)));
                }
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
    singles
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
