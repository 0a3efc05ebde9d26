//! Reads a subgraph's SDL.

use std::collections::HashMap;

use graphql_tools::{
    parser::{parse_query, parse_schema},
    static_graphql::{query, schema},
};

#[derive(Default)]
pub(super) struct Type {
    pub(super) fields: HashMap<String, schema::Field>,
    /// Selections of the keys by which it can be resolved.
    pub(super) keys: Vec<query::SelectionSet>,
    /// Concrete types of an interface or union.
    pub(super) members: Vec<String>,
    pub(super) values: Option<Vec<String>>,
    /// Fields of an input.
    pub(super) inputs: Vec<schema::InputValue>,
    pub(super) is_interface_object: bool,
}

/// A subgraph's SDL with what Federation adds to it.
pub(super) fn read(sdl: &str) -> (schema::Document, HashMap<String, Type>) {
    let mut sdl = sdl.to_owned();
    for kind in ["type", "interface", "union", "enum", "input"] {
        sdl = sdl.replace(&format!("extend {kind} "), &format!("{kind} "));
    }
    if !sdl.contains("type Query") {
        sdl.push_str("\ntype Query { _service: Boolean }");
    }
    sdl.push_str(
        "\nscalar Int scalar Float scalar String scalar Boolean scalar ID
        directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
        directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT",
    );
    let mut document = parse_schema::<String>(&sdl).expect("the SDL is valid").into_static();
    let mut types: HashMap<String, Type> = HashMap::new();
    let mut entities = Vec::new();
    for definition in &document.definitions {
        if let schema::Definition::TypeDefinition(definition) = definition {
            index(definition, &mut types, &mut entities);
        }
    }
    if !entities.is_empty() {
        let more = format!(
            "type Query {{ _entities(representations: [_Any!]!): [_Entity]! }}
             scalar _Any union _Entity = {}",
            entities.join(" | ")
        );
        let more = parse_schema::<String>(&more).unwrap().into_static();
        for definition in more.definitions {
            match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Object(query)) => {
                    let field = query.fields[0].clone();
                    for definition in &mut document.definitions {
                        if let schema::Definition::TypeDefinition(schema::TypeDefinition::Object(
                            it,
                        )) = definition
                            && it.name == "Query"
                        {
                            it.fields.push(field.clone());
                        }
                    }
                    let known = &mut types.get_mut("Query").unwrap().fields;
                    known.insert(field.name.clone(), field);
                }
                other => document.definitions.push(other),
            }
        }
    }
    (document, types)
}

fn index(
    definition: &schema::TypeDefinition,
    types: &mut HashMap<String, Type>,
    entities: &mut Vec<String>,
) {
    match definition {
        schema::TypeDefinition::Object(it) => {
            let ty = types.entry(it.name.clone()).or_default();
            ty.fields = it.fields.iter().map(|field| (field.name.clone(), field.clone())).collect();
            ty.keys = keys(&it.directives);
            ty.is_interface_object = it.directives.iter().any(|it| it.name == "interfaceObject");
            if it.directives.iter().any(|directive| directive.name == "key") {
                entities.push(it.name.clone());
            }
            for interface in &it.implements_interfaces {
                types.entry(interface.clone()).or_default().members.push(it.name.clone());
            }
        }
        schema::TypeDefinition::Interface(it) => {
            let ty = types.entry(it.name.clone()).or_default();
            ty.fields = it.fields.iter().map(|field| (field.name.clone(), field.clone())).collect();
            ty.keys = keys(&it.directives);
        }
        schema::TypeDefinition::Union(it) => {
            types.entry(it.name.clone()).or_default().members = it.types.clone();
        }
        schema::TypeDefinition::Enum(it) => {
            let values = it.values.iter().map(|value| value.name.clone()).collect();
            types.entry(it.name.clone()).or_default().values = Some(values);
        }
        schema::TypeDefinition::InputObject(it) => {
            types.entry(it.name.clone()).or_default().inputs = it.fields.clone();
        }
        _ => {}
    }
}

/// Keys that can be resolved.
fn keys(directives: &[schema::Directive]) -> Vec<query::SelectionSet> {
    let keys = directives.iter().filter(|directive| directive.name == "key");
    let argument = |directive: &schema::Directive, name: &str| {
        directive.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    keys.filter(|it| argument(it, "resolvable") != Some(schema::Value::Boolean(false)))
        .map(|it| {
            let Some(schema::Value::String(fields)) = argument(it, "fields") else {
                panic!("a key has fields");
            };
            let document = parse_query::<String>(&format!("{{{fields}}}")).unwrap().into_static();
            match document.definitions.into_iter().next() {
                Some(query::Definition::Operation(query::OperationDefinition::SelectionSet(
                    set,
                ))) => set,
                _ => panic!("fields are a selection"),
            }
        })
        .collect()
}
