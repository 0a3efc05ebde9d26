//! `__schema` and `__type`, answered from the public schema, along the shape
//! that the client asked for.

use graphql_tools::static_graphql::{query, schema as ast};
use serde_json::{Map, Value as Json};

use super::{condition::FlagValues, variable::Coerced};
use crate::{
    projection::{Field, Fields, Kind, Type},
    schema::Schema,
};

/// Resolves a root field as JSON text; None where it is no introspection field.
pub(super) fn resolve(
    schema: &Schema,
    field: &Field,
    flags: &FlagValues,
    variables: &Coerced,
) -> Option<String> {
    let resolver = Resolver { schema, flags, variables };
    let value = match &*field.name {
        "__schema" => resolver.schema(shape(&field.ty)?),
        "__type" => {
            let name = resolver.argument(field, "name")?;
            let ty = resolver.named(name.as_str()?);
            resolver.ty(ty.as_ref(), shape(&field.ty)?)
        }
        _ => return None,
    };
    Some(value.to_string())
}

fn shape(ty: &Type) -> Option<&Fields> {
    match &ty.kind {
        Kind::Object(fields) => Some(fields),
        Kind::List(inner) => shape(inner),
        _ => None,
    }
}

/// A type as introspection sees it.
enum Meta<'s> {
    Definition(&'s ast::TypeDefinition),
    Wrapped(&'s ast::Type),
}

struct Resolver<'s> {
    schema: &'s Schema,
    flags: &'s FlagValues,
    variables: &'s Coerced,
}

impl<'s> Resolver<'s> {
    /// Builds an object from a function that answers for each field.
    fn object(&self, shape: &Fields, mut value: impl FnMut(&Field) -> Json) -> Json {
        let fields = shape.list.iter().filter(|field| field.condition.holds(self.flags));
        let object: Map<_, _> = fields
            .map(|field| {
                let value = match &field.ty.kind {
                    Kind::Typename => Json::from(&*shape.type_name),
                    _ => value(field),
                };
                (field.key.to_string(), value)
            })
            .collect();
        Json::Object(object)
    }

    fn list<T>(
        &self,
        field: &Field,
        items: impl Iterator<Item = T>,
        one: impl Fn(&Self, T, &Fields) -> Json,
    ) -> Json {
        match shape(&field.ty) {
            Some(shape) => items.map(|item| one(self, item, shape)).collect(),
            None => Json::Null,
        }
    }

    fn definitions(&self) -> impl Iterator<Item = &'s ast::TypeDefinition> {
        let definitions = self.schema.document.definitions.iter();
        definitions.filter_map(|definition| match definition {
            ast::Definition::TypeDefinition(definition) => Some(definition),
            _ => None,
        })
    }

    fn named(&self, name: &str) -> Option<Meta<'s>> {
        self.definitions().find(|it| type_name(it) == name).map(Meta::Definition)
    }

    fn reference(&self, ty: &'s ast::Type) -> Option<Meta<'s>> {
        match ty {
            ast::Type::NamedType(name) => self.named(name),
            wrapped => Some(Meta::Wrapped(wrapped)),
        }
    }

    fn argument(&self, field: &Field, name: &str) -> Option<Json> {
        let (_, value) = field.arguments.iter().find(|(known, _)| known == name)?;
        match value {
            query::Value::Variable(name) => serde_json::from_str(self.variables.get(name)?).ok(),
            value => Some(super::variable::literal(value)),
        }
    }

    fn shows_deprecated(&self, field: &Field) -> bool {
        self.argument(field, "includeDeprecated") == Some(Json::Bool(true))
    }

    fn schema(&self, shape: &Fields) -> Json {
        let root = |name: Option<&str>, field: &Field| {
            let ty = name.and_then(|name| self.named(name));
            self.ty_field(ty.as_ref(), field)
        };
        self.object(shape, |field| match &*field.name {
            "types" => self.list(field, self.definitions(), |this, it, shape| {
                this.ty(Some(&Meta::Definition(it)), shape)
            }),
            "queryType" => root(Some(&self.schema.query), field),
            "mutationType" => root(self.schema.mutation.as_deref(), field),
            "subscriptionType" => root(self.schema.subscription.as_deref(), field),
            "directives" => {
                let definitions = self.schema.document.definitions.iter();
                let directives = definitions.filter_map(|it| match it {
                    ast::Definition::DirectiveDefinition(it) => is_public(it).then_some(it),
                    _ => None,
                });
                self.list(field, directives, Self::directive)
            }
            _ => Json::Null,
        })
    }

    fn directive(&self, directive: &'s ast::DirectiveDefinition, shape: &Fields) -> Json {
        self.object(shape, |field| match &*field.name {
            "name" => Json::from(directive.name.as_str()),
            "description" => Json::from(directive.description.as_deref()),
            "isRepeatable" => Json::from(directive.repeatable),
            "locations" => directive.locations.iter().map(|it| Json::from(it.as_str())).collect(),
            "args" => self.inputs(field, &directive.arguments),
            _ => Json::Null,
        })
    }

    fn ty_field(&self, ty: Option<&Meta<'s>>, field: &Field) -> Json {
        match shape(&field.ty) {
            Some(shape) => self.ty(ty, shape),
            None => Json::Null,
        }
    }

    fn ty(&self, ty: Option<&Meta<'s>>, shape: &Fields) -> Json {
        match ty {
            None => Json::Null,
            Some(Meta::Wrapped(wrapped)) => {
                let (kind, inner) = match wrapped {
                    ast::Type::ListType(inner) => ("LIST", inner),
                    ast::Type::NonNullType(inner) => ("NON_NULL", inner),
                    ast::Type::NamedType(_) => return Json::Null,
                };
                self.object(shape, |field| match &*field.name {
                    "kind" => Json::from(kind),
                    "ofType" => self.ty_field(self.reference(inner).as_ref(), field),
                    _ => Json::Null,
                })
            }
            Some(Meta::Definition(definition)) => {
                self.object(shape, |field| self.definition(definition, field))
            }
        }
    }

    fn definition(&self, definition: &'s ast::TypeDefinition, field: &Field) -> Json {
        match (&*field.name, definition) {
            ("kind", _) => Json::from(kind(definition)),
            ("name", _) => Json::from(type_name(definition)),
            ("description", _) => Json::from(description(definition)),
            ("fields", ast::TypeDefinition::Object(it)) => self.fields(field, &it.fields),
            ("fields", ast::TypeDefinition::Interface(it)) => self.fields(field, &it.fields),
            ("interfaces", ast::TypeDefinition::Object(it)) => {
                self.names(field, &it.implements_interfaces)
            }
            ("interfaces", ast::TypeDefinition::Interface(it)) => {
                self.names(field, &it.implements_interfaces)
            }
            ("possibleTypes", ast::TypeDefinition::Union(it)) => self.names(field, &it.types),
            ("possibleTypes", ast::TypeDefinition::Interface(it)) => {
                let members = self.definitions().filter(|member| {
                    matches!(member, ast::TypeDefinition::Object(object)
                        if object.implements_interfaces.contains(&it.name))
                });
                self.list(field, members, |this, it, shape| {
                    this.ty(Some(&Meta::Definition(it)), shape)
                })
            }
            ("enumValues", ast::TypeDefinition::Enum(it)) => {
                let all = self.shows_deprecated(field);
                let values = it.values.iter();
                let values = values.filter(|it| all || deprecation(&it.directives).is_none());
                self.list(field, values, Self::enum_value)
            }
            ("inputFields", ast::TypeDefinition::InputObject(it)) => self.inputs(field, &it.fields),
            ("isOneOf", ast::TypeDefinition::InputObject(it)) => {
                Json::from(it.directives.iter().any(|it| it.name == "oneOf"))
            }
            ("specifiedByURL", ast::TypeDefinition::Scalar(it)) => {
                Json::from(text_argument(&it.directives, "specifiedBy", "url"))
            }
            _ => Json::Null,
        }
    }

    fn names(&self, field: &Field, names: &'s [String]) -> Json {
        let types = names.iter().filter_map(|name| self.named(name));
        self.list(field, types, |this, it, shape| this.ty(Some(&it), shape))
    }

    fn fields(&self, field: &Field, fields: &'s [ast::Field]) -> Json {
        let all = self.shows_deprecated(field);
        let fields = fields.iter().filter(|it| {
            !it.name.starts_with("__") && (all || deprecation(&it.directives).is_none())
        });
        self.list(field, fields, |this, it, shape| {
            this.object(shape, |field| match &*field.name {
                "name" => Json::from(it.name.as_str()),
                "description" => Json::from(it.description.as_deref()),
                "args" => this.inputs(field, &it.arguments),
                "type" => this.ty_field(this.reference(&it.field_type).as_ref(), field),
                other => deprecated(&it.directives, other),
            })
        })
    }

    fn enum_value(&self, value: &'s ast::EnumValue, shape: &Fields) -> Json {
        self.object(shape, |field| match &*field.name {
            "name" => Json::from(value.name.as_str()),
            "description" => Json::from(value.description.as_deref()),
            other => deprecated(&value.directives, other),
        })
    }

    fn inputs(&self, field: &Field, inputs: &'s [ast::InputValue]) -> Json {
        let all = self.shows_deprecated(field);
        let inputs = inputs.iter().filter(|it| all || deprecation(&it.directives).is_none());
        self.list(field, inputs, |this, it, shape| {
            this.object(shape, |field| match &*field.name {
                "name" => Json::from(it.name.as_str()),
                "description" => Json::from(it.description.as_deref()),
                "type" => this.ty_field(this.reference(&it.value_type).as_ref(), field),
                "defaultValue" => Json::from(it.default_value.as_ref().map(ToString::to_string)),
                other => deprecated(&it.directives, other),
            })
        })
    }
}

/// Clients see the directives that they can use and the specification's own; the
/// others are between subgraphs and router.
fn is_public(directive: &ast::DirectiveDefinition) -> bool {
    const SPECIFIED: [&str; 3] = ["deprecated", "specifiedBy", "oneOf"];
    SPECIFIED.contains(&directive.name.as_str())
        || directive.locations.iter().any(|location| location.is_query())
}

fn deprecated(directives: &[ast::Directive], field: &str) -> Json {
    match field {
        "isDeprecated" => Json::from(deprecation(directives).is_some()),
        "deprecationReason" => Json::from(deprecation(directives)),
        _ => Json::Null,
    }
}

fn deprecation(directives: &[ast::Directive]) -> Option<String> {
    directives.iter().find(|it| it.name == "deprecated")?;
    let reason = text_argument(directives, "deprecated", "reason");
    Some(reason.unwrap_or_else(|| "No longer supported".to_owned()))
}

fn text_argument(directives: &[ast::Directive], name: &str, argument: &str) -> Option<String> {
    let directive = directives.iter().find(|it| it.name == name)?;
    let (_, value) = directive.arguments.iter().find(|(known, _)| known == argument)?;
    match value {
        query::Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn type_name(definition: &ast::TypeDefinition) -> &str {
    match definition {
        ast::TypeDefinition::Scalar(it) => &it.name,
        ast::TypeDefinition::Object(it) => &it.name,
        ast::TypeDefinition::Interface(it) => &it.name,
        ast::TypeDefinition::Union(it) => &it.name,
        ast::TypeDefinition::Enum(it) => &it.name,
        ast::TypeDefinition::InputObject(it) => &it.name,
    }
}

fn kind(definition: &ast::TypeDefinition) -> &'static str {
    match definition {
        ast::TypeDefinition::Scalar(_) => "SCALAR",
        ast::TypeDefinition::Object(_) => "OBJECT",
        ast::TypeDefinition::Interface(_) => "INTERFACE",
        ast::TypeDefinition::Union(_) => "UNION",
        ast::TypeDefinition::Enum(_) => "ENUM",
        ast::TypeDefinition::InputObject(_) => "INPUT_OBJECT",
    }
}

fn description(definition: &ast::TypeDefinition) -> Option<&str> {
    match definition {
        ast::TypeDefinition::Scalar(it) => it.description.as_deref(),
        ast::TypeDefinition::Object(it) => it.description.as_deref(),
        ast::TypeDefinition::Interface(it) => it.description.as_deref(),
        ast::TypeDefinition::Union(it) => it.description.as_deref(),
        ast::TypeDefinition::Enum(it) => it.description.as_deref(),
        ast::TypeDefinition::InputObject(it) => it.description.as_deref(),
    }
}
