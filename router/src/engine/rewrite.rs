//! Renames in a subgraph's answer: where types disagree about a field, the
//! planner asks for it under an alias and has it named back.

use super::{
    position::{Segment, typename},
    value::{Value, slot},
};

/// Renames one key wherever the path leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Renamer {
    path: Vec<Segment>,
    from: Box<str>,
    to: Box<str>,
    /// Where a field goes whose own name is `to`.
    hidden: Box<str>,
}

/// The key of a field that the client's alias for another one displaces; no
/// GraphQL name looks like it. Representations find it there.
pub(crate) fn hidden_key(name: &str) -> Box<str> {
    format!("={name}").into()
}

impl Renamer {
    /// The key in the subgraph's answer.
    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    /// The new key.
    pub(crate) fn to(&self) -> &str {
        &self.to
    }

    /// The last step of the path is the key to rename; None where there is none.
    pub(crate) fn new(mut path: Vec<Segment>, to: &str) -> Option<Self> {
        match path.pop()? {
            Segment::Field(from) => {
                Some(Self { path, from, to: to.into(), hidden: hidden_key(to) })
            }
            Segment::List | Segment::Type(_) => None,
        }
    }

    /// Renames in an answer. The new name lives as long as the plan.
    pub(crate) fn apply<'a>(&'a self, value: &mut Value<'a>) {
        self.walk(value, &self.path);
    }

    fn walk<'a>(&'a self, value: &mut Value<'a>, path: &[Segment]) {
        match value {
            Value::List(items) => {
                for item in items {
                    self.walk(item, path);
                }
            }
            Value::Object(fields) => match path.split_first() {
                None => {
                    let Some(slot) = slot(fields, &self.from) else {
                        return;
                    };
                    for (key, _) in fields.iter_mut() {
                        if *key == &*self.to {
                            *key = &self.hidden;
                        }
                    }
                    fields[slot].0 = &self.to;
                }
                Some((Segment::Field(key), rest)) => {
                    for (name, value) in fields.iter_mut() {
                        if *name == &**key {
                            self.walk(value, rest);
                        }
                    }
                }
                Some((Segment::Type(types), rest)) => {
                    if types.contains(typename(fields)) {
                        self.walk(value, rest);
                    }
                }
                Some((Segment::List, rest)) => self.walk(value, rest),
            },
            Value::Null | Value::Leaf(_) => {}
        }
    }
}
