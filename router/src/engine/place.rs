//! Which entity an error is about.
//!
//! A subgraph says `_entities`, the number of the representation, and the way
//! inside. Some (async-graphql) leave the number out; then the entities that
//! came back without the field in question are those that it can be about.

use super::{
    key::{Key, Keys},
    plan::Fetch,
    value::{List, Tree, Value},
};
use crate::error::PathSegment;

/// What a path of an entity fetch points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which `_entities` field.
    pub(super) entities: usize,
    /// Which representation.
    pub(super) index: usize,
    /// How many segments of the path are about that; the rest leads inside.
    pub(super) skip: usize,
}

/// Finds the place of each error; None where it cannot be told.
pub(super) fn locate<'p>(
    fetch: &Fetch,
    (tree, keys): (&Tree<'_>, &Keys),
    data: Option<Value<'_>>,
    paths: impl Iterator<Item = &'p [PathSegment]>,
) -> Vec<Option<Place>> {
    let paths: Vec<_> = paths.collect();
    let mut places: Vec<_> = paths.iter().map(|path| numbered(fetch, keys, path)).collect();
    for (index, path) in paths.iter().enumerate() {
        if places[index].is_some() {
            continue;
        }
        let Some((entities, rest)) = unnumbered(fetch, keys, path) else {
            continue;
        };
        let answers = match data {
            Some(Value::Object(data)) => tree.get(data, fetch.entities[entities].alias),
            _ => None,
        };
        let candidates = match answers {
            Some(Value::List(answers)) => without(tree, answers, keys.find(rest)),
            _ => Vec::new(),
        };
        let mut alike = (0..paths.len()).filter(|other| paths[*other] == *path);
        let nth = alike.position(|other| other == index);
        let count = paths.iter().filter(|other| *other == path).count();
        // As many errors as gaps: they came in the same order or it does not matter.
        if let Some(nth) = nth
            && candidates.len() == count
        {
            places[index] = Some(Place { entities, index: candidates[nth], skip: 1 });
        }
    }
    places
}

fn numbered(fetch: &Fetch, keys: &Keys, path: &[PathSegment]) -> Option<Place> {
    match path {
        [PathSegment::Key(alias), PathSegment::Index(index), ..] => {
            Some(Place { entities: entities_of(fetch, keys, alias)?, index: *index, skip: 2 })
        }
        _ => None,
    }
}

fn unnumbered<'p>(fetch: &Fetch, keys: &Keys, path: &'p [PathSegment]) -> Option<(usize, &'p str)> {
    match path {
        [PathSegment::Key(alias), PathSegment::Key(field), ..] => {
            Some((entities_of(fetch, keys, alias)?, field))
        }
        _ => None,
    }
}

fn entities_of(fetch: &Fetch, keys: &Keys, alias: &str) -> Option<usize> {
    let alias = keys.find(alias)?;
    fetch.entities.iter().position(|entities| entities.alias == alias)
}

/// Entities that are null, or lack the field.
fn without(tree: &Tree<'_>, answers: List, field: Option<Key>) -> Vec<usize> {
    let lacks = |answer: &Value<'_>| match (answer, field) {
        (Value::Object(object), Some(field)) => {
            matches!(tree.get(*object, field), None | Some(Value::Null))
        }
        _ => true,
    };
    let found = tree.items(answers).iter().enumerate().filter(|(_, answer)| lacks(answer));
    found.map(|(index, _)| index).collect()
}
