//! Fields with requirements, in stages of their own.
//!
//! The planner has faults where requirements of one field have requirements in turn,
//! in several subgraphs. So such a field can be cut off: what it requires becomes part
//! of the operation, and the field is asked for of the entity, with all of that.

use std::collections::{HashMap, HashSet};

use graphql_tools::{parser::schema::Value, static_graphql::schema};
use hive_router_query_planner::{
    ast::{
        document::Document, operation::VariableDefinition, selection_set::InlineFragmentSelection,
    },
    planner::plan_nodes::FlattenNode,
    state::supergraph_state::TypeNode,
};

use super::{
    FetchNode, FieldSelection, FlattenNodePath, OperationDefinition, OperationKind, PlanNode,
    PlanValue, SelectionItem, SelectionSet, SubgraphFetchOperation,
    cut::merge,
    stand_in::{graphs, selection_of, typed_fields},
};

/// What the subgraphs' fields require.
#[derive(Default)]
pub(super) struct Requirements {
    /// By subgraph and type, the first key by which it can be resolved. Objects only.
    keys: HashMap<(String, String), String>,
    /// By subgraph, type and field.
    fields: HashMap<(String, String, String), String>,
    /// By name of the subgraph, the names of fields that require something.
    names: HashMap<String, HashSet<String>>,
    /// Names of the subgraphs.
    graphs: HashMap<String, String>,
}

impl Requirements {
    /// Takes them out of a supergraph.
    pub(super) fn take(document: &mut schema::Document) -> Self {
        let mut all = Self { graphs: graphs(document), ..Self::default() };
        for definition in &document.definitions {
            let schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) = definition
            else {
                continue;
            };
            for directive in it.directives.iter().filter(|it| it.name == "join__type") {
                let is_resolvable =
                    !directive.arguments.contains(&("resolvable".into(), Value::Boolean(false)));
                if let (Some(graph), Some(key)) = (text(directive, "graph"), text(directive, "key"))
                    && is_resolvable
                {
                    let place = (graph.to_owned(), it.name.clone());
                    all.keys.entry(place).or_insert_with(|| key.to_owned());
                }
            }
        }
        for (type_name, fields) in typed_fields(document) {
            for field in fields {
                for directive in field.directives.iter_mut().filter(|it| it.name == "join__field") {
                    let (Some(graph), Some(required)) =
                        (text(directive, "graph"), text(directive, "requires"))
                    else {
                        continue;
                    };
                    let (graph, required) = (graph.to_owned(), required.to_owned());
                    let service = all.graphs.get(&graph).cloned().unwrap_or_default();
                    all.names.entry(service).or_default().insert(field.name.clone());
                    all.fields.insert((graph, type_name.clone(), field.name.clone()), required);
                    directive.arguments.retain(|(name, _)| name != "requires");
                }
            }
        }
        all
    }

    /// What must be known of an entity to ask a subgraph for these fields; None where
    /// none of them requires anything, or it can not be told.
    pub(super) fn of(
        &self,
        graph: &str,
        type_name: &str,
        items: &[SelectionItem],
    ) -> Option<Vec<SelectionItem>> {
        let key = self.keys.get(&(graph.to_owned(), type_name.to_owned()))?;
        let mut known = parse(&format!("__typename {key}"))?;
        let mut found = false;
        for item in items {
            let SelectionItem::Field(field) = item else { return None };
            let place = (graph.to_owned(), type_name.to_owned(), field.name.clone());
            if let Some(required) = self.fields.get(&place) {
                merge(&mut known, parse(required)?);
                found = true;
            }
            if self.requires_any(self.graphs.get(graph)?, &field.selections) {
                return None;
            }
        }
        found.then_some(known)
    }

    /// Whether some field of that name requires something in a subgraph.
    pub(super) fn requires_any(&self, service: &str, set: &SelectionSet) -> bool {
        let Some(names) = self.names.get(service) else { return false };
        set.items.iter().any(|item| match item {
            SelectionItem::Field(field) => {
                names.contains(&field.name) || self.requires_any(service, &field.selections)
            }
            SelectionItem::InlineFragment(fragment) => {
                self.requires_any(service, &fragment.selections)
            }
            SelectionItem::FragmentSpread(_) => true,
        })
    }
}

/// The fetch of these fields of the entities at a path, as far as `known` is there.
pub(super) fn entity_fetch(
    root: &FetchNode,
    type_name: &str,
    path: FlattenNodePath,
    (items, known): (Vec<SelectionItem>, Vec<SelectionItem>),
) -> PlanNode {
    const REPRESENTATIONS: &str = "representations";
    let of = |items| {
        let selections = SelectionSet { items };
        let type_condition = type_name.to_owned();
        let fragment =
            InlineFragmentSelection { type_condition, selections, skip_if: None, include_if: None };
        SelectionSet { items: vec![SelectionItem::InlineFragment(fragment)] }
    };
    let any = TypeNode::NonNull(Box::new(TypeNode::Named("_Any".to_owned())));
    let mut variables = vec![VariableDefinition {
        name: REPRESENTATIONS.to_owned(),
        variable_type: TypeNode::NonNull(Box::new(TypeNode::List(Box::new(any)))),
        default_value: None,
    }];
    variables
        .extend(root.operation.document.operation.variable_definitions.iter().flatten().cloned());
    let argument = PlanValue::Variable(REPRESENTATIONS.to_owned());
    let entities = FieldSelection {
        name: "_entities".to_owned(),
        selections: of(items),
        arguments: Some((REPRESENTATIONS.to_owned(), argument).into()),
        ..FieldSelection::default()
    };
    let operation = OperationDefinition {
        name: None,
        operation_kind: Some(OperationKind::Query),
        selection_set: SelectionSet { items: vec![SelectionItem::Field(entities)] },
        variable_definitions: Some(variables),
    };
    let document = Document { operation, fragments: Vec::new() };
    let fetch = FetchNode {
        operation: SubgraphFetchOperation::from_anonymous_operation(document),
        operation_kind: Some(OperationKind::Query),
        requires: Some(of(known)),
        ..root.clone()
    };
    PlanNode::Flatten(FlattenNode { path, node: Box::new(PlanNode::Fetch(fetch)) })
}

/// A selection; what its fragments choose from says its type.
fn parse(fields: &str) -> Option<Vec<SelectionItem>> {
    let mut set = SelectionSet::from(selection_of(fields)?);
    say_types(&mut set);
    Some(set.items)
}

fn say_types(set: &mut SelectionSet) {
    let mut has_fragments = false;
    for item in &mut set.items {
        match item {
            SelectionItem::Field(field) => say_types(&mut field.selections),
            SelectionItem::InlineFragment(fragment) => {
                has_fragments = true;
                say_types(&mut fragment.selections);
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
    if has_fragments {
        merge(&mut set.items, vec![SelectionItem::Field(FieldSelection::new_typename())]);
    }
}

pub(super) fn text<'d>(directive: &'d schema::Directive, name: &str) -> Option<&'d str> {
    directive.arguments.iter().find(|(known, _)| known == name).and_then(|(_, value)| match value {
        Value::String(text) | Value::Enum(text) => Some(text.as_str()),
        _ => None,
    })
}
