//! The public schema, indexed for what happens on every request: projection,
//! variables and introspection.

use std::{collections::HashMap, sync::Arc};

use graphql_tools::static_graphql::schema as ast;

use crate::name::Names;

/// A type reference as the schema writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TypeRef {
    Named(String),
    List(Box<TypeRef>),
    NonNull(Box<TypeRef>),
}

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

impl From<&ast::Type> for TypeRef {
    fn from(value: &ast::Type) -> Self {
        match value {
            ast::Type::NamedType(name) => Self::Named(name.clone()),
            ast::Type::ListType(inner) => Self::List(Box::new((&**inner).into())),
            ast::Type::NonNullType(inner) => Self::NonNull(Box::new((&**inner).into())),
        }
    }
}

/// A field of an input object.
#[derive(Debug)]
pub(crate) struct InputField {
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
    pub(crate) has_default: bool,
}

/// What a name in the schema stands for.
#[derive(Debug)]
pub(crate) enum TypeKind {
    Scalar,
    Enum(Arc<Names>),
    Object { fields: HashMap<String, TypeRef> },
    Abstract { fields: HashMap<String, TypeRef>, members: Vec<String> },
    Input { fields: Vec<InputField>, one_of: bool },
}

/// The public schema.
#[derive(Debug)]
pub(crate) struct Schema {
    types: HashMap<String, TypeKind>,
    pub(crate) document: Arc<ast::Document>,
    pub(crate) query: String,
    pub(crate) mutation: Option<String>,
    pub(crate) subscription: Option<String>,
}

impl Schema {
    /// Indexes a schema document.
    pub(crate) fn new(document: Arc<ast::Document>) -> Self {
        let mut types = HashMap::new();
        for definition in &document.definitions {
            if let ast::Definition::TypeDefinition(definition) = definition {
                let (name, kind) = kind(definition);
                types.insert(name, kind);
            }
        }
        add_interface_members(&document, &mut types);
        Self {
            query: document.query_type_name().cloned().unwrap_or_else(|| "Query".to_owned()),
            mutation: document.mutation_type_name().cloned(),
            subscription: document.subscription_type_name().cloned(),
            types,
            document,
        }
    }

    /// What a name stands for.
    pub(crate) fn kind(&self, name: &str) -> Option<&TypeKind> {
        self.types.get(name)
    }

    /// The type of a field.
    pub(crate) fn field(&self, type_name: &str, field: &str) -> Option<&TypeRef> {
        match self.types.get(type_name)? {
            TypeKind::Object { fields } | TypeKind::Abstract { fields, .. } => fields.get(field),
            _ => None,
        }
    }

    /// Whether objects of `concrete` are also of the type `name`.
    pub(crate) fn is_a(&self, concrete: &str, name: &str) -> bool {
        concrete == name
            || matches!(
                self.types.get(name),
                Some(TypeKind::Abstract { members, .. }) if members.iter().any(|m| m == concrete)
            )
    }
}

fn fields(fields: &[ast::Field]) -> HashMap<String, TypeRef> {
    fields.iter().map(|field| (field.name.clone(), (&field.field_type).into())).collect()
}

fn kind(definition: &ast::TypeDefinition) -> (String, TypeKind) {
    match definition {
        ast::TypeDefinition::Scalar(it) => (it.name.clone(), TypeKind::Scalar),
        ast::TypeDefinition::Enum(it) => {
            let values = it.values.iter().map(|value| value.name.as_str().into());
            (it.name.clone(), TypeKind::Enum(Arc::new(values.collect())))
        }
        ast::TypeDefinition::Object(it) => {
            let fields = fields(&it.fields);
            (it.name.clone(), TypeKind::Object { fields })
        }
        ast::TypeDefinition::Interface(it) => (
            it.name.clone(),
            TypeKind::Abstract { fields: fields(&it.fields), members: Vec::new() },
        ),
        ast::TypeDefinition::Union(it) => (
            it.name.clone(),
            TypeKind::Abstract { fields: HashMap::new(), members: it.types.clone() },
        ),
        ast::TypeDefinition::InputObject(it) => (
            it.name.clone(),
            TypeKind::Input {
                fields: it.fields.iter().map(input_field).collect(),
                one_of: it.directives.iter().any(|d| d.name == "oneOf"),
            },
        ),
    }
}

fn input_field(field: &ast::InputValue) -> InputField {
    InputField {
        name: field.name.clone(),
        ty: (&field.value_type).into(),
        has_default: field.default_value.is_some(),
    }
}

fn add_interface_members(document: &ast::Document, types: &mut HashMap<String, TypeKind>) {
    for definition in &document.definitions {
        let ast::Definition::TypeDefinition(ast::TypeDefinition::Object(object)) = definition
        else {
            continue;
        };
        for interface in &object.implements_interfaces {
            if let Some(TypeKind::Abstract { members, .. }) = types.get_mut(interface) {
                members.push(object.name.clone());
            }
        }
    }
}
