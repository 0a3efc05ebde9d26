//! Renames in a subgraph's answer: where types disagree about a field, the
//! planner asks for it under an alias and has it named back.

use super::{
    position::{Segment, typename},
    value::Value,
};

/// Renames one key wherever the path leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Renamer {
    path: Vec<Segment>,
    from: Box<str>,
    to: Box<str>,
}

impl Renamer {
    /// The last step of the path is the key to rename; None where there is none.
    pub(crate) fn new(mut path: Vec<Segment>, to: &str) -> Option<Self> {
        match path.pop()? {
            Segment::Field(from) => Some(Self {
                path,
                from,
                to: to.into(),
            }),
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
                    for (key, _) in fields.iter_mut() {
                        if *key == &*self.from {
                            *key = &self.to;
                        }
                    }
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
