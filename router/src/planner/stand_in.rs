//! Stand-ins for required fields with arguments.
//!
//! `@requires(fields: "price(currency: USD)")` wants another price than
//! `@requires(fields: "price(currency: EUR)")` or the client does, but an object
//! has one place under the name `price`. So the planner is shown a supergraph
//! where each such requirement has a field of its own, without arguments; in its
//! plans, fetches then ask for the real field under the stand-in's name, and
//! representations give it back the real name.

use std::collections::HashMap;

use graphql_tools::{
    parser::{parse_query, schema::Value},
    static_graphql::{query, schema},
};

use super::{FieldSelection, PlanNode, SelectionItem, SelectionSet, SubgraphFetchOperation};
use crate::error::PathSegment;

/// The stand-ins of a supergraph by their names.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    fields: HashMap<String, FieldSelection>,
    /// By subgraph, type and field, which of them it requires.
    needs: HashMap<(String, String, String), Vec<String>>,
}

/// Fields by type and name, and which types implement an interface.
#[derive(Default)]
struct Types {
    fields: HashMap<String, HashMap<String, schema::Field>>,
    implementations: HashMap<String, Vec<String>>,
}

/// Gathers stand-ins while requirements are rewritten.
struct Rewriting {
    types: Types,
    /// Names of the subgraphs by the values of `join__Graph`.
    graphs: HashMap<String, String>,
    /// What the requirement in hand needs.
    needs: Vec<String>,
    /// By the real field with its arguments.
    names: HashMap<String, String>,
    stand_ins: StandIns,
    /// Which types need which stand-in for which field.
    wanted: Vec<(String, String, String)>,
}

impl StandIns {
    /// Gives the requirements of a supergraph stand-ins.
    pub(super) fn insert(supergraph: &mut schema::Document) -> Self {
        let mut rewriting = Rewriting {
            types: Types::of(supergraph),
            graphs: graphs(supergraph),
            needs: Vec::new(),
            names: HashMap::new(),
            stand_ins: Self::default(),
            wanted: Vec::new(),
        };
        for (name, fields) in typed_fields(supergraph) {
            for field in fields {
                for directive in &mut field.directives {
                    if directive.name == "join__field" {
                        rewriting.directive(&name, &field.name, directive);
                    }
                }
            }
        }
        let Rewriting { types, stand_ins, mut wanted, .. } = rewriting;
        for (interface, field, name) in wanted.clone() {
            let members = types.implementations.get(&interface).into_iter().flatten();
            wanted.extend(members.map(|member| (member.clone(), field.clone(), name.clone())));
        }
        for (type_name, fields) in typed_fields(supergraph) {
            for (_, field, name) in wanted.iter().filter(|(of, ..)| *of == type_name) {
                let is_there = fields.iter().any(|known| known.name == *name);
                let real = fields.iter().find(|known| known.name == *field).cloned();
                if let Some(mut stand_in) = real
                    && !is_there
                {
                    stand_in.name.clone_from(name);
                    stand_in.arguments.clear();
                    fields.push(stand_in);
                }
            }
        }
        stand_ins
    }

    /// Names the real fields in a plan.
    pub(super) fn resolve(&self, node: &mut PlanNode) {
        if self.fields.is_empty() {
            return;
        }
        self.take_apart(node);
        match node {
            PlanNode::Fetch(fetch) => {
                self.operation(&mut fetch.operation);
                fetch.requires.iter_mut().for_each(|set| self.representation(set));
            }
            PlanNode::BatchFetch(batch) => {
                self.operation(&mut batch.operation);
                for alias in &mut batch.entity_batch.aliases {
                    self.representation(&mut alias.requires);
                }
            }
            PlanNode::Sequence(sequence) => {
                sequence.nodes.iter_mut().for_each(|node| self.resolve(node));
            }
            PlanNode::Parallel(parallel) => {
                parallel.nodes.iter_mut().for_each(|node| self.resolve(node));
            }
            PlanNode::Flatten(flatten) => self.resolve(&mut flatten.node),
            PlanNode::Condition(condition) => {
                let clauses = [&mut condition.if_clause, &mut condition.else_clause];
                clauses.into_iter().flatten().for_each(|node| self.resolve(node));
            }
            PlanNode::Subscription(subscription) => {
                self.operation(&mut subscription.primary.operation);
            }
            PlanNode::Defer(_) => {}
        }
    }

    /// The name of the field that a stand-in stands for.
    pub(super) fn real(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|real| real.name.as_str())
    }

    /// Which stand-ins a field requires in a subgraph.
    pub(super) fn needs(&self, service: &str, type_name: &str, field: &str) -> &[String] {
        if self.fields.is_empty() {
            return &[];
        }
        let place = (service.to_owned(), type_name.to_owned(), field.to_owned());
        self.needs.get(&place).map(Vec::as_slice).unwrap_or_default()
    }

    /// Gives a path the names of the real fields.
    pub(super) fn name_back(&self, path: &mut [PathSegment]) {
        for segment in path {
            if let PathSegment::Key(key) = segment
                && let Some(real) = self.fields.get(key)
            {
                key.clone_from(&real.name);
            }
        }
    }

    fn operation(&self, operation: &mut SubgraphFetchOperation) {
        let mut document = operation.document.clone();
        let mut changed = self.selections(&mut document.operation.selection_set);
        for fragment in &mut document.fragments {
            changed |= self.selections(&mut fragment.selection_set);
        }
        if changed {
            *operation = SubgraphFetchOperation::from_anonymous_operation(document);
        }
    }

    /// Whether a stand-in was among them.
    fn selections(&self, set: &mut SelectionSet) -> bool {
        let mut changed = false;
        for item in &mut set.items {
            match item {
                SelectionItem::Field(field) => {
                    if let Some(real) = self.fields.get(&field.name) {
                        let name = std::mem::replace(&mut field.name, real.name.clone());
                        field.alias.get_or_insert(name);
                        field.arguments.clone_from(&real.arguments);
                        changed = true;
                    }
                    changed |= self.selections(&mut field.selections);
                }
                SelectionItem::InlineFragment(fragment) => {
                    changed |= self.selections(&mut fragment.selections);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
        changed
    }

    /// In representations a field's name is where the tree has it, and its alias
    /// the name that the subgraph knows.
    fn representation(&self, set: &mut SelectionSet) {
        for item in &mut set.items {
            match item {
                SelectionItem::Field(field) => {
                    if let Some(real) = self.fields.get(field.selection_identifier()) {
                        field.alias = Some(real.name.clone());
                    }
                    self.representation(&mut field.selections);
                }
                SelectionItem::InlineFragment(fragment) => {
                    self.representation(&mut fragment.selections);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }
}

impl Rewriting {
    fn directive(&mut self, type_name: &str, field: &str, directive: &mut schema::Directive) {
        let graph = directive.arguments.iter().find_map(|(name, value)| match value {
            Value::Enum(graph) if name == "graph" => self.graphs.get(graph).cloned(),
            _ => None,
        });
        for (name, value) in &mut directive.arguments {
            if name == "requires"
                && let Value::String(text) = value
                && let Some(mut set) = selection_of(text)
                && self.selections(type_name, &mut set)
            {
                let printed = SelectionSet::from(set).to_string();
                let inner = printed.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
                *text = inner.unwrap_or(&printed).to_owned();
                let place = (graph.clone().unwrap_or_default(), type_name.into(), field.into());
                let needs = std::mem::take(&mut self.needs);
                self.stand_ins.needs.entry(place).or_default().extend(needs);
            }
        }
    }

    /// Whether a field was replaced.
    fn selections(&mut self, type_name: &str, set: &mut query::SelectionSet) -> bool {
        let mut changed = false;
        for item in &mut set.items {
            match item {
                query::Selection::Field(field) => {
                    let fields = self.types.fields.get(type_name);
                    let Some(definition) = fields.and_then(|it| it.get(&field.name)) else {
                        continue;
                    };
                    let inner = definition.field_type.clone();
                    if !definition.arguments.is_empty() {
                        self.replace(type_name, field);
                        changed = true;
                    }
                    changed |= self.selections(named(&inner), &mut field.selection_set);
                }
                query::Selection::InlineFragment(fragment) => {
                    let condition = match &fragment.type_condition {
                        Some(query::TypeCondition::On(name)) => name.clone(),
                        None => type_name.to_owned(),
                    };
                    changed |= self.selections(&condition, &mut fragment.selection_set);
                }
                query::Selection::FragmentSpread(_) => {}
            }
        }
        changed
    }

    fn replace(&mut self, type_name: &str, field: &mut query::Field) {
        let mut real = field.clone();
        real.selection_set.items.clear();
        // In one order, whatever order the arguments stand in.
        real.arguments.sort_by(|(one, _), (other, _)| one.cmp(other));
        let number = self.names.len();
        let name = self.names.entry(real.to_string()).or_insert_with(|| {
            let taken = |name: &String| self.types.fields.values().any(|it| it.contains_key(name));
            let mut name = format!("_required_{number}_{}", real.name);
            while taken(&name) {
                name.insert(0, '_');
            }
            name
        });
        self.needs.push(name.clone());
        self.wanted.push((type_name.to_owned(), field.name.clone(), name.clone()));
        field.name.clone_from(name);
        field.arguments.clear();
        let set = query::SelectionSet {
            span: field.selection_set.span,
            items: vec![query::Selection::Field(real)],
        };
        if let Some(SelectionItem::Field(real)) = SelectionSet::from(set).items.pop() {
            self.stand_ins.fields.insert(name.clone(), real);
        }
    }
}

impl Types {
    fn of(document: &mut schema::Document) -> Self {
        let mut types = Self::default();
        for definition in &document.definitions {
            let (name, interfaces) = match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => {
                    (&it.name, &it.implements_interfaces)
                }
                schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => {
                    (&it.name, &it.implements_interfaces)
                }
                _ => continue,
            };
            for interface in interfaces {
                types.implementations.entry(interface.clone()).or_default().push(name.clone());
            }
        }
        for (name, fields) in typed_fields(document) {
            let by_name = fields.iter().map(|field| (field.name.clone(), field.clone()));
            types.fields.insert(name, by_name.collect());
        }
        types
    }
}

/// The fields of all objects and interfaces.
pub(super) fn typed_fields(
    document: &mut schema::Document,
) -> impl Iterator<Item = (String, &mut Vec<schema::Field>)> {
    document.definitions.iter_mut().filter_map(|definition| match definition {
        schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => {
            Some((it.name.clone(), &mut it.fields))
        }
        schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => {
            Some((it.name.clone(), &mut it.fields))
        }
        _ => None,
    })
}

pub(super) fn graphs(document: &schema::Document) -> HashMap<String, String> {
    let values = document.definitions.iter().flat_map(|definition| match definition {
        schema::Definition::TypeDefinition(schema::TypeDefinition::Enum(it))
            if it.name == "join__Graph" =>
        {
            it.values.as_slice()
        }
        _ => &[],
    });
    values
        .filter_map(|value| {
            let arguments = value.directives.iter().flat_map(|directive| &directive.arguments);
            let mut names = arguments.filter_map(|(name, text)| match text {
                Value::String(text) if name == "name" => Some(text.clone()),
                _ => None,
            });
            Some((value.name.clone(), names.next()?))
        })
        .collect()
}

pub(super) fn named(ty: &schema::Type) -> &str {
    match ty {
        schema::Type::NamedType(name) => name,
        schema::Type::ListType(inner) | schema::Type::NonNullType(inner) => named(inner),
    }
}

pub(super) fn selection_of(fields: &str) -> Option<query::SelectionSet> {
    let document = parse_query::<String>(&format!("{{{fields}}}")).ok()?.into_static();
    document.definitions.into_iter().find_map(|definition| match definition {
        query::Definition::Operation(query::OperationDefinition::SelectionSet(set)) => Some(set),
        _ => None,
    })
}
