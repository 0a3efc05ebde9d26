//! Where in the tree the entities of a fetch are.
//!
//! A position is the list of slots that lead to it: cheap to remember while the
//! request is under way, valid whatever other branches merge meanwhile (objects
//! only grow at their end, lists keep their length), and enough to tell the
//! client's path for an error.

use std::collections::HashSet;

use super::value::{Value, slot};
use crate::error::PathSegment;

/// A set of type names with abstract ones expanded to their members.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TypeSet(pub(crate) HashSet<Box<str>>);

impl TypeSet {
    /// Whether an object of this type belongs. An object that does not say its
    /// type is of the only type that it can be.
    pub(crate) fn contains(&self, typename: Option<&str>) -> bool {
        typename.is_none_or(|name| self.0.contains(name))
    }
}

/// One step of a path to entities.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Segment {
    /// Into a response key.
    Field(Box<str>),
    /// Into every item of a list.
    List,
    /// Only where the object is one of these types.
    Type(TypeSet),
}

/// Slots of many positions, back to back.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    slots: Vec<u32>,
    ends: Vec<usize>,
}

impl Positions {
    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn slots(&self, index: usize) -> &[u32] {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        &self.slots[start..self.ends[index]]
    }

    fn push(&mut self, slots: &[u32]) {
        self.slots.extend_from_slice(slots);
        self.ends.push(self.slots.len());
    }

    /// Takes the last position away again.
    pub(crate) fn pop(&mut self) {
        if self.ends.pop().is_some() {
            self.slots.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }

    /// The value at a position.
    pub(crate) fn get_mut<'v, 'a>(
        &self,
        index: usize,
        tree: &'v mut Value<'a>,
    ) -> Option<&'v mut Value<'a>> {
        let mut value = tree;
        for slot in self.slots(index) {
            let slot = *slot as usize;
            value = match value {
                Value::Object(fields) => &mut fields.get_mut(slot)?.1,
                Value::List(items) => items.get_mut(slot)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The client's path of a position.
    pub(crate) fn path(&self, index: usize, tree: &Value<'_>) -> Vec<PathSegment> {
        let mut value = tree;
        let mut path = Vec::new();
        for slot in self.slots(index) {
            let slot = *slot as usize;
            value = match value {
                Value::Object(fields) => {
                    let Some((key, value)) = fields.get(slot) else {
                        break;
                    };
                    path.push(PathSegment::Key((*key).to_owned()));
                    value
                }
                Value::List(items) => {
                    let Some(value) = items.get(slot) else { break };
                    path.push(PathSegment::Index(slot));
                    value
                }
                _ => break,
            };
        }
        path
    }

    /// The longest path that all positions share.
    pub(crate) fn common_path(&self, tree: &Value<'_>) -> Vec<PathSegment> {
        let Some(last) = self.len().checked_sub(1) else {
            return Vec::new();
        };
        let (first, rest) = (self.slots(0), 1..=last);
        let shared = rest.fold(first.len(), |shared, index| {
            let other = self.slots(index).iter();
            shared.min(first.iter().zip(other).take_while(|(a, b)| a == b).count())
        });
        let mut path = self.path(0, tree);
        path.truncate(shared);
        path
    }
}

/// Calls `found` with every object at the path, its position being the last one
/// in `positions` during the call. `found` answers whether to keep the position.
pub(crate) fn find<'v, 'a>(
    tree: &'v Value<'a>,
    path: &[Segment],
    positions: &mut Positions,
    found: &mut impl FnMut(&'v [(&'a str, Value<'a>)]) -> bool,
) {
    walk(tree, path, &mut Vec::with_capacity(8), positions, found);
}

fn walk<'v, 'a>(
    value: &'v Value<'a>,
    path: &[Segment],
    slots: &mut Vec<u32>,
    positions: &mut Positions,
    found: &mut impl FnMut(&'v [(&'a str, Value<'a>)]) -> bool,
) {
    match value {
        Value::List(items) => {
            let rest = match path.first() {
                Some(Segment::List) => &path[1..],
                // Lists are stepped into even where the path does not name them.
                _ => path,
            };
            for (index, item) in (0u32..).zip(items) {
                slots.push(index);
                walk(item, rest, slots, positions, found);
                slots.pop();
            }
        }
        Value::Object(fields) => match path.split_first() {
            None => {
                positions.push(slots);
                if !found(fields) {
                    positions.pop();
                }
            }
            Some((Segment::Field(key), rest)) => {
                if let Some(slot) = slot(fields, key) {
                    slots.push(u32::try_from(slot).unwrap_or(u32::MAX));
                    walk(&fields[slot].1, rest, slots, positions, found);
                    slots.pop();
                }
            }
            Some((Segment::Type(types), rest)) => {
                if types.contains(typename(fields)) {
                    walk(value, rest, slots, positions, found);
                }
            }
            Some((Segment::List, _)) => {}
        },
        Value::Null | Value::Leaf(_) => {}
    }
}

/// The type that an object says it is.
pub(crate) fn typename<'a>(fields: &[(&'a str, Value<'a>)]) -> Option<&'a str> {
    super::value::field(fields, "__typename").and_then(Value::plain_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_objects_through_lists_and_types_and_tells_their_paths() {
        let text = r#"{"x":1,"a":[{"b":{"__typename":"T","n":0}},null,{"b":{"__typename":"U"}},{"b":{"__typename":"T","n":3}}]}"#;
        let mut tree = Value::parse(text.as_bytes()).unwrap();
        let path = [
            Segment::Field("a".into()),
            Segment::List,
            Segment::Field("b".into()),
            Segment::Type(TypeSet(HashSet::from(["T".into()]))),
        ];
        let mut positions = Positions::default();
        find(&tree, &path, &mut positions, &mut |_| true);
        assert_eq!(positions.len(), 2);
        let key = |text: &str| PathSegment::Key(text.to_owned());
        assert_eq!(positions.path(1, &tree), [key("a"), PathSegment::Index(3), key("b")]);
        assert_eq!(positions.common_path(&tree), [key("a")]);
        let found = positions.get_mut(1, &mut tree).unwrap();
        assert_eq!(found.field("n"), Some(&Value::Leaf("3")));
    }
}
