//! Answers the plan's fetch to the events subgraph: there is no such server, the
//! answer is an event's payload in the shape that the fetch asks for.

use std::collections::{HashMap, HashSet};

use graphql_tools::static_graphql::query as ast;
use hive_router_query_planner::utils::parsing::safe_parse_operation;
use serde_json::{Map, Value};

/// Deepest nesting of a fetch, in levels. Planned operations stay far below.
const MAX_DEPTH: usize = 64;

/// Which abstract types an object type belongs to.
#[derive(Debug, Default)]
pub(super) struct Types {
    abstract_of: HashMap<String, HashSet<String>>,
}

impl Types {
    pub(super) fn add(&mut self, object: &str, abstract_type: &str) {
        let known = self.abstract_of.entry(object.to_owned()).or_default();
        known.insert(abstract_type.to_owned());
    }

    fn is_a(&self, object: &str, condition: &str) -> bool {
        object == condition
            || self.abstract_of.get(object).is_some_and(|types| types.contains(condition))
    }
}

/// The shape that a fetch asks for.
#[derive(Debug)]
pub(super) struct Shape {
    nodes: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    Field { key: String, name: String, conditions: Vec<Condition>, children: Vec<Node> },
    Fragment { on: Option<String>, conditions: Vec<Condition>, children: Vec<Node> },
}

/// `@include` or `@skip`.
#[derive(Debug)]
struct Condition {
    flag: Flag,
    expected: bool,
}

#[derive(Debug)]
enum Flag {
    Constant(bool),
    Variable(String, bool),
}

/// The fetch can't be read; a fault of the planner or of its use.
#[derive(Debug, thiserror::Error)]
#[error("the events fetch can't be read: {0}")]
pub(super) struct ShapeError(String);

impl Shape {
    /// Reads the document of a fetch.
    pub(super) fn parse(document: &str) -> Result<Self, ShapeError> {
        let document = safe_parse_operation(document).map_err(|e| ShapeError(e.to_string()))?;
        let (mut fragments, mut operation) = (HashMap::new(), None);
        for definition in &document.definitions {
            match definition {
                ast::Definition::Fragment(fragment) => {
                    fragments.insert(fragment.name.as_str(), fragment);
                }
                ast::Definition::Operation(found) => operation = Some(found),
            }
        }
        let (set, variables): (_, &[ast::VariableDefinition]) = match operation {
            Some(ast::OperationDefinition::Subscription(it)) => {
                (&it.selection_set, &it.variable_definitions)
            }
            Some(ast::OperationDefinition::Query(it)) => {
                (&it.selection_set, &it.variable_definitions)
            }
            Some(ast::OperationDefinition::SelectionSet(it)) => (it, &[]),
            _ => return Err(ShapeError("it is no subscription".to_owned())),
        };
        let reader = Reader { fragments, variables };
        Ok(Self { nodes: reader.nodes(set, 0)? })
    }

    /// Writes the JSON of `value` (an object with `__typename`) in this shape.
    /// `flag` gives the values of boolean variables.
    pub(super) fn write(
        &self,
        value: &Map<String, Value>,
        types: &Types,
        flag: &dyn Fn(&str) -> Option<bool>,
    ) -> Vec<u8> {
        let mut writer = Writer { types, flag, out: Vec::with_capacity(256) };
        writer.object(&[&self.nodes], value);
        writer.out
    }
}

struct Reader<'a> {
    fragments: HashMap<&'a str, &'a ast::FragmentDefinition>,
    variables: &'a [ast::VariableDefinition],
}

impl Reader<'_> {
    fn nodes(&self, set: &ast::SelectionSet, depth: usize) -> Result<Vec<Node>, ShapeError> {
        if depth > MAX_DEPTH {
            return Err(ShapeError("it is nested too deeply".to_owned()));
        }
        set.items.iter().map(|item| self.node(item, depth)).collect()
    }

    fn node(&self, item: &ast::Selection, depth: usize) -> Result<Node, ShapeError> {
        Ok(match item {
            ast::Selection::Field(field) => Node::Field {
                key: field.alias.as_ref().unwrap_or(&field.name).clone(),
                name: field.name.clone(),
                conditions: self.conditions(&field.directives),
                children: self.nodes(&field.selection_set, depth + 1)?,
            },
            ast::Selection::InlineFragment(fragment) => Node::Fragment {
                on: fragment.type_condition.as_ref().map(condition_name),
                conditions: self.conditions(&fragment.directives),
                children: self.nodes(&fragment.selection_set, depth + 1)?,
            },
            ast::Selection::FragmentSpread(spread) => {
                let fragment = self
                    .fragments
                    .get(spread.fragment_name.as_str())
                    .ok_or_else(|| ShapeError("a fragment is missing".to_owned()))?;
                Node::Fragment {
                    on: Some(condition_name(&fragment.type_condition)),
                    conditions: self.conditions(&spread.directives),
                    children: self.nodes(&fragment.selection_set, depth + 1)?,
                }
            }
        })
    }

    fn conditions(&self, directives: &[ast::Directive]) -> Vec<Condition> {
        let read = |directive: &ast::Directive| {
            let expected = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => return None,
            };
            let (_, value) = directive.arguments.iter().find(|(name, _)| name == "if")?;
            let flag = match value {
                ast::Value::Boolean(constant) => Flag::Constant(*constant),
                ast::Value::Variable(name) => Flag::Variable(name.clone(), self.default_of(name)),
                _ => return None,
            };
            Some(Condition { flag, expected })
        };
        directives.iter().filter_map(read).collect()
    }

    fn default_of(&self, variable: &str) -> bool {
        let definition = self.variables.iter().find(|v| v.name == variable);
        matches!(definition.and_then(|d| d.default_value.as_ref()), Some(ast::Value::Boolean(true)))
    }
}

fn condition_name(condition: &ast::TypeCondition) -> String {
    let ast::TypeCondition::On(name) = condition;
    name.clone()
}

/// A field to write: its key, its name, and the selections asked of it.
struct Wanted<'a> {
    key: &'a str,
    name: &'a str,
    children: Vec<&'a [Node]>,
}

struct Writer<'a> {
    types: &'a Types,
    flag: &'a dyn Fn(&str) -> Option<bool>,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn object(&mut self, sets: &[&[Node]], value: &Map<String, Value>) {
        let type_name = value.get("__typename").and_then(Value::as_str).unwrap_or_default();
        let mut wanted = Vec::new();
        for set in sets {
            self.collect(set, type_name, &mut wanted);
        }
        self.out.push(b'{');
        for (at, field) in wanted.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.scalar(&Value::from(field.key));
            self.out.push(b':');
            self.value(&field.children, value.get(field.name).unwrap_or(&Value::Null));
        }
        self.out.push(b'}');
    }

    fn value(&mut self, sets: &[&[Node]], value: &Value) {
        match value {
            Value::Object(object) if sets.iter().any(|set| !set.is_empty()) => {
                self.object(sets, object);
            }
            Value::Array(items) => {
                self.out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.value(sets, item);
                }
                self.out.push(b']');
            }
            other => self.scalar(other),
        }
    }

    fn scalar(&mut self, value: &Value) {
        // Writing a JSON value into memory can't fail.
        let _ = serde_json::to_writer(&mut self.out, value);
    }

    /// The fields of an object of this type, those with the same key together.
    fn collect<'n>(&self, nodes: &'n [Node], type_name: &str, wanted: &mut Vec<Wanted<'n>>) {
        for node in nodes {
            match node {
                Node::Field { key, name, conditions, children } if self.hold(conditions) => {
                    let children = children.as_slice();
                    match wanted.iter_mut().find(|w| w.key == key) {
                        Some(known) => known.children.push(children),
                        None => wanted.push(Wanted { key, name, children: vec![children] }),
                    }
                }
                Node::Fragment { on, conditions, children }
                    if self.hold(conditions)
                        && on.as_ref().is_none_or(|on| self.types.is_a(type_name, on)) =>
                {
                    self.collect(children, type_name, wanted);
                }
                _ => {}
            }
        }
    }

    fn hold(&self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| {
            let value = match &condition.flag {
                Flag::Constant(value) => *value,
                Flag::Variable(name, default) => (self.flag)(name).unwrap_or(*default),
            };
            value == condition.expected
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(document: &str, flags: &[(&str, bool)]) -> Value {
        let mut types = Types::default();
        types.add("BuildJob", "Job");
        let root = json!({
            "__typename": "Subscription",
            "roomUpdated": {
                "__typename": "RoomEvent",
                "cursor": "c1", "type": "JOB_CHANGED", "occurredAt": "t",
                "room": { "__typename": "Room", "id": "r1" },
                "job": { "__typename": "BuildJob", "id": "j1", "completedAt": null },
                "rooms": [{ "__typename": "Room", "id": "r2" }],
            }
        });
        let Value::Object(root) = root else { panic!() };
        let flag = |name: &str| flags.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        let bytes = Shape::parse(document).expect("a shape").write(&root, &types, &flag);
        serde_json::from_slice(&bytes).expect("valid JSON")
    }

    #[test]
    fn aliases_type_names_lists_and_absent_fields() {
        let answer = write(
            "subscription($a: ID!) { x: roomUpdated(roomId: $a) { __typename c: cursor room { id } rooms { __typename } nothing { id } } }",
            &[],
        );
        assert_eq!(
            answer,
            json!({"x": {"__typename": "RoomEvent", "c": "c1", "room": {"id": "r1"},
                         "rooms": [{"__typename": "Room"}], "nothing": null}})
        );
    }

    #[test]
    fn fragments_apply_by_type_and_same_keys_merge() {
        let answer = write(
            "subscription { roomUpdated { job { id ...J ... on Job { __typename } ... on Room { wrong: id } ... on BuildJob { id } } room { id } ... on RoomEvent { room { __typename } } } }
             fragment J on Job { j: id }",
            &[],
        );
        assert_eq!(
            answer,
            json!({"roomUpdated": {"job": {"id": "j1", "j": "j1", "__typename": "BuildJob"},
                                   "room": {"id": "r1", "__typename": "Room"}}})
        );
    }

    #[test]
    fn include_and_skip() {
        let document = "subscription($yes: Boolean!, $no: Boolean = true) { roomUpdated {
            a: type @include(if: $yes) b: type @skip(if: $yes) c: type @skip(if: $no) d: type @include(if: false)
            ... @include(if: $yes) { e: type } } }";
        let on = json!({"roomUpdated": {"a": "JOB_CHANGED", "e": "JOB_CHANGED"}});
        assert_eq!(write(document, &[("yes", true)]), on);
        let off = json!({"roomUpdated": {"b": "JOB_CHANGED", "c": "JOB_CHANGED"}});
        assert_eq!(write(document, &[("yes", false), ("no", false)]), off);
    }

    #[test]
    fn what_is_no_subscription_is_refused() {
        assert!(Shape::parse("mutation { x }").is_err());
        assert!(Shape::parse("subscription { ...Missing }").is_err());
        assert!(Shape::parse("{").is_err());
    }
}
