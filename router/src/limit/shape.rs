//! The shape of a document that is not validated yet. Each fragment is walked
//! once, however often it is spread, and may even spread itself.

use std::collections::HashMap;

use graphql_tools::static_graphql::query as ast;

use super::MAX_NESTING;

/// Lists of a schema's members.
const MEMBER_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// What a document is measured by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfDocument {
    /// Aliases, as written.
    pub(crate) aliases: u64,
    /// Directives, as written.
    pub(crate) directives: u64,
    /// The largest of each measure over all operations.
    pub(crate) operation: Shape,
}

/// What a selection is measured by, its fragments spelled out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels of fields, without `__typename` and what is in the schema.
    pub(crate) depth: u64,
    /// Levels of selections, those of fragments too.
    pub(crate) nesting: u64,
    /// Fields of this level.
    pub(crate) level: u64,
    /// Fields and fragments of all levels.
    pub(crate) fields: u64,
    /// Levels of fields below `__schema` and `__type`.
    pub(crate) introspection_depth: u64,
    /// Levels of [`MEMBER_LISTS`] below them.
    pub(crate) introspection_lists: u64,
    /// Levels of them anywhere.
    lists: u64,
}

impl Shape {
    /// Two selections beside each other.
    fn beside(self, other: Self) -> Self {
        Self {
            level: self.level.saturating_add(other.level),
            fields: self.fields.saturating_add(other.fields),
            ..self.or(other)
        }
    }

    /// The larger of each measure.
    fn or(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            nesting: self.nesting.max(other.nesting),
            level: self.level.max(other.level),
            fields: self.fields.max(other.fields),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            lists: self.lists.max(other.lists),
        }
    }

    /// A fragment around a selection.
    fn fragment(self) -> Self {
        Self { nesting: self.nesting + 1, fields: self.fields.saturating_add(1), ..self }
    }
}

/// Measures a document.
pub(crate) fn measure(document: &ast::Document) -> OfDocument {
    let fragments = document.definitions.iter().filter_map(|definition| match definition {
        ast::Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
        ast::Definition::Operation(_) => None,
    });
    let mut walk =
        Walk { fragments: fragments.collect(), known: HashMap::new(), aliases: 0, directives: 0 };
    let mut operation = Shape::default();
    for definition in &document.definitions {
        let shape = match definition {
            ast::Definition::Fragment(fragment) => {
                // Validation reads unused fragments as well; their own measures but
                // for the nesting don't matter.
                let Shape { nesting, fields, .. } = walk.fragment(&fragment.name, 0);
                Shape { nesting, fields, ..Shape::default() }
            }
            ast::Definition::Operation(it) => {
                let (directives, selections) = parts(it);
                walk.directives += directives as u64;
                walk.selections(selections, 0)
            }
        };
        operation = operation.or(shape);
    }
    OfDocument { aliases: walk.aliases, directives: walk.directives, operation }
}

fn parts(operation: &ast::OperationDefinition) -> (usize, &ast::SelectionSet) {
    match operation {
        ast::OperationDefinition::SelectionSet(selections) => (0, selections),
        ast::OperationDefinition::Query(it) => (it.directives.len(), &it.selection_set),
        ast::OperationDefinition::Mutation(it) => (it.directives.len(), &it.selection_set),
        ast::OperationDefinition::Subscription(it) => (it.directives.len(), &it.selection_set),
    }
}

struct Walk<'d> {
    fragments: HashMap<&'d str, &'d ast::FragmentDefinition>,
    /// None while a fragment is being walked.
    known: HashMap<&'d str, Option<Shape>>,
    aliases: u64,
    directives: u64,
}

impl<'d> Walk<'d> {
    fn selections(&mut self, selections: &'d ast::SelectionSet, level: u64) -> Shape {
        if level > MAX_NESTING {
            // Deep enough to be refused; not so deep that the stack ends.
            return Shape { nesting: 1, ..Shape::default() };
        }
        let mut shape = Shape::default();
        for selection in &selections.items {
            shape = shape.beside(match selection {
                ast::Selection::Field(field) => self.field(field, level),
                ast::Selection::InlineFragment(fragment) => {
                    self.directives += fragment.directives.len() as u64;
                    self.selections(&fragment.selection_set, level + 1).fragment()
                }
                ast::Selection::FragmentSpread(spread) => {
                    self.directives += spread.directives.len() as u64;
                    self.fragment(&spread.fragment_name, level + 1).fragment()
                }
            });
        }
        shape
    }

    fn field(&mut self, field: &'d ast::Field, level: u64) -> Shape {
        self.aliases += u64::from(field.alias.is_some());
        self.directives += field.directives.len() as u64;
        let inner = self.selections(&field.selection_set, level + 1);
        let shape = Shape {
            nesting: inner.nesting + 1,
            level: 1,
            fields: inner.fields.saturating_add(1),
            lists: inner.lists + u64::from(MEMBER_LISTS.contains(&field.name.as_str())),
            ..inner
        };
        match field.name.as_str() {
            "__typename" => shape,
            "__schema" | "__type" => Shape {
                depth: 0,
                introspection_depth: inner.depth,
                introspection_lists: inner.lists,
                ..shape
            },
            _ => Shape { depth: inner.depth + 1, ..shape },
        }
    }

    fn fragment(&mut self, name: &str, level: u64) -> Shape {
        match self.known.get(name) {
            Some(Some(shape)) => return *shape,
            // It spreads itself, which validation refuses.
            Some(None) => return Shape::default(),
            None => {}
        }
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Shape::default();
        };
        let (name, fragment) = (*name, *fragment);
        self.known.insert(name, None);
        self.directives += fragment.directives.len() as u64;
        let shape = self.selections(&fragment.selection_set, level);
        self.known.insert(name, Some(shape));
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> OfDocument {
        measure(&graphql_tools::parser::parse_query::<String>(text).unwrap().into_static())
    }

    #[test]
    fn fields_make_depth_and_fragments_do_not() {
        assert_eq!(of("{ a { b { c } } d }").operation.depth, 3);
        assert_eq!(
            of("{ a { ... { ...F } } } fragment F on T { b { c __typename } }").operation.depth,
            3
        );
        assert_eq!(of("{ __typename }").operation.depth, 0);
        assert_eq!(of("query A { a } query B { a { b } }").operation.depth, 2);
    }

    #[test]
    fn fragments_are_counted_where_they_are_spread() {
        let document = of("{ ...F x ...F } fragment F on Q { a b { c } }");
        assert_eq!((document.operation.level, document.operation.fields), (5, 9));
        let document = of("{ a: b @x c: d @include(if: true) @skip(if: false) ...F } \
                           fragment F on Q @y { e: f }");
        assert_eq!((document.aliases, document.directives), (3, 4));
    }

    #[test]
    fn fragments_that_double_are_counted_at_once() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..100 {
            text += &format!("fragment F{n} on Q {{ ...F{} ...F{} }}", n + 1, n + 1);
        }
        text += "fragment F100 on Q { a }";
        assert_eq!(of(&text).operation.fields, u64::MAX);
    }

    #[test]
    fn circles_and_chains_end() {
        assert_eq!(
            of("{ ...A } fragment A on Q { ...B } fragment B on Q { ...A a }").operation.depth,
            1
        );
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..3_000 {
            text += &format!("fragment F{n} on Q {{ ...F{} }}", n + 1);
        }
        text += "fragment F3000 on Q { a }";
        assert!(of(&text).operation.nesting > MAX_NESTING);
    }

    #[test]
    fn introspection_is_measured_apart() {
        let Shape { depth, introspection_depth, introspection_lists, .. } =
            of("{ __schema { types { fields { type { fields { name } } } } } a }").operation;
        assert_eq!((depth, introspection_depth, introspection_lists), (1, 5, 2));
    }
}
