//! What the planner answers is checked where it is known to err.
//!
//! - It may forget fields of interface objects, or what they require: each leaf of an
//!   operation must be fetched, of each type that it is asked of, and an entity fetch
//!   reaches only the types of which all is there that it needs.
//! - It tells fields apart whose types differ between members of an abstract type,
//!   but not where they meet further inside: a subgraph would refuse the operation.
//! - It may take for provided what is provided on another path only.

use std::collections::{HashMap, HashSet};

use graphql_tools::{parser::schema::Value, static_graphql::schema};

use super::{
    BatchFetchNode, FetchNode, FetchNodePathSegment, FetchRewrite, FieldSelection, FlattenNodePath,
    FlattenNodePathSegment as Segment, OperationDefinition, OperationKind, PlanNode, Planner,
    SelectionItem, SelectionSet, SubgraphFetchOperation,
    apart::inlined,
    requirement::text,
    stand_in::{graphs, selection_of, typed_fields},
};
use crate::name::Names;

/// The types of all fields.
pub(super) struct Shapes {
    /// By type and field.
    fields: HashMap<String, HashMap<String, Shape>>,
    /// Scalars and enums.
    leaves: HashSet<String>,
    /// By subgraph, type and field: what a subgraph does not resolve unless it is
    /// provided.
    external: HashSet<Coordinate>,
    /// What fields provide.
    provides: HashMap<Coordinate, Vec<SelectionItem>>,
    /// The names of what fields require.
    requires: HashMap<Coordinate, Vec<String>>,
    /// Interfaces that some subgraph sees as an object.
    interface_objects: HashSet<String>,
}

/// Subgraph, type and field.
type Coordinate = (String, String, String);

/// The type of a field, as it is written.
struct Shape {
    general: String,
    /// By subgraph, where it sees it differently.
    differ: Vec<(String, String)>,
}

impl Shapes {
    pub(super) fn of(document: &mut schema::Document) -> Self {
        let graphs = graphs(document);
        let mut leaves: HashSet<_> =
            ["Int", "Float", "String", "Boolean", "ID"].map(ToOwned::to_owned).into();
        leaves.extend(document.definitions.iter().filter_map(|definition| match definition {
            schema::Definition::TypeDefinition(schema::TypeDefinition::Scalar(it)) => {
                Some(it.name.clone())
            }
            schema::Definition::TypeDefinition(schema::TypeDefinition::Enum(it)) => {
                Some(it.name.clone())
            }
            _ => None,
        }));
        let yes = ("isInterfaceObject".to_owned(), Value::Boolean(true));
        let interfaces = document.definitions.iter().filter_map(|definition| match definition {
            schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => Some(it),
            _ => None,
        });
        let seen =
            interfaces.filter(|it| it.directives.iter().any(|it| it.arguments.contains(&yes)));
        let interface_objects = seen.map(|it| it.name.clone()).collect();
        let mut external = HashSet::new();
        let mut provides = HashMap::new();
        let mut requires = HashMap::new();
        for (name, fields) in typed_fields(document) {
            for field in fields {
                for join in field.directives.iter().filter(|it| it.name == "join__field") {
                    let Some(graph) = text(join, "graph").and_then(|it| graphs.get(it)) else {
                        continue;
                    };
                    let place = (graph.clone(), name.clone(), field.name.clone());
                    if let Some(set) = text(join, "provides").and_then(selection_of) {
                        provides.insert(place.clone(), SelectionSet::from(set).items);
                    }
                    if let Some(set) = text(join, "requires").and_then(selection_of) {
                        let items = SelectionSet::from(set).items.into_iter();
                        let names = items.filter_map(|item| match item {
                            SelectionItem::Field(field) => Some(field.name),
                            _ => None,
                        });
                        requires.insert(place.clone(), names.collect());
                    }
                    if join.arguments.contains(&("external".into(), Value::Boolean(true))) {
                        external.insert(place);
                    }
                }
            }
        }
        let fields = typed_fields(document).map(|(name, fields)| {
            let fields = fields.iter().map(|field| {
                let joins = field.directives.iter().filter(|it| it.name == "join__field");
                let differ = joins.filter_map(|it| {
                    let graph = graphs.get(text(it, "graph")?)?;
                    Some((graph.clone(), text(it, "type")?.to_owned()))
                });
                let shape =
                    Shape { general: field.field_type.to_string(), differ: differ.collect() };
                (field.name.clone(), shape)
            });
            (name, fields.collect())
        });
        let fields = fields.collect();
        Self { fields, leaves, external, provides, requires, interface_objects }
    }

    /// Whether a plan asks a subgraph for fields of different shapes under one key, or
    /// for what it has from nowhere.
    pub(super) fn conflict(&self, node: &PlanNode) -> bool {
        let any = |nodes: &[PlanNode]| nodes.iter().any(|node| self.conflict(node));
        match node {
            PlanNode::Fetch(it) => self.conflicts(&it.service_name, &it.operation),
            PlanNode::BatchFetch(it) => self.conflicts(&it.service_name, &it.operation),
            PlanNode::Flatten(it) => self.conflict(&it.node),
            PlanNode::Sequence(it) => any(&it.nodes),
            PlanNode::Parallel(it) => any(&it.nodes),
            PlanNode::Subscription(it) => {
                self.conflicts(&it.primary.service_name, &it.primary.operation)
            }
            PlanNode::Condition(_) | PlanNode::Defer(_) => false,
        }
    }

    fn conflicts(&self, service: &str, operation: &SubgraphFetchOperation) -> bool {
        let operation = inlined(operation);
        let root = root_type(operation.operation_kind.as_ref());
        let set = &operation.selection_set;
        let has_provided = !self.provides.is_empty();
        self.clash(service, &[(root, set)])
            || (has_provided && self.overreaches(service, root, set, &[]))
    }

    /// Whether external fields are asked for that are not among the provided ones.
    fn overreaches(
        &self,
        service: &str,
        parent: &str,
        set: &SelectionSet,
        provided: &[&SelectionItem],
    ) -> bool {
        set.items.iter().any(|item| match item {
            SelectionItem::Field(field) => {
                let place = (service.to_owned(), parent.to_owned(), field.name.clone());
                let mut inner = Vec::new();
                let is_provided = provided_of(provided, &field.name, &mut inner);
                if self.external.contains(&place) && !is_provided {
                    return true;
                }
                inner.extend(self.provides.get(&place).into_iter().flatten());
                let ty = self.type_of(service, parent, &field.name).unwrap_or_default();
                let name = ty.trim_matches(['[', ']', '!']);
                self.overreaches(service, name, &field.selections, &inner)
            }
            SelectionItem::InlineFragment(it) => {
                self.overreaches(service, &it.type_condition, &it.selections, provided)
            }
            SelectionItem::FragmentSpread(_) => false,
        })
    }

    fn clash(&self, service: &str, sets: &[(&str, &SelectionSet)]) -> bool {
        let mut by_key: HashMap<&str, Vec<(&str, &FieldSelection)>> = HashMap::new();
        for (parent, set) in sets {
            gather(parent, set, &mut by_key);
        }
        by_key.into_values().any(|fields| {
            let mut shape: Option<String> = None;
            let mut inner = Vec::new();
            for (parent, field) in fields {
                let ty = self.type_of(service, parent, &field.name);
                let name = ty.map_or("", |ty| ty.trim_matches(['[', ']', '!']));
                let this = match (ty, self.leaves.contains(name)) {
                    (None, _) => None,
                    (Some(ty), true) => Some(ty.to_owned()),
                    (Some(ty), false) => Some(ty.replace(name, "")),
                };
                if let (Some(shape), Some(this)) = (&shape, &this)
                    && shape != this
                {
                    return true;
                }
                shape = shape.or(this);
                inner.push((name, &field.selections));
            }
            self.clash(service, &inner)
        })
    }

    /// The name of a field's type.
    fn named(&self, parent: &str, field: &str) -> Option<&str> {
        let shape = self.fields.get(parent)?.get(field)?;
        Some(shape.general.trim_matches(['[', ']', '!']))
    }

    fn type_of(&self, service: &str, parent: &str, field: &str) -> Option<&str> {
        let Shape { general, differ } = self.fields.get(parent)?.get(field)?;
        let here = differ.iter().find(|(graph, _)| graph == service);
        Some(here.map_or(general, |(_, ty)| ty))
    }
}

fn root_type(kind: Option<&OperationKind>) -> &'static str {
    match kind {
        None | Some(OperationKind::Query) => "Query",
        Some(OperationKind::Mutation) => "Mutation",
        Some(OperationKind::Subscription) => "Subscription",
    }
}

/// Whether a field is provided, and what of it.
fn provided_of<'s>(
    provided: &[&'s SelectionItem],
    name: &str,
    inner: &mut Vec<&'s SelectionItem>,
) -> bool {
    let mut found = false;
    for item in provided {
        match item {
            SelectionItem::Field(field) if field.name == name => {
                inner.extend(&field.selections.items);
                found = true;
            }
            SelectionItem::InlineFragment(it) => {
                let items: Vec<_> = it.selections.items.iter().collect();
                found |= provided_of(&items, name, inner);
            }
            _ => {}
        }
    }
    found
}

fn gather<'s>(
    parent: &'s str,
    set: &'s SelectionSet,
    by_key: &mut HashMap<&'s str, Vec<(&'s str, &'s FieldSelection)>>,
) {
    for item in &set.items {
        match item {
            SelectionItem::Field(field) => {
                by_key.entry(field.selection_identifier()).or_default().push((parent, field));
            }
            SelectionItem::InlineFragment(it) => {
                gather(&it.type_condition, &it.selections, by_key);
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

/// What is fetched: by path, with its arguments, the concrete types of the objects around
/// a field; None for any.
#[derive(Default)]
struct Fetched(HashMap<Vec<String>, Vec<(String, Option<Names>)>>);

/// What the planner's own aliases stand for, and the subgraph that is asked.
type Asked<'a> = (&'a HashMap<&'a str, &'a str>, &'a str);

impl Planner {
    /// Whether a plan fetches every leaf of an operation.
    pub(super) fn covers(&self, operation: &OperationDefinition, node: Option<&PlanNode>) -> bool {
        let mut fetched = Fetched::default();
        if let Some(node) = node {
            self.note(node, &[], &mut fetched);
        }
        let root = root_type(operation.operation_kind.as_ref());
        self.is_fetched((root, &operation.selection_set), &mut Vec::new(), None, &fetched)
    }

    fn note(&self, node: &PlanNode, at: &[Segment], fetched: &mut Fetched) {
        match node {
            PlanNode::Fetch(it) => self.note_fetch(it, at, fetched),
            PlanNode::BatchFetch(it) => self.note_batch(it, fetched),
            PlanNode::Flatten(it) => self.note(&it.node, it.path.as_slice(), fetched),
            PlanNode::Sequence(it) => it.nodes.iter().for_each(|it| self.note(it, at, fetched)),
            PlanNode::Parallel(it) => it.nodes.iter().for_each(|it| self.note(it, at, fetched)),
            PlanNode::Subscription(it) => self.note_fetch(&it.primary, at, fetched),
            PlanNode::Condition(_) | PlanNode::Defer(_) => {}
        }
    }

    fn note_fetch(&self, fetch: &FetchNode, at: &[Segment], fetched: &mut Fetched) {
        let names = renamed(fetch.output_rewrites.as_deref());
        let asked = (&names, fetch.service_name.as_str());
        let operation = inlined(&fetch.operation);
        match &fetch.requires {
            Some(requires) => {
                self.note_entities(&operation, "_entities", (at, requires), asked, fetched);
            }
            None => {
                let mut path = keys(at);
                self.note_set(&operation.selection_set, &mut path, None, &names, fetched);
            }
        }
    }

    fn note_batch(&self, batch: &BatchFetchNode, fetched: &mut Fetched) {
        let operation = inlined(&batch.operation);
        for alias in &batch.entity_batch.aliases {
            let names = renamed(alias.output_rewrites.as_deref());
            let asked = (&names, batch.service_name.as_str());
            for path in alias.merge_paths.iter().map(FlattenNodePath::as_slice) {
                let place = (path, &alias.requires);
                self.note_entities(&operation, &alias.alias, place, asked, fetched);
            }
        }
    }

    fn note_entities(
        &self,
        operation: &OperationDefinition,
        alias: &str,
        (path, requires): (&[Segment], &SelectionSet),
        (names, service): Asked<'_>,
        fetched: &mut Fetched,
    ) {
        let types = self.known(path, requires, fetched);
        let given = gathered(requires);
        for item in &operation.selection_set.items {
            if let SelectionItem::Field(field) = item
                && field.selection_identifier() == alias
            {
                let set = self.met(service, "", &field.selections, &given);
                self.note_set(&set, &mut keys(path), Some(&types), names, fetched);
            }
        }
    }

    /// What is asked of an entity without the fields whose requirements are not `given`.
    fn met(
        &self,
        service: &str,
        parent: &str,
        set: &SelectionSet,
        given: &HashSet<&str>,
    ) -> SelectionSet {
        let items = set.items.iter().filter_map(|item| match item {
            SelectionItem::Field(field) => {
                let place = (service.to_owned(), parent.to_owned(), field.name.clone());
                let needs = self.shapes.requires.get(&place);
                let is_met = needs.is_none_or(|it| it.iter().all(|it| given.contains(&**it)));
                is_met.then(|| item.clone())
            }
            SelectionItem::InlineFragment(it) => {
                let mut it = it.clone();
                it.selections = self.met(service, &it.type_condition, &it.selections, given);
                Some(SelectionItem::InlineFragment(it))
            }
            SelectionItem::FragmentSpread(_) => Some(item.clone()),
        });
        SelectionSet { items: items.collect() }
    }

    fn note_set(
        &self,
        set: &SelectionSet,
        path: &mut Vec<String>,
        types: Option<&Names>,
        names: &HashMap<&str, &str>,
        fetched: &mut Fetched,
    ) {
        for item in &set.items {
            match item {
                SelectionItem::Field(field) => {
                    let key = field.selection_identifier();
                    path.push((*names.get(key).unwrap_or(&key)).to_owned());
                    let found = (arguments(field), types.cloned());
                    fetched.0.entry(path.clone()).or_default().push(found);
                    self.note_set(&field.selections, path, None, names, fetched);
                    path.pop();
                }
                SelectionItem::InlineFragment(it) => {
                    let types = self.narrowed(types, &it.type_condition);
                    self.note_set(&it.selections, path, Some(&types), names, fetched);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }

    /// Whether all of a selection of a type is; `types` are its concrete ones, None where
    /// they do not matter.
    fn is_fetched(
        &self,
        (parent, set): (&str, &SelectionSet),
        path: &mut Vec<String>,
        types: Option<&Names>,
        fetched: &Fetched,
    ) -> bool {
        set.items.iter().all(|item| match item {
            SelectionItem::Field(field) if field.name == "__typename" => true,
            SelectionItem::Field(field) => {
                path.push(field.selection_identifier().to_owned());
                let name = self.shapes.named(parent, &field.name).unwrap_or_default();
                let inner = self.concrete(name);
                let set = (name, &field.selections);
                let is_there = fetched.has(path, field, types)
                    && self.is_fetched(set, path, inner.as_ref(), fetched);
                path.pop();
                is_there
            }
            SelectionItem::InlineFragment(it) => {
                let types = self.narrowed(types, &it.type_condition);
                let set = (it.type_condition.as_str(), &it.selections);
                self.is_fetched(set, path, Some(&types), fetched)
            }
            SelectionItem::FragmentSpread(_) => true,
        })
    }

    /// The implementations of an interface of which there are interface objects; None for
    /// any other type.
    fn concrete(&self, name: &str) -> Option<Names> {
        self.shapes.interface_objects.contains(name).then(|| self.objects(name))
    }

    /// The concrete types that belong to a type.
    fn objects(&self, name: &str) -> Names {
        let mut objects = self.members(name);
        if objects.len() > 1 {
            objects.remove(name);
        }
        objects
    }

    fn narrowed(&self, types: Option<&Names>, condition: &str) -> Names {
        let objects = self.objects(condition).into_iter();
        objects.filter(|name| types.is_none_or(|types| types.contains(&**name))).collect()
    }

    /// The types of the entities at a path of which all is there that is required.
    fn known(&self, at: &[Segment], requires: &SelectionSet, fetched: &Fetched) -> Names {
        let here: Option<Names> = match at.last() {
            Some(Segment::TypeCondition(names)) => {
                Some(names.iter().flat_map(|name| self.objects(name)).collect())
            }
            _ => None,
        };
        let mut path = keys(at);
        let mut known = Names::default();
        for item in &requires.items {
            if let SelectionItem::InlineFragment(it) = item {
                let names = self.narrowed(here.as_ref(), &it.type_condition).into_iter();
                known.extend(
                    names.filter(|name| {
                        self.is_known(&it.selections, &mut path, Some(name), fetched)
                    }),
                );
            }
        }
        known
    }

    /// Whether a selection was fetched of objects of a type; None for any.
    fn is_known(
        &self,
        set: &SelectionSet,
        path: &mut Vec<String>,
        name: Option<&str>,
        fetched: &Fetched,
    ) -> bool {
        set.items.iter().all(|item| match item {
            SelectionItem::Field(field) if field.name == "__typename" => true,
            SelectionItem::Field(field) => {
                path.push(field.selection_identifier().to_owned());
                let is_there = fetched.has_of(path, name)
                    && self.is_known(&field.selections, path, None, fetched);
                path.pop();
                is_there
            }
            SelectionItem::InlineFragment(it) => {
                let is_other =
                    name.is_some_and(|name| !self.objects(&it.type_condition).contains(name));
                is_other || self.is_known(&it.selections, path, name, fetched)
            }
            SelectionItem::FragmentSpread(_) => true,
        })
    }
}

/// The names of the fields right inside the fragments of what a fetch sends.
fn gathered(requires: &SelectionSet) -> HashSet<&str> {
    let mut names = HashSet::new();
    for item in &requires.items {
        match item {
            SelectionItem::Field(field) => {
                names.insert(field.name.as_str());
                names.insert(field.selection_identifier());
            }
            SelectionItem::InlineFragment(it) => names.extend(gathered(&it.selections)),
            SelectionItem::FragmentSpread(_) => {}
        }
    }
    names
}

impl Fetched {
    fn has(&self, path: &[String], field: &FieldSelection, types: Option<&Names>) -> bool {
        if types.is_some_and(|types| types.iter().next().is_none()) {
            return true;
        }
        let arguments = arguments(field);
        let found = self.0.get(path).into_iter().flatten();
        let found: Vec<_> = found.filter(|it| it.0 == arguments).collect();
        let Some(types) = types else { return !found.is_empty() };
        types
            .iter()
            .all(|name| found.iter().any(|it| it.1.as_ref().is_none_or(|it| it.contains(&**name))))
    }

    /// Whether a field was fetched of objects of this type, with whatever arguments.
    fn has_of(&self, path: &[String], name: Option<&str>) -> bool {
        let mut found = self.0.get(path).into_iter().flatten();
        found.any(|(_, types)| match (types, name) {
            (Some(types), Some(name)) => types.contains(name),
            (Some(types), None) => !types.is_empty(),
            (None, _) => true,
        })
    }
}

fn arguments(field: &FieldSelection) -> String {
    field.arguments.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// The keys of a path.
fn keys(path: &[Segment]) -> Vec<String> {
    path.iter().filter_map(Segment::to_field).cloned().collect()
}

/// What the planner's own aliases stand for.
fn renamed(rewrites: Option<&[FetchRewrite]>) -> HashMap<&str, &str> {
    let rewrites = rewrites.into_iter().flatten();
    rewrites
        .filter_map(|rewrite| match rewrite {
            FetchRewrite::KeyRenamer(it) => match it.path.last() {
                Some(FetchNodePathSegment::Key(key)) => {
                    Some((key.as_str(), it.rename_key_to.as_str()))
                }
                _ => None,
            },
            FetchRewrite::ValueSetter(_) => None,
        })
        .collect()
}
