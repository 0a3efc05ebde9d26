//! A subgraph made of its SDL and a table of data.
//!
//! It is as strict as a real one: it refuses operations that its schema does not
//! allow, identifies entities only by a complete key of its own, keeps null
//! where it belongs and knows nothing that its table does not say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{Json, extract::State, routing::post};
use graphql_tools::{
    parser::{parse_query, parse_schema},
    static_graphql::{query, schema},
    validation::{
        rules::default_rules_validation_plan,
        validate::{ValidationPlan, validate},
    },
};
use serde_json::{Map, Value, json};

type Computed = Box<dyn Fn(&Value, &Value) -> Value + Send + Sync>;
type Object = Map<String, Value>;

/// One request that came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub query: String,
    pub variables: Value,
}

/// A subgraph's data.
///
/// `Query` and `Mutation` hold the root fields' values, every other key the rows
/// of a type. `{"$find": "T"}` is the row of T that has the field's arguments,
/// `{"$all": "T"}` all rows, `{"$error": "…"}` an error. An object that lacks a
/// field is looked up among its type's rows by its key. Objects of an abstract
/// type say their `__typename`.
pub struct Subgraph {
    pub name: &'static str,
    data: Value,
    computed: HashMap<&'static str, Computed>,
}

/// A subgraph with this data.
pub fn subgraph(name: &'static str, data: Value) -> Subgraph {
    Subgraph { name, data, computed: HashMap::new() }
}

impl Subgraph {
    /// Computes `Type.field` of the object (with the representation it came with)
    /// and the arguments.
    pub fn field(
        mut self,
        coordinate: &'static str,
        compute: impl Fn(&Value, &Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.computed.insert(coordinate, Box::new(compute));
        self
    }
}

/// A running subgraph.
pub struct Service {
    schema: schema::Document,
    types: HashMap<String, Type>,
    rules: ValidationPlan,
    subgraph: Subgraph,
    requests: Mutex<Vec<Request>>,
    refusals: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Type {
    fields: HashMap<String, schema::Field>,
    /// Selections of the keys by which it can be resolved.
    keys: Vec<query::SelectionSet>,
    /// Concrete types of an interface or union.
    members: Vec<String>,
    values: Option<Vec<String>>,
}

struct Call<'c> {
    service: &'c Service,
    variables: Object,
    fragments: HashMap<&'c str, &'c query::FragmentDefinition>,
    errors: Vec<Value>,
    path: Vec<Value>,
}

/// Null where none may be.
struct Bubble;

impl Service {
    pub fn new(sdl: &str, subgraph: Subgraph) -> Arc<Self> {
        let (schema, types) = read(sdl);
        Arc::new(Self {
            schema,
            types,
            rules: default_rules_validation_plan(),
            subgraph,
            requests: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    pub fn routes(self: &Arc<Self>) -> axum::Router {
        let handler = |State(service): State<Arc<Self>>, Json(body): Json<Value>| async move {
            let query = body["query"].as_str().unwrap_or_default().to_owned();
            let variables = body["variables"].clone();
            let answer = service.answer(&query, &variables);
            service.requests.lock().unwrap().push(Request { query, variables });
            Json(answer)
        };
        axum::Router::new().route("/graphql", post(handler)).with_state(Arc::clone(self))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Operations that this subgraph's schema does not allow.
    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap().clone()
    }

    fn refuse(&self, query: &str, reason: &str) -> Value {
        self.refusals.lock().unwrap().push(format!("{reason}\n{query}"));
        json!({ "errors": [{ "message": reason }] })
    }

    fn answer(&self, query: &str, variables: &Value) -> Value {
        let document = match parse_query::<String>(query) {
            Ok(document) => document.into_static(),
            Err(error) => return self.refuse(query, &error.to_string()),
        };
        if let Some(error) = validate(&self.schema, &document, &self.rules).first() {
            return self.refuse(query, &error.message);
        }
        let mut operation = None;
        let mut fragments = HashMap::new();
        for definition in &document.definitions {
            match definition {
                query::Definition::Operation(it) => operation = Some(it),
                query::Definition::Fragment(it) => {
                    fragments.insert(it.name.as_str(), it);
                }
            }
        }
        let (root, declared, selections) = match operation.expect("an operation") {
            query::OperationDefinition::SelectionSet(set) => ("Query", &[][..], set),
            query::OperationDefinition::Query(it) => {
                ("Query", it.variable_definitions.as_slice(), &it.selection_set)
            }
            query::OperationDefinition::Mutation(it) => {
                ("Mutation", it.variable_definitions.as_slice(), &it.selection_set)
            }
            query::OperationDefinition::Subscription(_) => panic!("no subscriptions here"),
        };
        let mut given = variables.as_object().cloned().unwrap_or_default();
        if let Some(name) = given.keys().find(|name| !declared.iter().any(|it| it.name == **name)) {
            return self.refuse(query, &format!("variable {name} is not declared"));
        }
        for variable in declared {
            match (given.get(&variable.name), &variable.default_value) {
                (None, Some(default)) => {
                    let value = literal(default, &Map::new()).unwrap_or(Value::Null);
                    given.insert(variable.name.clone(), value);
                }
                (None | Some(Value::Null), _)
                    if matches!(variable.var_type, query::Type::NonNullType(_)) =>
                {
                    return self.refuse(query, &format!("variable {} is missing", variable.name));
                }
                _ => {}
            }
        }
        let mut call =
            Call { service: self, variables: given, fragments, errors: vec![], path: vec![] };
        let data = call.object(root, &self.subgraph.data[root].clone(), &[selections]);
        let errors = call.errors;
        let mut answer = json!({ "data": data.unwrap_or(Value::Null) });
        if !errors.is_empty() {
            answer["errors"] = errors.into();
        }
        answer
    }

    fn is_a(&self, concrete: &str, name: &str) -> bool {
        concrete == name
            || self.types.get(name).is_some_and(|it| it.members.iter().any(|m| m == concrete))
    }

    /// All rows of a type, saying their type where it is abstract; None where the
    /// subgraph has no table for it.
    fn rows(&self, type_name: &str) -> Option<Vec<Value>> {
        let members = &self.types.get(type_name)?.members;
        if members.is_empty() {
            return self.subgraph.data[type_name].as_array().cloned();
        }
        let mut all = Vec::new();
        for member in members {
            for mut row in self.subgraph.data[member].as_array().cloned().unwrap_or_default() {
                row["__typename"] = member.as_str().into();
                all.push(row);
            }
        }
        Some(all)
    }

    /// The row that an object with a complete key stands for.
    fn row(&self, type_name: &str, object: &Value) -> Option<Value> {
        let ty = self.types.get(type_name)?;
        let key = ty.keys.iter().find(|key| complete(object, key))?;
        self.rows(type_name)?.into_iter().find(|row| same(object, row, key))
    }

    /// What a representation stands for.
    fn entity(&self, representation: &Value) -> Result<Value, String> {
        let name = representation["__typename"].as_str().ok_or("a representation without type")?;
        let ty = self.types.get(name).ok_or_else(|| format!("no entity {name}"))?;
        if !ty.keys.iter().any(|key| complete(representation, key)) {
            return Err(format!("no complete key in {representation}"));
        }
        let mut entity = match self.rows(name) {
            None => representation.clone(),
            Some(_) => match self.row(name, representation) {
                None => return Ok(Value::Null),
                Some(row) => row,
            },
        };
        add(&mut entity, representation);
        Ok(entity)
    }
}

impl<'c> Call<'c> {
    fn object(
        &mut self,
        type_name: &str,
        object: &Value,
        sets: &[&'c query::SelectionSet],
    ) -> Result<Value, Bubble> {
        let mut groups: Vec<(&'c str, Vec<&'c query::Field>)> = Vec::new();
        for set in sets {
            self.collect(type_name, set, &mut groups);
        }
        let mut out = Map::new();
        for (key, fields) in groups {
            let first = fields[0];
            if first.name == "__typename" {
                out.insert(key.to_owned(), type_name.into());
                continue;
            }
            let service = self.service;
            let definition = &service.types[type_name].fields[&first.name];
            let arguments = self.arguments(definition, first);
            let value = self.resolve(type_name, object, &first.name, &arguments);
            let sets: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
            self.path.push(key.into());
            let value = self.complete(&definition.field_type, value, &arguments, &sets);
            self.path.pop();
            out.insert(key.to_owned(), value?);
        }
        Ok(out.into())
    }

    fn collect(
        &self,
        type_name: &str,
        set: &'c query::SelectionSet,
        groups: &mut Vec<(&'c str, Vec<&'c query::Field>)>,
    ) {
        for selection in &set.items {
            let (directives, condition, inner) = match selection {
                query::Selection::Field(field) => (&field.directives, None, None),
                query::Selection::InlineFragment(it) => {
                    (&it.directives, it.type_condition.as_ref(), Some(&it.selection_set))
                }
                query::Selection::FragmentSpread(spread) => {
                    let it = self.fragments[spread.fragment_name.as_str()];
                    (&spread.directives, Some(&it.type_condition), Some(&it.selection_set))
                }
            };
            let taken = directives.iter().all(|directive| {
                let wanted = match directive.name.as_str() {
                    "include" => true,
                    "skip" => false,
                    _ => return true,
                };
                literal(&directive.arguments[0].1, &self.variables) == Some(wanted.into())
            });
            let query::TypeCondition::On(condition) = match condition {
                Some(condition) => condition.clone(),
                None => query::TypeCondition::On(type_name.to_owned()),
            };
            if !taken || !self.service.is_a(type_name, &condition) {
                continue;
            }
            match (selection, inner) {
                (_, Some(inner)) => self.collect(type_name, inner, groups),
                (query::Selection::Field(field), None) => {
                    let key = field.alias.as_deref().unwrap_or(&field.name);
                    match groups.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, fields)) => fields.push(field),
                        None => groups.push((key, vec![field])),
                    }
                }
                _ => {}
            }
        }
    }

    fn arguments(&self, definition: &schema::Field, field: &query::Field) -> Value {
        let mut arguments = Map::new();
        for argument in &definition.arguments {
            let given = field.arguments.iter().find(|(name, _)| *name == argument.name);
            let given = given.and_then(|(_, value)| literal(value, &self.variables));
            let value = given.or_else(|| literal(argument.default_value.as_ref()?, &Map::new()));
            if let Some(value) = value {
                arguments.insert(argument.name.clone(), value);
            }
        }
        arguments.into()
    }

    fn resolve(&self, type_name: &str, object: &Value, field: &str, arguments: &Value) -> Value {
        let subgraph = &self.service.subgraph;
        if field == "_entities" {
            return arguments["representations"].clone();
        }
        let row = || self.service.row(type_name, object);
        if let Some(computed) = subgraph.computed.get(format!("{type_name}.{field}").as_str()) {
            let mut whole = row().unwrap_or_else(|| json!({}));
            for (name, value) in object.as_object().into_iter().flatten() {
                whole[name] = value.clone();
            }
            return computed(&whole, arguments);
        }
        match object.get(field) {
            Some(value) => value.clone(),
            None => row().and_then(|row| row.get(field).cloned()).unwrap_or(Value::Null),
        }
    }

    fn complete(
        &mut self,
        ty: &schema::Type,
        value: Value,
        arguments: &Value,
        sets: &[&'c query::SelectionSet],
    ) -> Result<Value, Bubble> {
        match ty {
            schema::Type::NonNullType(inner) => {
                match self.nullable(inner, value, arguments, sets)? {
                    Value::Null => {
                        self.error("null where none may be");
                        Err(Bubble)
                    }
                    value => Ok(value),
                }
            }
            ty => Ok(self.nullable(ty, value, arguments, sets).unwrap_or(Value::Null)),
        }
    }

    fn nullable(
        &mut self,
        ty: &schema::Type,
        value: Value,
        arguments: &Value,
        sets: &[&'c query::SelectionSet],
    ) -> Result<Value, Bubble> {
        if let Some(reason) = value["$error"].as_str() {
            self.error(reason);
            return Err(Bubble);
        }
        let value = self.found(value, arguments);
        match (ty, value) {
            (_, Value::Null) => Ok(Value::Null),
            (schema::Type::ListType(inner), Value::Array(items)) => {
                let mut out = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    self.path.push(index.into());
                    let item = self.complete(inner, item, arguments, sets);
                    self.path.pop();
                    out.push(item?);
                }
                Ok(out.into())
            }
            (schema::Type::NamedType(name), value) => self.named(name, value, sets),
            _ => {
                self.error("no list");
                Err(Bubble)
            }
        }
    }

    fn found(&self, value: Value, arguments: &Value) -> Value {
        if let Some(table) = value["$all"].as_str() {
            return self.service.rows(table).expect("a table").into();
        }
        let Some(table) = value["$find"].as_str() else {
            return value;
        };
        let has = |row: &Value| {
            arguments.as_object().unwrap().iter().all(|(name, value)| row[name] == *value)
        };
        self.service.rows(table).expect("a table").into_iter().find(has).unwrap_or(Value::Null)
    }

    fn named(
        &mut self,
        name: &str,
        value: Value,
        sets: &[&'c query::SelectionSet],
    ) -> Result<Value, Bubble> {
        let service = self.service;
        if name == "_Entity" {
            return match service.entity(&value) {
                Ok(Value::Null) => Ok(Value::Null),
                Ok(entity) => {
                    let concrete = entity["__typename"].as_str().or(value["__typename"].as_str());
                    let concrete = concrete.unwrap_or_default().to_owned();
                    self.object(&concrete, &entity, sets)
                }
                Err(reason) => {
                    service.refusals.lock().unwrap().push(reason.clone());
                    self.error(&reason);
                    Err(Bubble)
                }
            };
        }
        let Some(ty) = service.types.get(name) else {
            return Ok(value);
        };
        if let Some(values) = &ty.values {
            if !values.iter().any(|known| value == **known) {
                self.error(&format!("{value} is no {name}"));
                return Err(Bubble);
            }
            return Ok(value);
        }
        if ty.fields.is_empty() && ty.members.is_empty() {
            return Ok(value);
        }
        let concrete = match ty.members.is_empty() {
            true => name,
            false => value["__typename"].as_str().unwrap_or_default(),
        };
        if !service.is_a(concrete, name) {
            self.error(&format!("{value} is no {name}"));
            return Err(Bubble);
        }
        let concrete = concrete.to_owned();
        self.object(&concrete, &value, sets)
    }

    fn error(&mut self, reason: &str) {
        self.errors.push(json!({ "message": reason, "path": self.path }));
    }
}

/// Adds what the row does not say itself.
fn add(row: &mut Value, more: &Value) {
    match (row, more) {
        (Value::Object(row), Value::Object(more)) => {
            for (name, value) in more {
                add(row.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(row), Value::Array(more)) if row.len() == more.len() => {
            row.iter_mut().zip(more).for_each(|(row, more)| add(row, more));
        }
        (row @ Value::Null, more) => *row = more.clone(),
        _ => {}
    }
}

/// Whether the object has all of a key.
fn complete(object: &Value, key: &query::SelectionSet) -> bool {
    fields(key).all(|field| match &object[field.name.as_str()] {
        Value::Null => field.name == "__typename",
        Value::Array(items) if !field.selection_set.items.is_empty() => {
            items.iter().all(|item| complete(item, &field.selection_set))
        }
        value => field.selection_set.items.is_empty() || complete(value, &field.selection_set),
    })
}

/// Whether two objects have the same key.
fn same(one: &Value, other: &Value, key: &query::SelectionSet) -> bool {
    fields(key).all(|field| {
        let (one, other) = (&one[field.name.as_str()], &other[field.name.as_str()]);
        match (one, other) {
            _ if field.selection_set.items.is_empty() => one == other,
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(a, b)| same(a, b, &field.selection_set))
            }
            _ => same(one, other, &field.selection_set),
        }
    })
}

fn fields(set: &query::SelectionSet) -> impl Iterator<Item = &query::Field> {
    set.items.iter().filter_map(|item| match item {
        query::Selection::Field(field) => Some(field),
        _ => None,
    })
}

/// None for a variable that was not given.
fn literal(value: &query::Value, variables: &Object) -> Option<Value> {
    Some(match value {
        query::Value::Variable(name) => return variables.get(name).cloned(),
        query::Value::Null => Value::Null,
        query::Value::Int(number) => number.as_i64().into(),
        query::Value::Float(number) => (*number).into(),
        query::Value::String(text) | query::Value::Enum(text) => text.as_str().into(),
        query::Value::Boolean(value) => (*value).into(),
        query::Value::List(items) => {
            items.iter().map(|item| literal(item, variables).unwrap_or(Value::Null)).collect()
        }
        query::Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), literal(value, variables)?)))
            .collect(),
    })
}

/// A subgraph's SDL with what Federation adds to it.
fn read(sdl: &str) -> (schema::Document, HashMap<String, Type>) {
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
