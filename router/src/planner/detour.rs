//! Other views of a supergraph, for what the planner finds no way through the
//! first. Plans made on them are as good for the real one.
//!
//! - On the way to a concrete type it may stop at an interface object of another
//!   subgraph and find no way on, though the subgraph of the interface itself was
//!   as near: there, interface objects cannot be entered.
//! - It cannot follow `@requires` into a subgraph that it only reaches over a
//!   third one, which translates keys: there, such subgraphs have a double that
//!   takes the other key too and requires its own one like a field.

use std::collections::{HashMap, HashSet};

use graphql_tools::{parser::schema::Value, static_graphql::schema};

use super::{PlanNode, SelectionItem, SelectionSet};

/// What the name of a double ends with.
const DOUBLE: &str = "__DOUBLE";

/// Most doubles of a supergraph that are tried.
const MAX_DOUBLES: usize = 32;

/// Doubles of subgraphs, by what the planner calls them.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubles {
    /// The real subgraphs.
    real: HashMap<String, String>,
    /// Fields of entities that a double takes and its subgraph does not know.
    borrowed: HashSet<(String, String, String)>,
}

/// The supergraph whose interface objects cannot be entered by their keys; None
/// where there is none.
pub(super) fn without_interface_objects(supergraph: &schema::Document) -> Option<schema::Document> {
    let mut document = supergraph.clone();
    let mut found = false;
    for definition in &mut document.definitions {
        let schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) = definition
        else {
            continue;
        };
        for directive in it.directives.iter_mut().filter(|it| it.name == "join__type") {
            let yes = ("isInterfaceObject".to_owned(), Value::Boolean(true));
            if directive.arguments.contains(&yes) {
                set(directive, "resolvable", Value::Boolean(false));
                found = true;
            }
        }
    }
    found.then_some(document)
}

impl Doubles {
    /// The supergraph where a subgraph has a double that takes a foreign key.
    pub(super) fn add(
        supergraph: &schema::Document,
        graph: &str,
        key: &str,
    ) -> (schema::Document, Self) {
        let mut document = supergraph.clone();
        let mut doubles = Self::default();
        doubles.add_graph(&mut document, graph, key);
        (document, doubles)
    }

    fn add_graph(&mut self, document: &mut schema::Document, graph: &str, key: &str) {
        let mut name = String::new();
        for definition in &mut document.definitions {
            let schema::Definition::TypeDefinition(definition) = definition else { continue };
            match definition {
                schema::TypeDefinition::Enum(it) if it.name == "join__Graph" => {
                    let Some(mut value) = it.values.iter().find(|it| it.name == graph).cloned()
                    else {
                        continue;
                    };
                    value.name = format!("{graph}{DOUBLE}");
                    for (key, text) in value.directives.iter_mut().flat_map(|it| &mut it.arguments)
                    {
                        if let Value::String(text) = text
                            && key == "name"
                        {
                            name.clone_from(text);
                            text.push_str(DOUBLE);
                        }
                    }
                    it.values.push(value);
                }
                schema::TypeDefinition::Enum(it) => {
                    clone_all(&mut it.directives, graph);
                    it.values.iter_mut().for_each(|it| clone_all(&mut it.directives, graph));
                }
                schema::TypeDefinition::Scalar(it) => clone_all(&mut it.directives, graph),
                schema::TypeDefinition::Union(it) => clone_all(&mut it.directives, graph),
                schema::TypeDefinition::InputObject(it) => {
                    clone_all(&mut it.directives, graph);
                    it.fields.iter_mut().for_each(|it| clone_all(&mut it.directives, graph));
                }
                schema::TypeDefinition::Interface(it) => {
                    clone_all(&mut it.directives, graph);
                    it.fields.iter_mut().for_each(|it| clone_field(it, graph));
                }
                schema::TypeDefinition::Object(it) => {
                    if ["Query", "Mutation", "Subscription"].contains(&it.name.as_str()) {
                        continue;
                    }
                    let is_needy = needy(it).contains(&(graph.to_owned(), key.to_owned()));
                    let (own, _) = keys(it, graph);
                    clone_all(&mut it.directives, graph);
                    it.fields.iter_mut().for_each(|it| clone_field(it, graph));
                    if is_needy {
                        self.open(it, graph, &own, key);
                    }
                }
            }
        }
        self.borrowed = std::mem::take(&mut self.borrowed)
            .into_iter()
            .map(|(double, ty, field)| match double == format!("{graph}{DOUBLE}") {
                true => (format!("{name}{DOUBLE}"), ty, field),
                false => (double, ty, field),
            })
            .collect();
        self.real.insert(format!("{name}{DOUBLE}"), name);
    }

    /// Lets the double's entity be found by a foreign key.
    fn open(&mut self, it: &mut schema::ObjectType, graph: &str, own: &str, foreign: &str) {
        let double = format!("{graph}{DOUBLE}");
        it.directives.retain(|it| it.name != "join__type" || !is_of(it, &double));
        let mut directive = schema::Directive {
            position: it.position,
            name: "join__type".to_owned(),
            arguments: Vec::new(),
        };
        set(&mut directive, "graph", Value::Enum(double.clone()));
        set(&mut directive, "key", Value::String(foreign.to_owned()));
        it.directives.push(directive);
        let own_fields: Vec<_> = own.split_whitespace().collect();
        let foreign_fields: Vec<_> = foreign.split_whitespace().collect();
        for field in &mut it.fields {
            let name = field.name.as_str();
            // Only the double follows requirements.
            for mine in field.directives.iter_mut().filter(|it| is_join_field(it, graph)) {
                if text(mine, "requires").is_some() {
                    mine.arguments.retain(|(name, _)| name != "requires");
                    set(mine, "external", Value::Boolean(true));
                }
            }
            let joins = field.directives.iter().any(|it| it.name == "join__field");
            let mine = field.directives.iter_mut().find(|it| is_join_field(it, &double));
            match mine {
                Some(mine) if own_fields.contains(&name) => {
                    set(mine, "external", Value::Boolean(true));
                }
                Some(mine) if text(mine, "external").is_none() => {
                    let requires = match text(mine, "requires") {
                        Some(more) => format!("{own} {more}"),
                        None => own.to_owned(),
                    };
                    set(mine, "requires", Value::String(requires));
                }
                None if joins && foreign_fields.contains(&name) => {
                    let mut directive = schema::Directive {
                        position: field.position,
                        name: "join__field".to_owned(),
                        arguments: Vec::new(),
                    };
                    set(&mut directive, "graph", Value::Enum(double.clone()));
                    field.directives.push(directive);
                    self.borrowed.insert((double.clone(), it.name.clone(), field.name.clone()));
                }
                _ => {}
            }
        }
    }

    /// Names the real subgraphs in a plan.
    pub(super) fn resolve(&self, node: &mut PlanNode) {
        match node {
            PlanNode::Fetch(fetch) => {
                if let Some(real) = self.real.get(&fetch.service_name) {
                    fetch
                        .requires
                        .iter_mut()
                        .for_each(|it| self.give_back(&fetch.service_name, it));
                    fetch.service_name.clone_from(real);
                }
            }
            PlanNode::BatchFetch(batch) => {
                if let Some(real) = self.real.get(&batch.service_name) {
                    for alias in &mut batch.entity_batch.aliases {
                        self.give_back(&batch.service_name, &mut alias.requires);
                    }
                    batch.service_name.clone_from(real);
                }
            }
            PlanNode::Sequence(it) => it.nodes.iter_mut().for_each(|node| self.resolve(node)),
            PlanNode::Parallel(it) => it.nodes.iter_mut().for_each(|node| self.resolve(node)),
            PlanNode::Flatten(flatten) => self.resolve(&mut flatten.node),
            PlanNode::Condition(it) => {
                let clauses = [&mut it.if_clause, &mut it.else_clause];
                clauses.into_iter().flatten().for_each(|node| self.resolve(node));
            }
            PlanNode::Subscription(_) | PlanNode::Defer(_) => {}
        }
    }

    /// Takes borrowed fields out of representations.
    fn give_back(&self, double: &str, requires: &mut SelectionSet) {
        for item in &mut requires.items {
            if let SelectionItem::InlineFragment(it) = item {
                let name = &it.type_condition;
                it.selections.items.retain(|item| match item {
                    SelectionItem::Field(field) => {
                        let place = (double.to_owned(), name.clone(), field.name.clone());
                        !self.borrowed.contains(&place)
                    }
                    _ => true,
                });
            }
        }
    }
}

/// Subgraphs with entities that have fields with requirements, and keys of these
/// that only other subgraphs have.
pub(super) fn foreign_keys(supergraph: &schema::Document) -> Vec<(String, String)> {
    let mut all: Vec<_> = objects(supergraph).flat_map(needy).collect();
    all.sort();
    all.dedup();
    all.truncate(MAX_DOUBLES);
    all
}

fn needy(it: &schema::ObjectType) -> Vec<(String, String)> {
    let fields = it.fields.iter().flat_map(|field| &field.directives);
    let requiring = fields.filter(|it| it.name == "join__field" && text(it, "requires").is_some());
    let graphs = requiring.filter_map(|it| text(it, "graph"));
    let pairs = graphs.flat_map(|graph| {
        let (own, foreign) = keys(it, graph);
        let usable = foreign.into_iter().filter(move |_| !own.is_empty());
        usable.map(move |key| (graph.to_owned(), key))
    });
    pairs.collect()
}

/// The first simple key that a subgraph resolves, and those that only others have.
fn keys(it: &schema::ObjectType, graph: &str) -> (String, Vec<String>) {
    let types = it.directives.iter().filter(|it| it.name == "join__type");
    let simple = types.filter_map(|it| Some((it, text(it, "key").filter(|it| !it.contains('{'))?)));
    let is_resolvable = |it: &schema::Directive| {
        !it.arguments.contains(&("resolvable".to_owned(), Value::Boolean(false)))
    };
    let (mine, others): (Vec<_>, Vec<_>) = simple.partition(|(it, _)| is_of(it, graph));
    let own = mine.iter().find(|(it, _)| is_resolvable(it)).map(|(_, key)| (*key).to_owned());
    let mut foreign: Vec<_> = others
        .iter()
        .map(|(_, key)| (*key).to_owned())
        .filter(|key| !mine.iter().any(|(_, own)| own == key))
        .collect();
    foreign.sort();
    foreign.dedup();
    (own.unwrap_or_default(), foreign)
}

fn objects(document: &schema::Document) -> impl Iterator<Item = &schema::ObjectType> {
    document.definitions.iter().filter_map(|definition| match definition {
        schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => Some(it),
        _ => None,
    })
}

fn text<'d>(directive: &'d schema::Directive, name: &str) -> Option<&'d str> {
    directive.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| match value {
        Value::String(text) | Value::Enum(text) => text.as_str(),
        _ => "",
    })
}

fn set(directive: &mut schema::Directive, name: &str, value: Value<'static, String>) {
    directive.arguments.retain(|(known, _)| known != name);
    directive.arguments.push((name.to_owned(), value));
}

fn is_of(directive: &schema::Directive, graph: &str) -> bool {
    text(directive, "graph") == Some(graph)
}

fn is_join_field(directive: &schema::Directive, graph: &str) -> bool {
    directive.name == "join__field" && is_of(directive, graph)
}

/// What a subgraph says, its double says too.
fn clone_all(directives: &mut Vec<schema::Directive>, graph: &str) {
    let mine = directives.iter().filter(|it| it.name.starts_with("join__") && is_of(it, graph));
    let doubles: Vec<_> = mine
        .cloned()
        .map(|mut it| {
            set(&mut it, "graph", Value::Enum(format!("{graph}{DOUBLE}")));
            it
        })
        .collect();
    directives.extend(doubles);
}

/// But a field that is moving between subgraphs stays where it is.
fn clone_field(field: &mut schema::Field, graph: &str) {
    if !field.directives.iter().any(|it| text(it, "override").is_some()) {
        clone_all(&mut field.directives, graph);
    }
}
