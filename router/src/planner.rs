//! The one place that knows the query planner's crate: parse, validate,
//! normalise, plan. Everything else sees only the types re-exported here.

mod apart;
mod check;
mod cut;
mod detour;
mod requirement;
mod rollout;
mod split;
mod stand_in;
mod union;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use graphql_tools::{
    static_graphql::{query, schema},
    validation::{
        rules::default_rules_validation_plan,
        validate::{ValidationPlan, validate},
    },
};
use hive_router_query_planner::{
    ast::normalization::normalize_operation,
    planner::{Planner as Hive, QueryPlannerOptions},
    state::supergraph_state::{SupergraphDefinition, SupergraphState},
    utils::{
        cancellation::CancellationToken,
        parsing::{safe_parse_operation_with_token_limit, safe_parse_schema},
    },
};

pub(crate) use hive_router_query_planner::{
    ast::{
        operation::{OperationDefinition, SubgraphFetchOperation},
        selection_item::SelectionItem,
        selection_set::{FieldSelection, SelectionSet},
        value::Value as PlanValue,
    },
    planner::plan_nodes::{
        BatchFetchNode, EntityBatchAlias, FetchNode, FetchNodePathSegment, FetchRewrite,
        FlattenNodePath, FlattenNodePathSegment, PlanNode,
    },
    state::supergraph_state::OperationKind,
};

pub(crate) use rollout::{Config as Overrides, Rollout, Variant};

use check::Shapes;
use cut::Entities;
use stand_in::{StandIns, typed_fields};

use crate::{
    error::{GraphQLError, Location, PathSegment, code},
    name::Names,
    supergraph::Subgraph,
};

/// Longest that one operation may be planned, in milliseconds.
pub(crate) const PLAN_TIMEOUT_MS: u64 = 5_000;
/// Most lexical tokens of a document.
pub(crate) const MAX_DOCUMENT_TOKENS: usize = 20_000;

/// Why an operation cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The supergraph's SDL is malformed.
    #[error("the supergraph is not valid GraphQL SDL: {0}")]
    Schema(String),
    /// The supergraph wants what cannot be planned.
    #[error("the supergraph uses {0}, which this router does not know")]
    Unknown(String),
    /// The operation could not be brought into normal form.
    #[error("the operation cannot be normalised: {0}")]
    Normalise(String),
    /// No way to resolve the operation was found in time.
    #[error("the operation cannot be planned: {0}")]
    Plan(String),
    /// The planner has a fault.
    #[error("the planner failed")]
    Panic,
}

/// Plans operations on one supergraph.
pub(crate) struct Planner {
    hive: Hive,
    /// Where interface objects cannot be entered, for what the first one finds no
    /// way. Built when it is first needed.
    closed: OnceLock<Option<Hive>>,
    has_interface_objects: bool,
    shapes: Shapes,
    /// Built when it is first needed.
    entities: OnceLock<Option<Entities>>,
    /// The supergraph that is planned on.
    planned: schema::Document,
    stand_ins: StandIns,
    /// What clients see.
    public: Arc<schema::Document>,
    rules: ValidationPlan,
}

impl Planner {
    /// Builds the planner for a supergraph.
    pub(crate) fn load(sdl: &str) -> Result<Self, PlanError> {
        let document = read(sdl)?;
        let mut planned = document.clone();
        if let Some(place) = context_argument(&mut planned) {
            return Err(PlanError::Unknown(format!("@fromContext (at {place})")));
        }
        let stand_ins = StandIns::insert(&mut planned);
        // Plans are made on the one with stand-ins, clients see the other.
        let hive = build(&planned, &document)?;
        let public = Arc::new(without_strangers(&hive.consumer_schema.document));
        Ok(Self {
            hive,
            closed: OnceLock::new(),
            has_interface_objects: detour::without_interface_objects(&planned).is_some(),
            shapes: Shapes::of(&mut planned),
            entities: OnceLock::new(),
            planned,
            stand_ins,
            public,
            rules: default_rules_validation_plan(),
        })
    }

    /// The schema that clients see, with the introspection types.
    pub(crate) fn public_schema(&self) -> Arc<schema::Document> {
        Arc::clone(&self.public)
    }

    /// Names and addresses of the subgraphs.
    pub(crate) fn subgraphs(&self) -> Vec<Subgraph> {
        let endpoints = &self.hive.supergraph.subgraph_endpoint_map;
        endpoints
            .iter()
            .map(|(name, url)| Subgraph { name: name.clone(), url: url.clone() })
            .collect()
    }

    /// All interfaces and unions, inaccessible ones too.
    pub(crate) fn abstract_names(&self) -> Names {
        self.hive
            .supergraph
            .definitions
            .iter()
            .filter(|(_, definition)| {
                matches!(
                    definition,
                    SupergraphDefinition::Interface(_) | SupergraphDefinition::Union(_)
                )
            })
            .map(|(name, _)| name.as_str().into())
            .collect()
    }

    /// The names of all fields of objects and interfaces, inaccessible ones too.
    pub(crate) fn field_names(&self) -> Names {
        let definitions = self.hive.supergraph.definitions.values();
        let fields = definitions.flat_map(|definition| definition.fields().keys());
        fields.map(|name| name.as_str().into()).chain(["__typename".into()]).collect()
    }

    /// A type and all concrete types that belong to it.
    pub(crate) fn members(&self, name: &str) -> Names {
        let supergraph = &self.hive.supergraph;
        let mut members = Names::from_iter([name.into()]);
        match supergraph.definitions.get(name) {
            Some(SupergraphDefinition::Interface(_)) => {
                let objects = supergraph.interface_members(name).into_iter().flatten();
                members.extend(objects.map(|object| object.as_str().into()));
            }
            Some(SupergraphDefinition::Union(union)) => {
                members.extend(union.types.iter().map(|object| object.as_str().into()));
            }
            _ => {}
        }
        members
    }

    /// Reads a document.
    pub(crate) fn parse(text: &str) -> Result<query::Document, GraphQLError> {
        guarded(|| {
            safe_parse_operation_with_token_limit(text, MAX_DOCUMENT_TOKENS)
                .map_err(|error| PlanError::Normalise(error.to_string()))
        })
        .map_err(|error| match error {
            PlanError::Normalise(reason) => {
                GraphQLError::new(code::GRAPHQL_PARSE_FAILED, one_line(&reason))
            }
            _ => GraphQLError::new(code::GRAPHQL_PARSE_FAILED, "The document cannot be read."),
        })
    }

    /// Checks a document by the rules of the GraphQL specification.
    pub(crate) fn validate(&self, document: &query::Document) -> Result<(), Vec<GraphQLError>> {
        let errors = guarded(|| Ok(validate(&self.public, document, &self.rules)));
        match errors {
            Ok(errors) if errors.is_empty() => Ok(()),
            Ok(errors) => Err(errors
                .into_iter()
                .map(|error| {
                    let message = unsupported(&error.message).unwrap_or(error.message);
                    let mut public = GraphQLError::new(code::GRAPHQL_VALIDATION_FAILED, message);
                    public.locations = error.locations.into_iter().map(location).collect();
                    public
                })
                .collect()),
            Err(_) => Err(vec![GraphQLError::new(
                code::GRAPHQL_VALIDATION_FAILED,
                "The document cannot be checked.",
            )]),
        }
    }

    /// Brings an operation into the planner's form: fragments inlined, fields merged.
    pub(crate) fn normalise(
        &self,
        document: &query::Document,
        operation_name: Option<&str>,
    ) -> Result<OperationDefinition, PlanError> {
        guarded(|| {
            let normal = normalize_operation(&self.hive.supergraph, document, operation_name)
                .map_err(|error| PlanError::Normalise(error.to_string()))?;
            let mut operation = normal.operation;
            self.open_unions(&mut operation.selection_set);
            Ok(operation)
        })
    }

    /// Plans a normalised operation. None where there is nothing to fetch.
    pub(crate) fn plan(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Option<PlanNode>, PlanError> {
        if operation.selection_set.items.is_empty() {
            return Ok(None);
        }
        let mut planned = self.checked(operation, self.plan_on(&self.hive, operation, variant));
        if let (Err(PlanError::Plan(_)), Some(closed)) = (&planned, self.closed())
            && let Ok(node) = self.checked(operation, self.plan_on(closed, operation, variant))
        {
            planned = Ok(node);
        }
        let mut node = planned?;
        node.iter_mut().for_each(|node| self.stand_ins.resolve(node));
        Ok(node)
    }

    /// The same without a look at what it is worth.
    fn plan_unchecked(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Option<PlanNode>, PlanError> {
        let mut node = self.plan_on(&self.hive, operation, variant)?;
        node.iter_mut().for_each(|node| self.stand_ins.resolve(node));
        Ok(node)
    }

    /// A plan that does what it should.
    fn checked(
        &self,
        operation: &OperationDefinition,
        planned: Result<Option<PlanNode>, PlanError>,
    ) -> Result<Option<PlanNode>, PlanError> {
        let node = planned?;
        if node.as_ref().is_some_and(|node| self.shapes.conflict(node)) {
            return Err(PlanError::Plan("fields of different types meet".to_owned()));
        }
        if self.has_interface_objects && !self.covers(operation, node.as_ref()) {
            return Err(PlanError::Plan("the planner forgot a field".to_owned()));
        }
        Ok(node)
    }

    /// Plans on a view of the supergraph.
    fn plan_on(
        &self,
        hive: &Hive,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Option<PlanNode>, PlanError> {
        let timeout = CancellationToken::with_timeout(Duration::from_millis(PLAN_TIMEOUT_MS));
        guarded(|| {
            hive.plan_from_normalized_operation(operation, variant.context(), &timeout)
                .map(|plan| plan.node)
                .map_err(|error| PlanError::Plan(error.to_string()))
        })
        .map_err(|error| match error {
            PlanError::Panic => PlanError::Plan(error.to_string()),
            error => error,
        })
    }

    /// None where the supergraph has no interface objects.
    fn closed(&self) -> Option<&Hive> {
        let make = || {
            let document = detour::without_interface_objects(&self.planned)?;
            build(&document, &document).ok()
        };
        self.closed.get_or_init(make).as_ref()
    }

    /// Where operations can be cut; None where the supergraph has no entities.
    fn entities(&self) -> Option<&Entities> {
        self.entities.get_or_init(|| Entities::of(&self.planned)).as_ref()
    }

    /// Gives an error's path the names that the public schema has.
    pub(crate) fn name_back(&self, path: &mut [PathSegment]) {
        self.stand_ins.name_back(path);
    }
}

fn build(planned: &schema::Document, public: &schema::Document) -> Result<Hive, PlanError> {
    guarded(|| {
        let state = SupergraphState::new(planned);
        Hive::new_from_supergraph_state(state, public, QueryPlannerOptions::default())
            .map_err(|error| PlanError::Plan(error.to_string()))
    })
}

/// The first field with an argument that comes from an object around it. The planner
/// would leave the argument out.
fn context_argument(document: &mut schema::Document) -> Option<String> {
    let is_filled = |field: &schema::Field| {
        let mut joins = field.directives.iter().filter(|it| it.name == "join__field");
        joins.any(|it| it.arguments.iter().any(|(name, _)| name == "contextArguments"))
    };
    typed_fields(document).find_map(|(name, fields)| {
        let field = fields.iter().find(|field| is_filled(field))?;
        Some(format!("{name}.{}", field.name))
    })
}

/// Reads an SDL document.
pub(crate) fn read(sdl: &str) -> Result<schema::Document, PlanError> {
    safe_parse_schema(sdl).map_err(|error| PlanError::Schema(error.to_string()))
}

/// The schema without members and interfaces that it does not define: what is
/// inaccessible is still named by unions and implementations.
fn without_strangers(document: &schema::Document) -> schema::Document {
    let mut document = document.clone();
    let names: HashSet<String> = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            schema::Definition::TypeDefinition(definition) => Some(definition.name().to_owned()),
            _ => None,
        })
        .collect();
    for definition in &mut document.definitions {
        let named = match definition {
            schema::Definition::TypeDefinition(schema::TypeDefinition::Union(it)) => &mut it.types,
            schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => {
                &mut it.implements_interfaces
            }
            schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => {
                &mut it.implements_interfaces
            }
            _ => continue,
        };
        named.retain(|name| names.contains(name));
    }
    document
}

/// Runs foreign code that may panic on odd input; the planner's state is only
/// read, so nothing is left half-changed.
fn guarded<T>(work: impl FnOnce() -> Result<T, PlanError>) -> Result<T, PlanError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("the query planner panicked");
        Err(PlanError::Panic)
    })
}

/// What is said of directives that clients know from elsewhere.
fn unsupported(message: &str) -> Option<String> {
    let name = message.strip_prefix("Unknown directive \"@")?.strip_suffix("\".")?;
    let what = match name {
        "defer" => "a response comes as a whole",
        "stream" => "a list comes as a whole",
        _ => return None,
    };
    Some(format!("Directive \"@{name}\" is not supported: {what}."))
}

fn location(position: graphql_tools::parser::Pos) -> Location {
    Location { line: position.line, column: position.column }
}

/// The parser's messages span lines; clients get one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
