//! What feeds a subscription, for whoever provides its events.

use serde_json::{Map, Value as Json};

use super::{
    key::{Key, Keys},
    plan::constant,
    value::{Tree, Value},
    variable::Variables,
};
use crate::planner::{FetchNode, SelectionItem, SelectionSet};

/// The event side of a subscription.
#[derive(Debug)]
pub struct SubscriptionPlan {
    /// The root field's name in the schema.
    pub field_name: String,
    /// The key under which the client wants it.
    pub response_key: String,
    /// The root field's arguments by name.
    pub arguments: Vec<(String, Argument)>,
    /// The subgraph that declares the field.
    pub subgraph: String,
    /// The operation that the subgraph would be sent.
    pub operation: String,
    /// The client's variables that this operation uses.
    pub variables: Vec<String>,
    aliases: Aliases,
}

/// An argument of the root field.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// Written in the document.
    Constant(Json),
    /// Taken from the request's variables.
    Variable {
        /// The variable's name.
        name: String,
        /// The operation's default for it.
        default: Option<Json>,
    },
}

impl SubscriptionPlan {
    /// The arguments of one request, absent ones left out.
    pub fn arguments(&self, variables: &Variables) -> Map<String, Json> {
        let resolved = self.arguments.iter().filter_map(|(name, argument)| {
            let value = match argument {
                Argument::Constant(value) => value.clone(),
                Argument::Variable { name, default } => {
                    variables.get(name).or(default.as_ref())?.clone()
                }
            };
            Some((name.clone(), value))
        });
        resolved.collect()
    }

    /// Adds the keys that the operation wants to an answer that has plain names.
    pub(super) fn alias(&self, tree: &mut Tree<'_>, root: Value<'_>) {
        self.aliases.apply(tree, root);
    }
}

/// Aliases of the operation: response key, field name, and those inside.
#[derive(Debug, Default)]
struct Aliases(Vec<(Key, Key, Aliases)>);

impl Aliases {
    fn new(fetch: &FetchNode, selections: &SelectionSet, keys: &mut Keys) -> Self {
        let mut aliases = Vec::new();
        for item in &selections.items {
            match item {
                SelectionItem::Field(field) => aliases.push((
                    keys.number(field.selection_identifier()),
                    keys.number(&field.name),
                    Self::new(fetch, &field.selections, keys),
                )),
                SelectionItem::InlineFragment(fragment) => {
                    aliases.extend(Self::new(fetch, &fragment.selections, keys).0);
                }
                SelectionItem::FragmentSpread(name) => {
                    let fragments = &fetch.operation.document.fragments;
                    if let Some(fragment) = fragments.iter().find(|it| it.name == *name) {
                        aliases.extend(Self::new(fetch, &fragment.selection_set, keys).0);
                    }
                }
            }
        }
        Self(aliases)
    }

    fn apply(&self, tree: &mut Tree<'_>, value: Value<'_>) {
        match value {
            Value::List(list) => {
                for item in list.range() {
                    self.apply(tree, tree.items[item]);
                }
            }
            Value::Object(object) => {
                for (key, name, _) in &self.0 {
                    if tree.get(object, *key).is_none()
                        && let Some(value) = tree.get(object, *name)
                    {
                        let value = tree.copy(value);
                        tree.push(object, (*key, value));
                    }
                }
                for (key, _, inner) in &self.0 {
                    if let Some(value) = tree.get(object, *key) {
                        inner.apply(tree, value);
                    }
                }
            }
            Value::Null | Value::Leaf(_) => {}
        }
    }
}

/// Reads the event side out of the planner's fetch; None where it has no field.
pub(super) fn plan(fetch: &FetchNode, keys: &mut Keys) -> Option<SubscriptionPlan> {
    let operation = &fetch.operation.document.operation;
    let field = operation.selection_set.items.iter().find_map(|item| match item {
        SelectionItem::Field(field) => Some(field),
        _ => None,
    })?;
    let declared = operation.variable_definitions.as_deref().unwrap_or_default();
    let argument = |value| match (constant(value), value) {
        (None, crate::planner::PlanValue::Variable(name)) => Argument::Variable {
            name: name.clone(),
            default: declared
                .iter()
                .find(|variable| variable.name == *name)
                .and_then(|variable| constant(variable.default_value.as_ref()?)),
        },
        (value, _) => Argument::Constant(value.unwrap_or(Json::Null)),
    };
    let given =
        field.arguments.iter().flat_map(|arguments| arguments.keys().zip(arguments.values()));
    Some(SubscriptionPlan {
        field_name: field.name.clone(),
        response_key: field.selection_identifier().to_owned(),
        arguments: given.map(|(name, value)| (name.clone(), argument(value))).collect(),
        subgraph: fetch.service_name.clone(),
        operation: fetch.operation.document_str.clone(),
        variables: declared.iter().map(|variable| variable.name.clone()).collect(),
        aliases: Aliases::new(fetch, &operation.selection_set, keys),
    })
}
