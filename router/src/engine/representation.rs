//! Representations of entities, written straight as JSON from the tree.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use super::{
    position::{Positions, Segment, TypeSet, find, typename},
    rewrite::hidden_key,
    value::{Fields, Value, field, write_string},
};

/// What a subgraph needs to know of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Requirement {
    /// A field of the tree, written under the subgraph's own name.
    Field {
        /// Key in the tree.
        from: Box<str>,
        /// Key in the tree where an alias of the client's displaced the field.
        hidden: Option<Box<str>>,
        /// Key in the representation.
        name: Box<str>,
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
pub(crate) fn mark_displaced(requires: &mut [Requirement], names: &HashSet<Box<str>>) {
    for requirement in requires {
        match requirement {
            Requirement::Fragment { inner, .. } => mark_displaced(inner, names),
            Requirement::Field { from, hidden, inner, .. } => {
                *hidden = names.contains(from).then(|| hidden_key(from));
                mark_displaced(inner, names);
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
    pub(crate) fn collect(&self, tree: &Value<'_>) -> Collected {
        let mut collected = Collected::default();
        let mut seen = Seen::default();
        let Collected { json, len, positions, indices } = &mut collected;
        json.push(b'[');
        for path in &self.paths {
            find(tree, path, positions, &mut |entity| {
                let before = json.len();
                if *len > 0 {
                    json.push(b',');
                }
                let start = json.len();
                if !self.write(entity, json) {
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
    fn write(&self, entity: &[(&str, Value<'_>)], out: &mut Vec<u8>) -> bool {
        let type_of = typename(entity);
        let sent = self
            .overrides
            .iter()
            .find(|entry| entry.types.contains(type_of))
            .map(|entry| &*entry.name);
        let mut writer =
            Writer { out, written: Vec::with_capacity(8), typename: sent, has_key: false };
        writer.out.push(b'{');
        let complete = writer.fields(entity, &self.requires)
            && writer.has_key
            && writer.written.contains(&"__typename");
        out.push(b'}');
        complete
    }
}

/// Writes one object of a representation.
struct Writer<'o, 'r> {
    out: &'o mut Vec<u8>,
    /// Names so far: fragments may ask for the same field again.
    written: Vec<&'r str>,
    typename: Option<&'r str>,
    /// Whether anything but the type is known.
    has_key: bool,
}

impl<'r> Writer<'_, 'r> {
    /// False where a field is not there.
    fn fields(&mut self, object: &[(&str, Value<'_>)], requires: &'r [Requirement]) -> bool {
        let mut complete = true;
        for requirement in requires {
            match requirement {
                Requirement::Fragment { types, inner } => {
                    let type_of = typename(object);
                    if types.contains(type_of) {
                        // Without a type it may be about others.
                        complete &= self.fields(object, inner) || type_of.is_none();
                    }
                }
                Requirement::Field { from, hidden, name, inner } => {
                    let displaced = hidden.as_ref().and_then(|key| field(object, key));
                    let value =
                        displaced.or_else(|| field(object, from)).or_else(|| field(object, name));
                    let is_written = self.written.contains(&&**name);
                    match value {
                        Some(value) if !is_written => self.field(name, value, inner),
                        None if !is_written => complete = false,
                        _ => {}
                    }
                }
            }
        }
        complete
    }

    fn field(&mut self, name: &'r str, value: &Value<'_>, inner: &[Requirement]) {
        if !self.written.is_empty() {
            self.out.push(b',');
        }
        self.written.push(name);
        write_string(self.out, name);
        self.out.push(b':');
        match (name, self.typename) {
            ("__typename", Some(typename)) => write_string(self.out, typename),
            _ => {
                self.has_key |= name != "__typename" && *value != Value::Null;
                write_value(value, inner, self.out);
            }
        }
    }
}

fn write_value(value: &Value<'_>, inner: &[Requirement], out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) if !inner.is_empty() => write_object(fields, inner, out),
        Value::List(items) if !inner.is_empty() => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, inner, out);
            }
            out.push(b']');
        }
        value => value.write(out),
    }
}

/// An object that lacks something is not known: null.
fn write_object(fields: &Fields<'_>, inner: &[Requirement], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'{');
    let complete = Writer { out, written: Vec::with_capacity(4), typename: None, has_key: false }
        .fields(fields, inner);
    if complete {
        out.push(b'}');
    } else {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Finds representations that were written before.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    by_hash: HashMap<u64, (Range<usize>, u32)>,
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
    use super::*;

    fn leaf(name: &str) -> Requirement {
        Requirement::Field { from: name.into(), hidden: None, name: name.into(), inner: vec![] }
    }

    fn users() -> Collection {
        Collection {
            paths: vec![vec![Segment::Field("users".into()), Segment::List]],
            requires: vec![Requirement::Fragment {
                types: TypeSet(HashSet::from(["User".into()])),
                inner: vec![leaf("__typename"), leaf("id")],
            }],
            overrides: vec![],
        }
    }

    #[test]
    fn equal_entities_are_sent_once_and_keep_their_order() {
        let text = r#"{"users":[{"__typename":"User","id":"b","x":1},null,{"__typename":"User","id":"a"},{"__typename":"User","id":"b"}]}"#;
        let tree = Value::parse(text.as_bytes()).unwrap();
        let collected = users().collect(&tree);
        assert_eq!(
            String::from_utf8(collected.json).unwrap(),
            r#"[{"__typename":"User","id":"b"},{"__typename":"User","id":"a"}]"#
        );
        assert_eq!((collected.len, collected.indices), (2, vec![0, 1, 0]));
    }

    #[test]
    fn entities_without_key_or_of_another_type_are_left_out() {
        let text = r#"{"users":[{"__typename":"User"},{"__typename":"User","id":null},{"__typename":"Bot","id":"1"}]}"#;
        let tree = Value::parse(text.as_bytes()).unwrap();
        let collected = users().collect(&tree);
        assert_eq!((collected.len, &collected.json[..]), (0, &b"[]"[..]));
        assert_eq!(collected.positions.len(), 0);
    }
}
