//! Variables: checked against the operation, then kept as JSON text, ready to
//! be copied into the requests that use them.

use std::collections::HashMap;

use graphql_tools::static_graphql::query as ast;
use serde_json::{Map, Value as Json};

use crate::{
    error::{GraphQLError, code},
    schema::{Schema, TypeKind, TypeRef},
};

/// Deepest nesting of a variable's value, in levels.
const MAX_INPUT_DEPTH: usize = 64;
/// Most errors reported about the variables of one request.
const MAX_VARIABLE_ERRORS: usize = 20;

/// A request's variables as the client sent them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables(Map<String, Json>);

impl Variables {
    /// Takes the `variables` of a request: an object, or null for none.
    ///
    /// # Errors
    /// `BAD_REQUEST` where it is anything else.
    pub fn from_json(value: Json) -> Result<Self, GraphQLError> {
        match value {
            Json::Null => Ok(Self::default()),
            Json::Object(map) => Ok(Self(map)),
            _ => Err(GraphQLError::new(code::BAD_REQUEST, "`variables` must be a JSON object.")),
        }
    }

    /// All but the one of this name, as text: the same text, the same values.
    pub(crate) fn text_without(&self, name: Option<&str>) -> String {
        let mut map = self.0.clone();
        if let Some(name) = name {
            map.remove(name);
        }
        Json::Object(map).to_string()
    }

    /// The value of a variable, None where it was not sent.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }
}

impl From<Map<String, Json>> for Variables {
    fn from(map: Map<String, Json>) -> Self {
        Self(map)
    }
}

/// A variable as the operation declares it.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    ty: TypeRef,
    pub(crate) default: Option<Json>,
}

impl Declaration {
    pub(crate) fn new(definition: &ast::VariableDefinition) -> Self {
        Self {
            name: definition.name.clone(),
            ty: (&definition.var_type).into(),
            default: definition.default_value.as_ref().map(literal),
        }
    }
}

/// Checked variables: JSON text by name; absent ones are absent.
#[derive(Debug, Default)]
pub(crate) struct Coerced(HashMap<String, String>);

impl Coerced {
    /// The JSON text of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Checks a request's variables against the operation's declarations.
///
/// # Errors
/// One `BAD_USER_INPUT` per fault, naming the variable but never its value.
pub(crate) fn coerce(
    schema: &Schema,
    declarations: &[Declaration],
    variables: &Variables,
) -> Result<Coerced, Vec<GraphQLError>> {
    let mut coerced = HashMap::with_capacity(declarations.len());
    let mut errors = Vec::new();
    for declaration in declarations {
        let required = matches!(declaration.ty, TypeRef::NonNull(_));
        let Some(value) = variables.get(&declaration.name) else {
            if required && declaration.default.is_none() {
                errors.push(fault(&format!(
                    "Variable \"${}\" of required type \"{}\" was not provided.",
                    declaration.name, declaration.ty
                )));
            }
            continue;
        };
        match input(schema, &declaration.ty, value, 0) {
            Ok(value) => {
                coerced.insert(declaration.name.clone(), value.to_string());
            }
            Err(fault_in) => errors.push(fault(&format!(
                "Variable \"${}\" got an invalid value{}: {}",
                declaration.name,
                fault_in.place(),
                fault_in.reason
            ))),
        }
        if errors.len() >= MAX_VARIABLE_ERRORS {
            break;
        }
    }
    match errors.is_empty() {
        true => Ok(Coerced(coerced)),
        false => Err(errors),
    }
}

fn fault(message: &str) -> GraphQLError {
    GraphQLError::new(code::BAD_USER_INPUT, message)
}

/// What is wrong, and where inside the value (innermost first).
struct Fault {
    path: Vec<String>,
    reason: String,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn inside(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }

    fn place(&self) -> String {
        match self.path.is_empty() {
            true => String::new(),
            false => {
                let steps: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
                format!(" at \"{}\"", steps.join("."))
            }
        }
    }
}

fn input(schema: &Schema, ty: &TypeRef, value: &Json, depth: usize) -> Result<Json, Fault> {
    if depth > MAX_INPUT_DEPTH {
        return Err(Fault::new("it is nested too deeply."));
    }
    match (ty, value) {
        (TypeRef::NonNull(_), Json::Null) => {
            Err(Fault::new(format!("expected a value of the non-null type \"{ty}\".")))
        }
        (TypeRef::NonNull(inner), value) => input(schema, inner, value, depth),
        (_, Json::Null) => Ok(Json::Null),
        (TypeRef::List(inner), Json::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                input(schema, inner, item, depth + 1).map_err(|f| f.inside(index.to_string()))
            })
            .collect(),
        // A single value is a list of one.
        (TypeRef::List(inner), value) => {
            Ok(Json::Array(vec![input(schema, inner, value, depth + 1)?]))
        }
        (TypeRef::Named(name), value) => named(schema, name, value, depth),
    }
}

fn named(schema: &Schema, name: &str, value: &Json, depth: usize) -> Result<Json, Fault> {
    let wrong = || Fault::new(format!("expected the type \"{name}\"."));
    match (name, value) {
        ("Int", Json::Number(number)) => int(number).ok_or_else(wrong),
        ("Float", Json::Number(_))
        | ("String" | "ID", Json::String(_))
        | ("Boolean", Json::Bool(_)) => Ok(value.clone()),
        ("ID", Json::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Json::String(number.to_string()))
        }
        ("Int" | "Float" | "String" | "Boolean" | "ID", _) => Err(wrong()),
        _ => match schema.kind(name) {
            Some(TypeKind::Enum(values)) => match value {
                Json::String(text) if values.contains(text.as_str()) => Ok(value.clone()),
                _ => Err(Fault::new(format!("expected a value of the enum \"{name}\"."))),
            },
            Some(TypeKind::Input { .. }) => object(schema, name, value, depth),
            Some(TypeKind::Scalar) => Ok(value.clone()),
            _ => Err(wrong()),
        },
    }
}

/// A 32-bit integer, also when it is written as `1.0`.
fn int(number: &serde_json::Number) -> Option<Json> {
    if let Some(number) = number.as_i64() {
        return i32::try_from(number).ok().map(Json::from);
    }
    let number = number.as_f64()?;
    let fits = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    fits.then(|| Json::from(number as i32))
}

fn object(schema: &Schema, name: &str, value: &Json, depth: usize) -> Result<Json, Fault> {
    let (Some(TypeKind::Input { fields, one_of }), Json::Object(given)) =
        (schema.kind(name), value)
    else {
        return Err(Fault::new(format!("expected an object of the type \"{name}\".")));
    };
    if let Some(unknown) = given.keys().find(|key| !fields.iter().any(|f| f.name == **key)) {
        return Err(Fault::new(format!(
            "field \"{unknown}\" is not defined by the type \"{name}\"."
        )));
    }
    if *one_of && (given.len() != 1 || given.values().any(Json::is_null)) {
        return Err(Fault::new(format!("exactly one field of the type \"{name}\" must be given.")));
    }
    let mut coerced = Map::with_capacity(given.len());
    for field in fields {
        match given.get(&field.name) {
            Some(value) => {
                let value = input(schema, &field.ty, value, depth + 1)
                    .map_err(|fault| fault.inside(&field.name))?;
                coerced.insert(field.name.clone(), value);
            }
            None if matches!(field.ty, TypeRef::NonNull(_)) && !field.has_default => {
                return Err(Fault::new(format!(
                    "field \"{}\" of required type \"{}\" was not provided.",
                    field.name, field.ty
                )));
            }
            None => {}
        }
    }
    Ok(Json::Object(coerced))
}

/// A literal of the document as JSON; variables inside it become null.
pub(crate) fn literal(value: &ast::Value) -> Json {
    match value {
        ast::Value::Variable(_) | ast::Value::Null => Json::Null,
        ast::Value::Int(number) => number.as_i64().map_or(Json::Null, Json::from),
        ast::Value::Float(number) => Json::from(*number),
        ast::Value::String(text) | ast::Value::Enum(text) => Json::from(text.as_str()),
        ast::Value::Boolean(value) => Json::from(*value),
        ast::Value::List(items) => items.iter().map(literal).collect(),
        ast::Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), literal(value))).collect()
        }
    }
}
