//! Fields that are the same for everybody who may see their object: `@viewerIndependent`.

use std::collections::HashSet;

use graphql_tools::static_graphql::{query, schema as ast};

use crate::schema::{Schema, TypeKind, TypeRef};

const DIRECTIVE: &str = "viewerIndependent";

/// The marked fields of a supergraph. What isn't marked is private to its viewer.
#[derive(Debug, Default)]
pub(crate) struct Independence {
    marked: HashSet<(Box<str>, Box<str>)>,
}

impl Independence {
    /// Reads a supergraph's marks on fields of objects. Those of interfaces count for nothing: each object has
    /// its own.
    pub(crate) fn new(supergraph: &ast::Document) -> Self {
        let objects = supergraph.definitions.iter().filter_map(|definition| match definition {
            ast::Definition::TypeDefinition(ast::TypeDefinition::Object(it)) => Some(it),
            _ => None,
        });
        let fields = objects.flat_map(|object| object.fields.iter().map(move |it| (object, it)));
        let marked = fields
            .filter(|(_, field)| field.directives.iter().any(|it| it.name == DIRECTIVE))
            .map(|(object, field)| (object.name.as_str().into(), field.name.as_str().into()));
        Self { marked: marked.collect() }
    }

    /// Whether all that a validated document selects below its root fields is marked.
    pub(crate) fn covers(&self, schema: &Schema, root: &str, document: &query::Document) -> bool {
        !self.marked.is_empty()
            && document.definitions.iter().all(|definition| match definition {
                // Each by itself, however often it is used.
                query::Definition::Fragment(it) => {
                    let on = it.type_condition.as_ref();
                    self.of_type(schema, on, on == root, &it.selection_set)
                }
                query::Definition::Operation(query::OperationDefinition::Subscription(it)) => {
                    self.of_type(schema, root, true, &it.selection_set)
                }
                // Not what is followed.
                query::Definition::Operation(_) => true,
            })
    }

    fn of_type(
        &self,
        schema: &Schema,
        name: &str,
        is_root: bool,
        selections: &query::SelectionSet,
    ) -> bool {
        selections.items.iter().all(|selection| match selection {
            query::Selection::FragmentSpread(_) => true,
            query::Selection::InlineFragment(fragment) => match &fragment.type_condition {
                Some(query::TypeCondition::On(on)) => {
                    self.of_type(schema, on, is_root, &fragment.selection_set)
                }
                None => self.of_type(schema, name, is_root, &fragment.selection_set),
            },
            query::Selection::Field(field) if field.name == "__typename" => true,
            query::Selection::Field(field) => {
                (is_root || self.is_marked(schema, name, &field.name))
                    && schema.field(name, &field.name).is_some_and(|ty| {
                        self.of_type(schema, innermost(ty), false, &field.selection_set)
                    })
            }
        })
    }

    fn is_marked(&self, schema: &Schema, type_name: &str, field: &str) -> bool {
        match schema.kind(type_name) {
            Some(TypeKind::Abstract { members, .. }) => {
                !members.is_empty() && members.iter().all(|it| self.has(it, field))
            }
            _ => self.has(type_name, field),
        }
    }

    fn has(&self, object: &str, field: &str) -> bool {
        self.marked.contains(&(object.into(), field.into()))
    }
}

/// The name inside lists and non-nulls.
fn innermost(ty: &TypeRef) -> &str {
    match ty {
        TypeRef::Named(name) => name,
        TypeRef::List(inner) | TypeRef::NonNull(inner) => innermost(inner),
    }
}

#[cfg(test)]
mod tests {
    use crate::supergraph::Supergraph;

    const SUPERGRAPH: &str = include_str!("../tests/push/fixture/supergraph.graphql");

    #[test]
    fn all_that_is_selected_must_be_marked_however_it_is_reached() {
        let supergraph = Supergraph::load(SUPERGRAPH).unwrap();
        let covers = |below: &str| {
            let document = format!("subscription {{ roomUpdated(roomId: \"r\") {{ {below}");
            let document = crate::planner::Planner::parse(&document).unwrap();
            supergraph.independence.covers(&supergraph.schema, "Subscription", &document)
        };
        for independent in [
            "__typename type room { id t: title __typename } } }",
            "...E } } fragment E on RoomEvent { ... on RoomEvent { room { title } } }",
            // An interface's field is marked where its objects' are.
            "job { __typename id progress ... on BuildJob { completedAt } } } }",
        ] {
            assert!(covers(independent), "{independent}");
        }
        for private in [
            "room { status } } }",
            "room { title: status } } }",
            "room { ... @include(if: false) { status } } } }",
            "...E } } fragment E on RoomEvent { room { ...R } } fragment R on Room { status }",
            "job { status } } }",
            "job { ... on BuildJob { status } } } }",
        ] {
            assert!(!covers(private), "{private}");
        }
    }
}
