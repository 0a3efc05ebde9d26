//! Aliases of the client that are the name of some field, moved out of the way.
//!
//! Planner and engine add fields to what the client asks for: keys, requirements.
//! They stand under their own names, and an alias of that name would take their
//! place. So the operation is planned and executed with another alias, and only
//! the response (data and errors' paths) shows the client's.

use std::collections::HashMap;

use graphql_tools::static_graphql::query as ast;

use crate::{error::PathSegment, name::Names};

/// The client's aliases that were moved, and where to.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// By the client's alias.
    moved: HashMap<Box<str>, Box<str>>,
}

impl Aliases {
    /// Moves the aliases in a document that are among `taken`. The fields of the
    /// type `fixed` keep theirs: events are delivered under them.
    pub(crate) fn displace(
        document: &mut ast::Document,
        taken: &Names,
        fixed: Option<&str>,
    ) -> Self {
        let mut aliases = Self::default();
        for definition in &mut document.definitions {
            let (selections, is_fixed) = match definition {
                ast::Definition::Fragment(it) => {
                    let is_fixed = fixed.is_some_and(|name| it.type_condition.as_ref() == name);
                    (&mut it.selection_set, is_fixed)
                }
                ast::Definition::Operation(operation) => match operation {
                    ast::OperationDefinition::SelectionSet(set) => (set, false),
                    ast::OperationDefinition::Query(it) => (&mut it.selection_set, false),
                    ast::OperationDefinition::Mutation(it) => (&mut it.selection_set, false),
                    ast::OperationDefinition::Subscription(it) => (&mut it.selection_set, true),
                },
            };
            aliases.walk(selections, taken, is_fixed);
        }
        aliases
    }

    fn walk(&mut self, set: &mut ast::SelectionSet, taken: &Names, fixed: bool) {
        for selection in &mut set.items {
            match selection {
                // The response tells the type without being told where to find it.
                ast::Selection::Field(field) if field.name == "__typename" => field.alias = None,
                ast::Selection::Field(field) => {
                    // The planner takes `id: id` and `id` for two fields.
                    field.alias.take_if(|alias| *alias == field.name);
                    if let Some(alias) = &field.alias
                        && taken.contains(alias.as_str())
                        && !fixed
                    {
                        field.alias = Some(self.place_of(alias, taken));
                    }
                    self.walk(&mut field.selection_set, taken, false);
                }
                ast::Selection::InlineFragment(it) => {
                    self.walk(&mut it.selection_set, taken, fixed);
                }
                ast::Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn place_of(&mut self, alias: &str, taken: &Names) -> String {
        let place = self.moved.entry(alias.into()).or_insert_with(|| {
            let mut place = format!("_alias_{}", alias.trim_start_matches('_'));
            while taken.contains(place.as_str()) {
                place.insert(0, '_');
            }
            place.into()
        });
        place.to_string()
    }

    /// Where the tree has a field that the client sees under `key`.
    pub(crate) fn slot<'s>(&'s self, field: &'s ast::Field) -> &'s str {
        match &field.alias {
            Some(alias) if *alias != field.name => {
                self.moved.get(alias.as_str()).map_or(alias.as_str(), |moved| moved)
            }
            _ => &field.name,
        }
    }

    /// Gives a path the client's names.
    pub(crate) fn name_back(&self, path: &mut [PathSegment]) {
        for segment in path {
            if let PathSegment::Key(key) = segment
                && let Some((alias, _)) = self.moved.iter().find(|(_, moved)| ***moved == **key)
            {
                *key = alias.to_string();
            }
        }
    }
}
