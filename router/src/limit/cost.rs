//! The cost of an operation: how many objects it may ask for.
//!
//! An object costs 1, scalars nothing, each field of a mutation's root 10 more.
//! What is in a list counts as often as the list is long: as `first` or `last`
//! says, also when it stands at a connection around the list, else as configured.
//! Of the concrete types of an abstract one only the dearest counts. `@skip` and
//! `@include` are not looked at: it is the most that the operation may cost.

use std::collections::HashMap;

use graphql_tools::static_graphql::query as ast;

use super::slicing::{ARGUMENTS, Slicing};
use crate::{
    engine::Variables,
    schema::{Schema, TypeKind, TypeRef},
};

/// What each field at a mutation's root costs beside its objects.
const MUTATION_COST: u64 = 10;

/// An operation's cost, as far as it is known without variables.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Each uses only terms before it.
    terms: Vec<Term>,
    total: Part,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Known(u64),
    /// The term with this number.
    Later(usize),
}

#[derive(Debug)]
enum Term {
    Sum(Vec<Part>),
    Most(Vec<Part>),
    /// So many objects, and what is in each of them.
    Times(Size, Part),
}

/// How long a list is: the most of what is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Size {
    fixed: u64,
    /// Variables, and what counts where they aren't given.
    variables: Vec<(Box<str>, u64)>,
}

impl Size {
    fn fixed(fixed: u64) -> Self {
        Self { fixed, variables: Vec::new() }
    }

    fn of(&self, variables: &Variables) -> u64 {
        let given = self.variables.iter().map(|(name, default)| {
            match variables.get(name).filter(|value| !value.is_null()) {
                Some(value) => number(value),
                None => *default,
            }
        });
        given.fold(self.fixed, u64::max)
    }
}

/// A length; what is none counts nothing, as it will be refused.
fn number(value: &serde_json::Value) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)).unwrap_or(0)
}

impl Cost {
    /// The cost where it doesn't depend on variables.
    pub(crate) fn known(&self) -> Option<u64> {
        match self.total {
            Part::Known(cost) => Some(cost),
            Part::Later(_) => None,
        }
    }

    /// The cost with these variables.
    pub(crate) fn of(&self, variables: &Variables) -> u64 {
        if let Part::Known(cost) = self.total {
            return cost;
        }
        let mut values: Vec<u64> = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let part = |part: &Part| match part {
                Part::Known(cost) => *cost,
                Part::Later(index) => values.get(*index).copied().unwrap_or(u64::MAX),
            };
            let value = match term {
                Term::Sum(parts) => parts.iter().map(part).fold(0, u64::saturating_add),
                Term::Most(parts) => parts.iter().map(part).fold(0, u64::max),
                Term::Times(size, inner) => times(size.of(variables), part(inner)),
            };
            values.push(value);
        }
        match self.total {
            Part::Known(cost) => cost,
            Part::Later(index) => values.get(index).copied().unwrap_or(u64::MAX),
        }
    }
}

fn times(objects: u64, inner: u64) -> u64 {
    objects.saturating_mul(inner.saturating_add(1))
}

/// Reads the cost of a validated operation.
pub(crate) fn compile(
    schema: &Schema,
    slicing: &Slicing,
    list_size: u64,
    document: &ast::Document,
    operation: (&str, &[ast::VariableDefinition], &ast::SelectionSet),
) -> Cost {
    let (root_type, variables, selections) = operation;
    let fragments = document.definitions.iter().filter_map(|definition| match definition {
        ast::Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
        ast::Definition::Operation(_) => None,
    });
    let defaults = variables.iter().map(|variable| {
        let default = variable.default_value.as_ref().and_then(literal);
        (variable.name.as_str(), default)
    });
    let mut compiler = Compiler {
        schema,
        slicing,
        list_size,
        fragments: fragments.collect(),
        defaults: defaults.collect(),
        known: HashMap::new(),
        terms: Vec::new(),
    };
    let total = compiler.selections(selections, root_type, None);
    Cost { terms: compiler.terms, total }
}

struct Compiler<'d> {
    schema: &'d Schema,
    slicing: &'d Slicing,
    list_size: u64,
    fragments: HashMap<&'d str, &'d ast::FragmentDefinition>,
    defaults: HashMap<&'d str, Option<u64>>,
    /// Fragments by name and by the size that they hand on.
    known: HashMap<(&'d str, Option<Size>), Part>,
    terms: Vec<Term>,
}

impl<'d> Compiler<'d> {
    /// `pending` is a size that the field around said and that no list took yet.
    fn selections(
        &mut self,
        selections: &'d ast::SelectionSet,
        type_name: &str,
        pending: Option<&Size>,
    ) -> Part {
        let mut all = Vec::new();
        // Parts that only one concrete type has.
        let mut apart: Vec<(&str, Vec<Part>)> = Vec::new();
        for selection in &selections.items {
            let (condition, part) = match selection {
                ast::Selection::Field(field) => {
                    all.push(self.field(field, type_name, pending));
                    continue;
                }
                ast::Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref().map(|it| it.as_ref().as_str());
                    let inner = condition.unwrap_or(type_name);
                    (condition, self.selections(&fragment.selection_set, inner, pending))
                }
                ast::Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.fragments.get(spread.fragment_name.as_str()) else {
                        continue;
                    };
                    let fragment = *fragment;
                    (
                        Some(fragment.type_condition.as_ref().as_str()),
                        self.fragment(fragment, pending),
                    )
                }
            };
            match condition {
                Some(name) if name != type_name && self.is_concrete(name) => {
                    match apart.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, parts)) => parts.push(part),
                        None => apart.push((name, vec![part])),
                    }
                }
                _ => all.push(part),
            }
        }
        let apart = apart.into_iter().map(|(_, parts)| self.sum(parts)).collect();
        let most = self.most(apart);
        all.push(most);
        self.sum(all)
    }

    fn fragment(&mut self, fragment: &'d ast::FragmentDefinition, pending: Option<&Size>) -> Part {
        let key = (fragment.name.as_str(), pending.cloned());
        if let Some(part) = self.known.get(&key) {
            return *part;
        }
        let type_name = fragment.type_condition.as_ref();
        let part = self.selections(&fragment.selection_set, type_name, pending);
        self.known.insert(key, part);
        part
    }

    fn field(&mut self, field: &'d ast::Field, type_name: &str, pending: Option<&Size>) -> Part {
        let extra = match self.schema.mutation.as_deref() {
            Some(mutation) if mutation == type_name && field.name != "__typename" => MUTATION_COST,
            _ => 0,
        };
        let schema = self.schema;
        let objects = match schema.field(type_name, &field.name) {
            Some(ty) if !field.name.starts_with("__") => {
                self.objects(field, type_name, ty, pending)
            }
            _ => Part::Known(0),
        };
        match extra {
            0 => objects,
            extra => self.sum(vec![objects, Part::Known(extra)]),
        }
    }

    fn objects(
        &mut self,
        field: &'d ast::Field,
        type_name: &str,
        ty: &TypeRef,
        pending: Option<&Size>,
    ) -> Part {
        let (name, lists) = unwrapped(ty);
        if !matches!(
            self.schema.kind(name),
            Some(TypeKind::Object { .. } | TypeKind::Abstract { .. })
        ) {
            return Part::Known(0);
        }
        let said = self.slicing.of(type_name, &field.name).map(|default| self.size(field, default));
        if lists == 0 {
            // A connection: its lists are as long as it says.
            let inner = self.selections(&field.selection_set, name, said.as_ref());
            return self.times(Size::fixed(1), inner);
        }
        let size = said.or_else(|| pending.cloned());
        let size = size.unwrap_or_else(|| Size::fixed(self.list_size));
        let inner = self.selections(&field.selection_set, name, None);
        let mut part = self.times(size, inner);
        for _ in 1..lists {
            // A list of lists; the inner objects are what counts.
            part = self.times(Size::fixed(self.list_size), part);
        }
        part
    }

    /// What the field's arguments say.
    fn size(&self, field: &'d ast::Field, default: Option<u64>) -> Size {
        let default = default.unwrap_or(self.list_size);
        let mut size = Size::fixed(0);
        let mut said = false;
        for (name, value) in &field.arguments {
            if !ARGUMENTS.contains(&name.as_str()) {
                continue;
            }
            match value {
                ast::Value::Null => continue,
                ast::Value::Variable(name) => {
                    let default = self.defaults.get(name.as_str()).copied().flatten();
                    // The field's own default doesn't count where `null` is sent.
                    size.variables.push((name.as_str().into(), default.unwrap_or(self.list_size)));
                }
                value => size.fixed = size.fixed.max(literal(value).unwrap_or(0)),
            }
            said = true;
        }
        match said {
            true => size,
            false => Size::fixed(default),
        }
    }

    fn is_concrete(&self, name: &str) -> bool {
        matches!(self.schema.kind(name), Some(TypeKind::Object { .. }))
    }

    fn push(&mut self, term: Term) -> Part {
        self.terms.push(term);
        Part::Later(self.terms.len() - 1)
    }

    fn times(&mut self, size: Size, inner: Part) -> Part {
        match (size.variables.is_empty(), inner) {
            (true, Part::Known(inner)) => Part::Known(times(size.fixed, inner)),
            _ => self.push(Term::Times(size, inner)),
        }
    }

    fn sum(&mut self, parts: Vec<Part>) -> Part {
        self.fold(parts, u64::saturating_add, Term::Sum)
    }

    fn most(&mut self, parts: Vec<Part>) -> Part {
        self.fold(parts, u64::max, Term::Most)
    }

    /// Brings what is known together; what isn't becomes a term.
    fn fold(
        &mut self,
        parts: Vec<Part>,
        both: impl Fn(u64, u64) -> u64,
        term: impl Fn(Vec<Part>) -> Term,
    ) -> Part {
        let mut known = 0;
        let mut later = Vec::new();
        for part in parts {
            match part {
                Part::Known(cost) => known = both(known, cost),
                part @ Part::Later(_) => later.push(part),
            }
        }
        match (known, later.as_slice()) {
            (known, []) => Part::Known(known),
            (0, [part]) => *part,
            _ => {
                later.push(Part::Known(known));
                self.push(term(later))
            }
        }
    }
}

/// The named type, and how many lists are around it.
fn unwrapped(ty: &TypeRef) -> (&str, usize) {
    match ty {
        TypeRef::Named(name) => (name, 0),
        TypeRef::NonNull(inner) => unwrapped(inner),
        TypeRef::List(inner) => {
            let (name, lists) = unwrapped(inner);
            (name, lists + 1)
        }
    }
}

fn literal(value: &ast::Value) -> Option<u64> {
    match value {
        ast::Value::Int(number) => u64::try_from(number.as_i64()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    const SCHEMA: &str = "
        type Query { one: Item many: [Item!]! page(first: Int, last: Int): Page! ten(first: Int = 10): [Item]
            matrix: [[Item]] any: [Any] name: String names: [String] }
        type Mutation { make: Item ping: Boolean }
        type Page { edges: [Edge] nodes: [Item] info: Info count: Int }
        type Info { more: Boolean }
        type Edge { node: Item }
        type Item implements Node { id: ID one: Item many(first: Int): [Item] }
        type Other implements Node { id: ID item: Item }
        interface Node { id: ID }
        union Any = Item | Other
    ";

    fn cost(query: &str, variables: &Value) -> u64 {
        let schema = graphql_tools::parser::parse_schema::<String>(SCHEMA).unwrap().into_static();
        let schema = Schema::new(Arc::new(schema));
        let slicing = Slicing::new(&schema.document);
        let document = graphql_tools::parser::parse_query::<String>(query).unwrap().into_static();
        let operation = document
            .definitions
            .iter()
            .find_map(|definition| match definition {
                ast::Definition::Operation(ast::OperationDefinition::Query(it)) => {
                    Some(("Query", it.variable_definitions.as_slice(), &it.selection_set))
                }
                ast::Definition::Operation(ast::OperationDefinition::Mutation(it)) => {
                    Some(("Mutation", it.variable_definitions.as_slice(), &it.selection_set))
                }
                ast::Definition::Operation(ast::OperationDefinition::SelectionSet(it)) => {
                    Some(("Query", [].as_slice(), it))
                }
                _ => None,
            })
            .unwrap();
        let cost = compile(&schema, &slicing, 5, &document, operation);
        assert_eq!(cost.known().is_some(), !query.contains(": $"), "{cost:?}");
        cost.of(&Variables::from_json(variables.clone()).unwrap())
    }

    #[test]
    fn objects_cost_and_lists_multiply() {
        for (query, expected) in [
            ("{ name names __typename __schema { types { name } } }", 0),
            ("{ one { id } }", 1),
            ("{ one { one { id } } }", 2),
            ("{ many { id } }", 5),
            ("{ many { one { id } } }", 10),
            ("{ many { many(first: 3) { many(first: 100) { id } } } }", 5 * (1 + 3 * (1 + 100))),
            ("{ ten { id } }", 10),
            ("{ ten(first: 2) { id } }", 2),
            ("{ ten(first: null) { id } }", 10),
            ("{ ten(first: -1) { id } }", 0),
            ("{ matrix { id } }", 30),
            ("mutation { a: make { id } ping }", 21),
            ("{ a: one { id } b: one { id } }", 2),
        ] {
            assert_eq!(cost(query, &json!({})), expected, "{query}");
        }
    }

    #[test]
    fn a_connection_says_how_long_its_lists_are() {
        let query = "{ page(first: 20) { edges { node { id many { id } } } info { more } count } }";
        assert_eq!(cost(query, &json!({})), 1 + 20 * (1 + 1 + 5) + 1);
        assert_eq!(cost("{ page { nodes { id } } }", &json!({})), 1 + 5);
        assert_eq!(cost("{ page(first: 2, last: 9) { nodes { id } } }", &json!({})), 1 + 9);
        assert_eq!(
            cost("{ page(first: 9) { ...P } } fragment P on Page { nodes { id } }", &json!({})),
            10
        );
    }

    #[test]
    fn variables_count_with_what_is_sent() {
        let query =
            "query($n: Int, $m: Int = 7) { page(first: $n) { nodes { many(first: $m) { id } } } }";
        assert_eq!(cost(query, &json!({ "n": 100, "m": 1 })), 1 + 200);
        assert_eq!(cost(query, &json!({ "n": 10 })), 1 + 80);
        assert_eq!(cost(query, &json!({})), 1 + 40);
        assert_eq!(cost(query, &json!({ "n": u64::MAX, "m": u64::MAX })), u64::MAX);
        assert_eq!(cost(query, &json!({ "n": "x", "m": -3 })), 1);
    }

    #[test]
    fn only_the_dearest_of_several_types_counts() {
        let query = "{ any { ... on Item { one { id } } ... on Other { item { one { id } } } } }";
        assert_eq!(cost(query, &json!({})), 5 * (1 + 2));
        let query =
            "{ any { ... on Node { ... on Item { one { id } } } ... on Item { one { id } } } }";
        assert_eq!(cost(query, &json!({})), 5 * (1 + 2));
    }

    #[test]
    fn fragments_that_double_are_counted_at_once() {
        let mut text = "query($n: Int) { one { ...F0 } }".to_owned();
        for n in 0..80 {
            text += &format!(
                "fragment F{n} on Item {{ a: one {{ ...F{0} }} b: one {{ ...F{0} }} }}",
                n + 1
            );
        }
        text += "fragment F80 on Item { many(first: $n) { id } }";
        assert_eq!(cost(&text, &json!({ "n": 3 })), u64::MAX);
    }
}
