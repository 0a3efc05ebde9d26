//! Which fields have arguments that say how much of a list is wanted.

use std::collections::HashMap;

use graphql_tools::static_graphql::schema as ast;

/// The arguments that bound a list.
pub(super) const ARGUMENTS: [&str; 2] = ["first", "last"];

/// Fields with slicing arguments, by type and name; with the schema's default.
#[derive(Debug, Default)]
pub(crate) struct Slicing(HashMap<String, HashMap<String, Option<u64>>>);

impl Slicing {
    /// Reads them from the public schema.
    pub(crate) fn new(document: &ast::Document) -> Self {
        let mut types = HashMap::new();
        for definition in &document.definitions {
            let ast::Definition::TypeDefinition(definition) = definition else { continue };
            let (name, fields) = match definition {
                ast::TypeDefinition::Object(it) => (&it.name, &it.fields),
                ast::TypeDefinition::Interface(it) => (&it.name, &it.fields),
                _ => continue,
            };
            let sliced: HashMap<_, _> = fields
                .iter()
                .filter_map(|field| Some((field.name.clone(), default_of(field)?)))
                .collect();
            if !sliced.is_empty() {
                types.insert(name.clone(), sliced);
            }
        }
        Self(types)
    }

    /// None where the field has no such argument; the default where it has.
    pub(super) fn of(&self, type_name: &str, field: &str) -> Option<Option<u64>> {
        self.0.get(type_name)?.get(field).copied()
    }
}

fn default_of(field: &ast::Field) -> Option<Option<u64>> {
    let arguments = field.arguments.iter().filter(|it| ARGUMENTS.contains(&it.name.as_str()));
    let defaults = arguments.map(|it| match &it.default_value {
        Some(graphql_tools::static_graphql::query::Value::Int(number)) => {
            number.as_i64().and_then(|number| u64::try_from(number).ok())
        }
        _ => None,
    });
    defaults.reduce(Option::max)
}
