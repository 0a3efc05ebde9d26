//! Representations of entities, written straight as JSON from the tree.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    ops::Range,
};

use super::{
    key::{Key, Keys},
    position::{Positions, Segment, TypeSet, find},
    rewrite::hidden_key,
    value::{Object, Tree, Value, write_string},
};
use crate::name::Hasher;

/// What a subgraph needs to know of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Requirement {
    /// A field of the tree, written under the subgraph's own name.
    Field {
        /// Where it is in the tree.
        from: Key,
        /// Where it is where an alias of the client's displaced the field.
        hidden: Option<Key>,
        /// Its name in the representation; the tree may have it there, too.
        name: Key,
        /// The same as it is written: `"name":`.
        token: Box<str>,
        /// What is needed of an object; empty for a leaf.
        inner: Vec<Requirement>,
    },
    /// Needed only of these types.
    Fragment {
        /// The types.
        types: TypeSet,
        /// What is needed of them.
        inner: Vec<Requirement>,
    },
}

/// Tells requirements that fields of these names may be found displaced.
pub(crate) fn mark_displaced(requires: &mut [Requirement], names: &HashSet<Key>, keys: &mut Keys) {
    for requirement in requires {
        match requirement {
            Requirement::Fragment { inner, .. } => mark_displaced(inner, names, keys),
            Requirement::Field { from, hidden, inner, .. } => {
                *hidden = names.contains(from).then(|| hidden_key(*from, keys));
                mark_displaced(inner, names, keys);
            }
        }
    }
}

/// Sends `name` as the type of entities that are one of `types`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypenameOverride {
    pub(crate) types: TypeSet,
    pub(crate) name: Box<str>,
}

/// What to collect for one `_entities` field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Collection {
    pub(crate) paths: Vec<Vec<Segment>>,
    pub(crate) requires: Vec<Requirement>,
    pub(crate) overrides: Vec<TypenameOverride>,
}

/// The representations of one `_entities` field and where their answers belong.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// A JSON list.
    pub(crate) json: Vec<u8>,
    /// How many different ones there are.
    pub(crate) len: usize,
    pub(crate) positions: Positions,
    /// For each position, which representation it is.
    pub(crate) indices: Vec<u32>,
}

impl Collected {
    /// The positions of one representation.
    pub(crate) fn positions_of(&self, index: usize) -> impl Iterator<Item = usize> {
        self.indices
            .iter()
            .enumerate()
            .filter(move |(_, found)| **found as usize == index)
            .map(|(position, _)| position)
    }
}

impl Collection {
    /// Writes the representation of every entity at the paths, equal ones once,
    /// in the order in which they are met.
    pub(crate) fn collect(&self, tree: &Tree<'_>) -> Collected {
        let mut collected = Collected::default();
        let mut seen = Seen::default();
        let mut written = Vec::new();
        let Collected { json, len, positions, indices } = &mut collected;
        json.push(b'[');
        for path in &self.paths {
            find(tree, path, positions, &mut |entity| {
                let before = json.len();
                if *len > 0 {
                    json.push(b',');
                }
                let start = json.len();
                if !self.write(tree, entity, json, &mut written) {
                    json.truncate(before);
                    return false;
                }
                match seen.find(json, start..json.len(), *len) {
                    Some(index) => {
                        json.truncate(before);
                        indices.push(index);
                    }
                    None => {
                        indices.push(u32::try_from(*len).unwrap_or(u32::MAX));
                        *len += 1;
                    }
                }
                true
            });
        }
        json.push(b']');
        collected
    }

    /// Writes one representation. False where the entity lacks what identifies it,
    /// or where something that is required was not fetched: then it failed, or a
    /// condition left it out and nothing that needs it is wanted.
    fn write(
        &self,
        tree: &Tree<'_>,
        entity: Object,
        out: &mut Vec<u8>,
        written: &mut Vec<Key>,
    ) -> bool {
        let typename = match self.overrides.is_empty() {
            true => None,
            false => {
                let type_of = tree.typename(entity);
                let found = self.overrides.iter().find(|entry| entry.types.contains(type_of));
                found.map(|entry| &*entry.name)
            }
        };
        out.push(b'{');
        written.clear();
        let mut writer = Writer { tree, out, written, since: 0, typename, has_key: false };
        let complete = writer.fields(entity, &self.requires)
            && writer.has_key
            && writer.written.contains(&Key::TYPENAME);
        out.push(b'}');
        complete
    }
}

/// Writes one object of a representation.
struct Writer<'w, 't, 'a> {
    tree: &'t Tree<'a>,
    out: &'w mut Vec<u8>,
    /// Names so far, of this object since `since`: fragments may ask for the same
    /// field again.
    written: &'w mut Vec<Key>,
    since: usize,
    typename: Option<&'w str>,
    /// Whether anything but the type is known.
    has_key: bool,
}

impl<'a> Writer<'_, '_, 'a> {
    /// False where a field is not there.
    fn fields(&mut self, object: Object, requires: &[Requirement]) -> bool {
        let mut complete = true;
        for requirement in requires {
            match requirement {
                Requirement::Fragment { types, inner } => {
                    let type_of = self.tree.typename(object);
                    if types.contains(type_of) {
                        // Without a type it may be about others.
                        complete &= self.fields(object, inner) || type_of.is_none();
                    }
                }
                Requirement::Field { from, hidden, name, token, inner } => {
                    if self.written[self.since..].contains(name) {
                        continue;
                    }
                    let displaced = hidden.and_then(|key| self.tree.get(object, key));
                    let found = displaced.or_else(|| self.tree.get(object, *from));
                    match found.or_else(|| self.tree.get(object, *name)) {
                        Some(value) => self.field(*name, token, value, inner),
                        None => complete = false,
                    }
                }
            }
        }
        complete
    }

    fn field(&mut self, name: Key, token: &str, value: Value<'a>, inner: &[Requirement]) {
        if self.written.len() > self.since {
            self.out.push(b',');
        }
        self.written.push(name);
        self.out.extend_from_slice(token.as_bytes());
        match (name, self.typename) {
            (Key::TYPENAME, Some(typename)) => write_string(self.out, typename),
            _ => {
                self.has_key |= name != Key::TYPENAME && value != Value::Null;
                self.value(value, inner);
            }
        }
    }

    fn value(&mut self, value: Value<'a>, inner: &[Requirement]) {
        match value {
            Value::Object(object) if !inner.is_empty() => self.object(object, inner),
            Value::List(list) if !inner.is_empty() => {
                self.out.push(b'[');
                for (index, item) in self.tree.items(list).iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(*item, inner);
                }
                self.out.push(b']');
            }
            value => self.tree.write(value, self.out),
        }
    }

    /// An object that lacks something is not known: null.
    fn object(&mut self, object: Object, inner: &[Requirement]) {
        let (start, since) = (self.out.len(), self.written.len());
        self.out.push(b'{');
        let mut writer = Writer {
            tree: self.tree,
            out: self.out,
            written: self.written,
            since,
            typename: None,
            has_key: false,
        };
        let complete = writer.fields(object, inner);
        self.written.truncate(since);
        if complete {
            self.out.push(b'}');
        } else {
            self.out.truncate(start);
            self.out.extend_from_slice(b"null");
        }
    }
}

/// Finds representations that were written before.
#[derive(Default)]
struct Seen {
    hasher: Hasher,
    by_hash: HashMap<u64, (Range<usize>, u32), Hasher>,
}

impl Seen {
    /// The index of an equal earlier representation; remembers this one if there
    /// is none. Two different ones of the same hash are simply both sent.
    fn find(&mut self, json: &[u8], range: Range<usize>, index: usize) -> Option<u32> {
        let text = &json[range.clone()];
        let hash = self.hasher.hash_one(text);
        if let Some((earlier, index)) = self.by_hash.get(&hash) {
            return (json[earlier.clone()] == *text).then_some(*index);
        }
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.by_hash.insert(hash, (range, index));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{read::read, value::tests::keys_of},
        *,
    };
    use crate::name::Names;

    /// Representations of the users in a text.
    fn collected(text: &str) -> Collected {
        let mut keys = keys_of(text);
        let mut leaf = |name: &str| {
            let key = keys.number(name);
            let token = keys.token(key).into();
            Requirement::Field { from: key, hidden: None, name: key, token, inner: vec![] }
        };
        let inner = vec![leaf("__typename"), leaf("id")];
        let users = Collection {
            paths: vec![vec![Segment::Field(keys.number("users")), Segment::List]],
            requires: vec![Requirement::Fragment {
                types: TypeSet(Names::from_iter(["User".into()])),
                inner,
            }],
            overrides: vec![],
        };
        let mut tree = Tree::new();
        let Ok(Value::Object(root)) = read(&mut tree, &keys, text.as_bytes()) else {
            unreachable!()
        };
        tree.merge(Tree::ROOT, root, &Names::default());
        users.collect(&tree)
    }

    #[test]
    fn equal_entities_are_sent_once_and_keep_their_order() {
        let text = r#"{"users":[{"__typename":"User","id":"b","x":1},null,{"__typename":"User","id":"a"},{"__typename":"User","id":"b"}]}"#;
        let collected = collected(text);
        assert_eq!(
            String::from_utf8(collected.json).unwrap(),
            r#"[{"__typename":"User","id":"b"},{"__typename":"User","id":"a"}]"#
        );
        assert_eq!((collected.len, collected.indices), (2, vec![0, 1, 0]));
    }

    #[test]
    fn entities_without_key_or_of_another_type_are_left_out() {
        let text = r#"{"users":[{"__typename":"User"},{"__typename":"User","id":null},{"__typename":"Bot","id":"1"}]}"#;
        let collected = collected(text);
        assert_eq!((collected.len, &collected.json[..]), (0, &b"[]"[..]));
        assert_eq!(collected.positions.len(), 0);
    }
}
