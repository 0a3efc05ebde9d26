//! Which entity an error is about.
//!
//! A subgraph says `_entities`, the number of the representation, and the way
//! inside. Some (async-graphql) leave the number out; then the entities that
//! came back without the field in question are those that it can be about.

use super::{plan::Fetch, value::Value};
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
    data: &Value<'_>,
    paths: impl Iterator<Item = &'p [PathSegment]>,
) -> Vec<Option<Place>> {
    let paths: Vec<_> = paths.collect();
    let mut places: Vec<_> = paths.iter().map(|path| numbered(fetch, path)).collect();
    for (index, path) in paths.iter().enumerate() {
        if places[index].is_some() {
            continue;
        }
        let Some((entities, rest)) = unnumbered(fetch, path) else {
            continue;
        };
        let candidates = without(data, &fetch.entities[entities].alias, rest);
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

fn numbered(fetch: &Fetch, path: &[PathSegment]) -> Option<Place> {
    match path {
        [PathSegment::Key(alias), PathSegment::Index(index), ..] => {
            Some(Place { entities: entities_of(fetch, alias)?, index: *index, skip: 2 })
        }
        _ => None,
    }
}

fn unnumbered<'p>(fetch: &Fetch, path: &'p [PathSegment]) -> Option<(usize, &'p str)> {
    match path {
        [PathSegment::Key(alias), PathSegment::Key(field), ..] => {
            Some((entities_of(fetch, alias)?, field))
        }
        _ => None,
    }
}

fn entities_of(fetch: &Fetch, alias: &str) -> Option<usize> {
    fetch.entities.iter().position(|entities| *entities.alias == *alias)
}

/// Entities that are null, or lack the field.
fn without(data: &Value<'_>, alias: &str, field: &str) -> Vec<usize> {
    let Some(Value::List(answers)) = data.field(alias) else {
        return Vec::new();
    };
    let lacks = |answer: &Value<'_>| matches!(answer.field(field), None | Some(Value::Null));
    let found = answers.iter().enumerate().filter(|(_, answer)| lacks(answer));
    found.map(|(index, _)| index).collect()
}
