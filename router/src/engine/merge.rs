//! Putting answers together. Everything moves; only an entity that belongs in
//! several places is copied (slices, never text).
//!
//! Two rules that positions (see `position.rs`) rely on: fields are only ever
//! appended to an object, and a list never changes its length once it is there.

use std::collections::HashSet;

use super::value::{Fields, Value, slot};

/// Names of abstract types: an `@interfaceObject` subgraph answers with the
/// interface's name, which must not hide the concrete one.
pub(crate) type AbstractNames = HashSet<Box<str>>;

/// Merges one answer into another at the same position.
pub(crate) fn merge<'a>(target: &mut Value<'a>, source: Value<'a>, names: &AbstractNames) {
    match (target, source) {
        (_, Value::Null) => {}
        (Value::Object(target), Value::Object(source)) => merge_fields(target, source, names),
        (Value::List(target), Value::List(source)) => {
            if target.len() == source.len() {
                for (target, source) in target.iter_mut().zip(source) {
                    merge(target, source, names);
                }
            }
        }
        // Something is there already: a differently shaped answer to the same
        // field would move what others point at.
        (Value::Object(_) | Value::List(_), _) => {}
        (target, source) => *target = source,
    }
}

/// Merges the fields of one object into another.
pub(crate) fn merge_fields<'a>(target: &mut Fields<'a>, source: Fields<'a>, names: &AbstractNames) {
    if target.is_empty() {
        *target = source;
        return;
    }
    target.reserve(source.len());
    for (key, value) in source {
        match slot(target, key) {
            Some(slot) if key == "__typename" => {
                let is_abstract = value.plain_str().is_some_and(|name| names.contains(name));
                if !is_abstract && value != Value::Null {
                    target[slot].1 = value;
                }
            }
            Some(slot) => merge(&mut target[slot].1, value, names),
            None => target.push((key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: &str, source: &str) -> String {
        let names = HashSet::from(["Media".into()]);
        let mut value = Value::parse(target.as_bytes()).unwrap();
        merge(&mut value, Value::parse(source.as_bytes()).unwrap(), &names);
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
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
