//! Putting answers together. Values are small and move by copying; only what one
//! answer brings to several places is copied whole (slices, never text).
//!
//! Two rules that positions (see `position.rs`) rely on: fields are only ever
//! appended to an object, and a list never changes its length once it is there.

use super::{
    key::Key,
    value::{Object, Tree, Value},
};
use crate::name::Names;

impl<'a> Tree<'a> {
    /// Merges an object's fields into another. `abstract_names`: an `@interfaceObject`
    /// subgraph answers with the interface's name, which must not hide the concrete one.
    pub(crate) fn merge(&mut self, target: Object, source: Object, abstract_names: &Names) {
        let mark = self.fresh.len();
        for index in self.range(source) {
            let (key, value) = self.fields[index];
            match self.slot(target, key) {
                None => self.fresh.push((key, value)),
                Some(slot) if key == Key::TYPENAME => {
                    if value != self.fields[slot].1 && is_concrete(value, abstract_names) {
                        self.fields[slot].1 = value;
                    }
                }
                Some(slot) => {
                    self.fields[slot].1 = self.merged(self.fields[slot].1, value, abstract_names);
                }
            }
        }
        self.append(target, mark);
    }

    /// What two answers for the same position are together.
    fn merged(&mut self, there: Value<'a>, new: Value<'a>, abstract_names: &Names) -> Value<'a> {
        match (there, new) {
            (_, Value::Null) => there,
            (Value::Object(target), Value::Object(source)) => {
                self.merge(target, source, abstract_names);
                there
            }
            (Value::List(target), Value::List(source)) if target.len() == source.len() => {
                for (target, source) in target.range().zip(source.range()) {
                    let (item, new) = (self.items[target], self.items[source]);
                    self.items[target] = self.merged(item, new, abstract_names);
                }
                there
            }
            // A differently shaped answer to the same field would move what others
            // point at.
            (Value::Object(_) | Value::List(_), _) => there,
            _ => new,
        }
    }
}

fn is_concrete(typename: Value<'_>, abstract_names: &Names) -> bool {
    let is_abstract = typename.plain_str().is_some_and(|name| abstract_names.contains(name));
    !is_abstract && typename != Value::Null
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            read::read,
            value::tests::{keys_of, spell},
        },
        *,
    };

    fn merged(target: &str, source: &str) -> String {
        let names = Names::from_iter(["Media".into()]);
        let keys = keys_of(&format!("{target}{source}"));
        let mut tree = Tree::new();
        for text in [target, source] {
            let Ok(Value::Object(object)) = read(&mut tree, &keys, text.as_bytes()) else {
                unreachable!()
            };
            tree.merge(Tree::ROOT, object, &names);
        }
        spell(&tree, &keys, Value::Object(Tree::ROOT))
    }

    #[test]
    fn objects_and_equal_lists_merge_deeply() {
        assert_eq!(
            merged(r#"{"a":[{"b":1},{"b":2}]}"#, r#"{"a":[{"c":3},{"c":4}],"d":null}"#),
            r#"{"a":[{"b":1,"c":3},{"b":2,"c":4}],"d":null}"#
        );
    }

    #[test]
    fn null_never_hides_a_value() {
        assert_eq!(merged(r#"{"a":{"b":1}}"#, r#"{"a":null}"#), r#"{"a":{"b":1}}"#);
        assert_eq!(merged(r#"{"a":null}"#, r#"{"a":{"b":1}}"#), r#"{"a":{"b":1}}"#);
    }

    #[test]
    fn lists_keep_their_length() {
        assert_eq!(merged(r#"{"a":[1]}"#, r#"{"a":[2,3]}"#), r#"{"a":[1]}"#);
    }

    #[test]
    fn a_concrete_typename_wins_over_the_interface_in_any_order() {
        let (abstract_one, concrete) = (r#"{"__typename":"Media"}"#, r#"{"__typename":"Book"}"#);
        assert_eq!(merged(abstract_one, concrete), concrete);
        assert_eq!(merged(concrete, abstract_one), concrete);
    }
}
