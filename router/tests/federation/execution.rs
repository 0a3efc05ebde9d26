//! How a scripted subgraph executes: the GraphQL specification's rules, and
//! Federation's for representations.

use std::collections::HashMap;

use graphql_tools::{
    parser::parse_query,
    static_graphql::{query, schema},
    validation::validate::validate,
};
use serde_json::{Map, Value, json};

use super::{subgraph::Service, world::View};

type Object = Map<String, Value>;

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
    /// Validates and executes an operation.
    pub fn answer(&self, query: &str, variables: &Value) -> Value {
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
        let top = match &self.view {
            Some(_) => View::top(root),
            None => self.subgraph.data[root].clone(),
        };
        let data = call.object(root, &top, &[selections]);
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
        if let Some(view) = &self.view {
            return view.entity(representation);
        }
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
        if let Some(view) = &self.service.view {
            return view.field(type_name, object, field, arguments);
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
            if self.service.view.is_some() {
                self.service.refusals.lock().unwrap().push(reason.to_owned());
            }
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
            if !service.subgraph.is_careless && !values.iter().any(|known| value == **known) {
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
pub(super) fn add(row: &mut Value, more: &Value) {
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
pub(super) fn complete(object: &Value, key: &query::SelectionSet) -> bool {
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
pub(super) fn literal(value: &query::Value, variables: &Object) -> Option<Value> {
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
