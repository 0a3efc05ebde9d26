//! JSON as the engine sees it: a tree in three tables, borrowed from the bytes it
//! came in.
//!
//! | table | an entry |
//! |---|---|
//! | `fields` | a key's number and its value; those of an object stand side by side |
//! | `items` | a value; those of a list stand side by side |
//! | `objects` | where the object's fields are, and its text |
//!
//! Values are small and copied freely: a list says where its items are, an object is
//! its number. So a tree of any size is three allocations that grow, and nothing has
//! to be freed piece by piece. Leaves keep their JSON text (`"a\n"` stays escaped,
//! `1.0` stays `1.0`): writing them to the client is a copy of bytes, and nothing is
//! decoded on the way.
//!
//! An object keeps its number for as long as the request lives, whatever is merged
//! into it; where its fields are may change.

use std::ops::Range;

use super::key::Key;

/// A JSON value in a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// `null`
    Null,
    /// The JSON text of a string (with its quotes), number or boolean.
    Leaf(&'a str),
    /// `[…]`
    List(List),
    /// `{…}`
    Object(Object),
}

/// Where a list's items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    start: u32,
    len: u32,
}

/// The number of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Object(u32);

/// A field of an object.
pub(crate) type Field<'a> = (Key, Value<'a>);

#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    start: u32,
    end: u32,
    text: &'a str,
}

/// The values of one request.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(super) fields: Vec<Field<'a>>,
    pub(super) items: Vec<Value<'a>>,
    objects: Vec<Entry<'a>>,
    /// Fields on their way to an object; empty between calls.
    pub(super) fresh: Vec<Field<'a>>,
}

impl List {
    /// Where its items are in the table.
    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }

    /// How many items there are.
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

impl<'a> Tree<'a> {
    /// What the operation's root fields are put into.
    pub(crate) const ROOT: Object = Object(0);

    /// A tree whose root has no fields yet.
    pub(crate) fn new() -> Self {
        let root = Entry { start: 0, end: 0, text: "{}" };
        Self { fields: Vec::new(), items: Vec::new(), objects: vec![root], fresh: Vec::new() }
    }

    /// An object's fields, in the order in which they arrived.
    pub(crate) fn fields(&self, object: Object) -> &[Field<'a>] {
        &self.fields[self.range(object)]
    }

    /// A list's items.
    pub(crate) fn items(&self, list: List) -> &[Value<'a>] {
        &self.items[list.range()]
    }

    /// The value of a field.
    pub(crate) fn get(&self, object: Object, key: Key) -> Option<Value<'a>> {
        let fields = self.fields(object);
        fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// The type that an object says it is.
    pub(crate) fn typename(&self, object: Object) -> Option<&'a str> {
        self.get(object, Key::TYPENAME).and_then(Value::plain_str)
    }

    /// Where an object's fields are in the table.
    pub(super) fn range(&self, object: Object) -> Range<usize> {
        let Entry { start, end, .. } = self.objects[object.0 as usize];
        start as usize..end as usize
    }

    /// Where a field of an object is in the table.
    pub(super) fn slot(&self, object: Object, key: Key) -> Option<usize> {
        self.range(object).find(|slot| self.fields[*slot].0 == key)
    }

    /// Makes an object of fields; `text` is its JSON text.
    pub(super) fn add_object(
        &mut self,
        text: &'a str,
        fields: impl Iterator<Item = Field<'a>>,
    ) -> Object {
        let start = number(self.fields.len());
        self.fields.extend(fields);
        let object = Object(number(self.objects.len()));
        self.objects.push(Entry { start, end: number(self.fields.len()), text });
        object
    }

    /// Makes a list of items.
    pub(super) fn add_list(&mut self, items: impl Iterator<Item = Value<'a>>) -> List {
        let start = number(self.items.len());
        self.items.extend(items);
        List { start, len: number(self.items.len()) - start }
    }

    /// Adds a field to an object's end.
    pub(super) fn push(&mut self, object: Object, field: Field<'a>) {
        let mark = self.fresh.len();
        self.fresh.push(field);
        self.append(object, mark);
    }

    /// Moves the fresh fields since `mark` to an object's end.
    pub(super) fn append(&mut self, object: Object, mark: usize) {
        if self.fresh.len() == mark {
            return;
        }
        let range = self.range(object);
        if range.end != self.fields.len() {
            // Others stand behind it: it moves to where there is room.
            self.objects[object.0 as usize].start = number(self.fields.len());
            self.fields.extend_from_within(range);
        }
        self.fields.extend(self.fresh.drain(mark..));
        self.objects[object.0 as usize].end = number(self.fields.len());
    }

    /// A copy that shares no object and no list.
    pub(super) fn copy(&mut self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::Null | Value::Leaf(_) => value,
            Value::List(list) => {
                let copy = List { start: number(self.items.len()), ..list };
                self.items.extend_from_within(list.range());
                for index in copy.range() {
                    self.items[index] = self.copy(self.items[index]);
                }
                Value::List(copy)
            }
            Value::Object(object) => Value::Object(self.copy_object(object)),
        }
    }

    /// The same for an object.
    pub(super) fn copy_object(&mut self, object: Object) -> Object {
        let text = self.objects[object.0 as usize].text;
        let start = self.fields.len();
        self.fields.extend_from_within(self.range(object));
        let end = self.fields.len();
        for index in start..end {
            self.fields[index].1 = self.copy(self.fields[index].1);
        }
        let copy = Object(number(self.objects.len()));
        self.objects.push(Entry { start: number(start), end: number(end), text });
        copy
    }

    /// Whether an object has only leaves, so that its fields can stand in several
    /// places.
    pub(super) fn is_flat(&self, object: Object) -> bool {
        let fields = self.fields(object).iter();
        fields.into_iter().all(|(_, value)| matches!(value, Value::Null | Value::Leaf(_)))
    }

    /// Writes a scalar's value as it came, which may be any JSON.
    pub(crate) fn write(&self, value: Value<'a>, out: &mut Vec<u8>) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Leaf(text) => out.extend_from_slice(text.as_bytes()),
            Value::Object(Object(number)) => {
                out.extend_from_slice(self.objects[number as usize].text.as_bytes());
            }
            Value::List(list) => {
                out.push(b'[');
                for (index, item) in self.items(list).iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(*item, out);
                }
                out.push(b']');
            }
        }
    }
}

/// Tables never get this long: every entry stands for some bytes of an answer, or for
/// a place that one was copied to.
fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl<'a> Value<'a> {
    /// The text of a string without quotes, if it is a string without escapes.
    pub(crate) fn plain_str(self) -> Option<&'a str> {
        match self {
            Value::Leaf(text) => {
                let inner = text.strip_prefix('"')?.strip_suffix('"')?;
                (!inner.contains('\\')).then_some(inner)
            }
            _ => None,
        }
    }
}

/// Writes text as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
pub(super) mod tests {
    use super::{
        super::{key::Keys, read::read},
        *,
    };

    /// Numbers every name in a JSON text that is a key.
    pub(in super::super) fn keys_of(text: &str) -> Keys {
        let mut keys = Keys::default();
        for part in text.split("\":") {
            keys.number(part.rsplit('"').next().unwrap_or_default());
        }
        keys
    }

    /// A value field by field, as it is after merging.
    pub(in super::super) fn spell(tree: &Tree<'_>, keys: &Keys, value: Value<'_>) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Leaf(text) => text.to_owned(),
            Value::List(list) => {
                let items = tree.items(list).iter().map(|item| spell(tree, keys, *item));
                format!("[{}]", items.collect::<Vec<_>>().join(","))
            }
            Value::Object(object) => {
                let field = |(key, value): &Field<'_>| {
                    format!("{}{}", keys.token(*key), spell(tree, keys, *value))
                };
                let fields: Vec<_> = tree.fields(object).iter().map(field).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    #[test]
    fn a_copy_shares_nothing_and_an_object_may_move() {
        let text = r#"{"a":{"b":[{"c":1}]},"d":2}"#;
        let keys = keys_of(text);
        let mut tree = Tree::new();
        let value = read(&mut tree, &keys, text.as_bytes()).unwrap();
        let copy = tree.copy(value);
        let Value::Object(object) = copy else { unreachable!() };
        let d = keys.find("d").unwrap();
        let Some(Value::Object(a)) = tree.get(object, keys.find("a").unwrap()) else {
            unreachable!()
        };
        tree.push(a, (d, Value::Null));
        tree.push(object, (d, Value::Null));
        assert_eq!(spell(&tree, &keys, value), text);
        let changed = r#"{"a":{"b":[{"c":1}],"d":null},"d":2,"d":null}"#;
        assert_eq!(spell(&tree, &keys, copy), changed);
    }
}
