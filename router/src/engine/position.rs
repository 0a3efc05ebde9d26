//! Where in the tree the entities of a fetch are.
//!
//! A position is an object's number, which leads to it at once, and the list of slots
//! on the way, which stays valid whatever other branches merge meanwhile (objects only
//! grow at their end, lists keep their length) and tells the client's path for an
//! error.

use super::{
    key::{Key, Keys},
    value::{Object, Tree, Value},
};
use crate::{error::PathSegment, name::Names};

/// A set of type names with abstract ones expanded to their members.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TypeSet(pub(crate) Names);

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
    Field(Key),
    /// Into every item of a list.
    List,
    /// Only where the object is one of these types.
    Type(TypeSet),
}

/// Many positions; their slots stand back to back.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    objects: Vec<Object>,
    slots: Vec<u32>,
    ends: Vec<usize>,
}

impl Positions {
    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The objects in their order.
    pub(crate) fn objects(&self) -> &[Object] {
        &self.objects
    }

    fn slots(&self, index: usize) -> &[u32] {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        &self.slots[start..self.ends[index]]
    }

    fn push(&mut self, object: Object, slots: &[u32]) {
        self.objects.push(object);
        self.slots.extend_from_slice(slots);
        self.ends.push(self.slots.len());
    }

    /// Takes the last position away again.
    fn pop(&mut self) {
        self.objects.pop();
        if self.ends.pop().is_some() {
            self.slots.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }

    /// The path of a position, in the tree's own keys.
    pub(crate) fn path(&self, index: usize, tree: &Tree<'_>, keys: &Keys) -> Vec<PathSegment> {
        let mut value = Value::Object(Tree::ROOT);
        let mut path = Vec::new();
        for slot in self.slots(index) {
            let slot = *slot as usize;
            value = match value {
                Value::Object(object) => {
                    let Some((key, value)) = tree.fields(object).get(slot) else { break };
                    path.push(PathSegment::Key(keys.name(*key).to_owned()));
                    *value
                }
                Value::List(list) => {
                    let Some(value) = tree.items(list).get(slot) else { break };
                    path.push(PathSegment::Index(slot));
                    *value
                }
                Value::Null | Value::Leaf(_) => break,
            };
        }
        path
    }

    /// The longest path that all positions share.
    pub(crate) fn common_path(&self, tree: &Tree<'_>, keys: &Keys) -> Vec<PathSegment> {
        let Some(last) = self.len().checked_sub(1) else {
            return Vec::new();
        };
        let (first, rest) = (self.slots(0), 1..=last);
        let shared = rest.fold(first.len(), |shared, index| {
            let other = self.slots(index).iter();
            shared.min(first.iter().zip(other).take_while(|(a, b)| a == b).count())
        });
        let mut path = self.path(0, tree, keys);
        path.truncate(shared);
        path
    }
}

/// Calls `found` with every object at the path, and keeps the positions of those for
/// which it answers true.
pub(crate) fn find(
    tree: &Tree<'_>,
    path: &[Segment],
    positions: &mut Positions,
    found: &mut impl FnMut(Object) -> bool,
) {
    let mut slots = Vec::with_capacity(8);
    walk(tree, Value::Object(Tree::ROOT), path, &mut slots, positions, found);
}

fn walk(
    tree: &Tree<'_>,
    value: Value<'_>,
    path: &[Segment],
    slots: &mut Vec<u32>,
    positions: &mut Positions,
    found: &mut impl FnMut(Object) -> bool,
) {
    match value {
        Value::List(list) => {
            let rest = match path.first() {
                Some(Segment::List) => &path[1..],
                // Lists are stepped into even where the path does not name them.
                _ => path,
            };
            for (index, item) in (0u32..).zip(tree.items(list)) {
                slots.push(index);
                walk(tree, *item, rest, slots, positions, found);
                slots.pop();
            }
        }
        Value::Object(object) => match path.split_first() {
            None => {
                positions.push(object, slots);
                if !found(object) {
                    positions.pop();
                }
            }
            Some((Segment::Field(key), rest)) => {
                let fields = (0u32..).zip(tree.fields(object));
                let Some((slot, (_, value))) = fields.into_iter().find(|(_, it)| it.0 == *key)
                else {
                    return;
                };
                slots.push(slot);
                walk(tree, *value, rest, slots, positions, found);
                slots.pop();
            }
            Some((Segment::Type(types), rest)) => {
                if types.contains(tree.typename(object)) {
                    walk(tree, value, rest, slots, positions, found);
                }
            }
            Some((Segment::List, _)) => {}
        },
        Value::Null | Value::Leaf(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{read::read, value::tests::keys_of},
        *,
    };

    #[test]
    fn finds_objects_through_lists_and_types_and_tells_their_paths() {
        let text = r#"{"x":1,"a":[{"b":{"__typename":"T","n":0}},null,{"b":{"__typename":"U"}},{"b":{"__typename":"T","n":3}}]}"#;
        let keys = keys_of(text);
        let key = |name| keys.find(name).unwrap();
        let mut tree = Tree::new();
        let Ok(Value::Object(root)) = read(&mut tree, &keys, text.as_bytes()) else {
            unreachable!()
        };
        tree.merge(Tree::ROOT, root, &Names::default());
        let path = [
            Segment::Field(key("a")),
            Segment::List,
            Segment::Field(key("b")),
            Segment::Type(TypeSet(Names::from_iter(["T".into()]))),
        ];
        let mut positions = Positions::default();
        find(&tree, &path, &mut positions, &mut |_| true);
        assert_eq!(positions.len(), 2);
        let name = |text: &str| PathSegment::Key(text.to_owned());
        let path = [name("a"), PathSegment::Index(3), name("b")];
        assert_eq!(positions.path(1, &tree, &keys), path);
        assert_eq!(positions.common_path(&tree, &keys), [name("a")]);
        let found = positions.objects()[1];
        assert_eq!(tree.get(found, key("n")), Some(Value::Leaf("3")));
    }
}
