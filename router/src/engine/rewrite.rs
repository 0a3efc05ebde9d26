//! Renames in a subgraph's answer: where types disagree about a field, the
//! planner asks for it under an alias and has it named back.

use super::{
    key::{Key, Keys},
    position::Segment,
    value::{Tree, Value},
};

/// Renames one key wherever the path leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Renamer {
    path: Vec<Segment>,
    from: Key,
    to: Key,
    /// Where a field goes whose own name is `to`.
    hidden: Key,
}

/// The key of a field that the client's alias for another one displaces; no
/// GraphQL name looks like it. Representations find it there.
pub(crate) fn hidden_key(key: Key, keys: &mut Keys) -> Key {
    let name = format!("={}", keys.name(key));
    keys.number(&name)
}

impl Renamer {
    /// The key in the subgraph's answer.
    pub(crate) fn from(&self) -> Key {
        self.from
    }

    /// The new key.
    pub(crate) fn to(&self) -> Key {
        self.to
    }

    /// The last step of the path is the key to rename; None where there is none.
    pub(crate) fn new(mut path: Vec<Segment>, to: &str, keys: &mut Keys) -> Option<Self> {
        match path.pop()? {
            Segment::Field(from) => {
                let to = keys.number(to);
                Some(Self { path, from, to, hidden: hidden_key(to, keys) })
            }
            Segment::List | Segment::Type(_) => None,
        }
    }

    /// Renames in an answer.
    pub(crate) fn apply(&self, tree: &mut Tree<'_>, value: Value<'_>) {
        self.walk(tree, value, &self.path);
    }

    fn walk(&self, tree: &mut Tree<'_>, value: Value<'_>, path: &[Segment]) {
        match value {
            Value::List(list) => {
                for item in list.range() {
                    self.walk(tree, tree.items[item], path);
                }
            }
            Value::Object(object) => match path.split_first() {
                None => {
                    let Some(slot) = tree.slot(object, self.from) else {
                        return;
                    };
                    for index in tree.range(object) {
                        let key = &mut tree.fields[index].0;
                        if *key == self.to {
                            *key = self.hidden;
                        }
                    }
                    tree.fields[slot].0 = self.to;
                }
                Some((Segment::Field(key), rest)) => {
                    for index in tree.range(object) {
                        let (name, value) = tree.fields[index];
                        if name == *key {
                            self.walk(tree, value, rest);
                        }
                    }
                }
                Some((Segment::Type(types), rest)) => {
                    if types.contains(tree.typename(object)) {
                        self.walk(tree, value, rest);
                    }
                }
                Some((Segment::List, rest)) => self.walk(tree, value, rest),
            },
            Value::Null | Value::Leaf(_) => {}
        }
    }
}
