//! Random operations that a schema may allow; the same number gives the same one.

use std::{collections::BTreeSet, fmt::Write as _};

use graphql_tools::static_graphql::schema;
use serde_json::{Map, Value, json};

use super::world::{Types, mix, named};

/// Deepest nesting of an operation, in levels.
const MAX_DEPTH: usize = 4;
/// Deepest nesting of an input, in levels.
const MAX_INPUT_DEPTH: usize = 2;

/// An operation and its variables.
pub struct Operation {
    pub text: String,
    pub variables: Map<String, Value>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        usize::try_from(mix(self.0, 0) % bound as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

struct Writer<'t> {
    types: &'t Types,
    random: Random,
    text: String,
    declared: BTreeSet<String>,
    variables: Map<String, Value>,
    fragments: Vec<String>,
}

/// A query or mutation over these types.
pub fn operation(types: &Types, seed: u64) -> Operation {
    let mut writer = Writer {
        types,
        random: Random(mix(seed, 77)),
        text: String::new(),
        declared: BTreeSet::new(),
        variables: Map::new(),
        fragments: Vec::new(),
    };
    let is_mutation = types.contains_key("Mutation") && writer.random.below(3) == 0;
    let root = if is_mutation { "Mutation" } else { "Query" };
    writer.selections(root, 0);
    let mut text = root.to_lowercase();
    if !writer.declared.is_empty() {
        let declared: Vec<_> = writer.declared.iter().map(String::as_str).collect();
        write!(text, "({})", declared.join(", ")).unwrap();
    }
    text = format!("{text} {}{}", writer.text, writer.fragments.join(" "));
    Operation { text, variables: writer.variables }
}

impl Writer<'_> {
    fn selections(&mut self, name: &str, depth: usize) {
        self.text += "{ ";
        let count = 1 + self.random.below(4) / (1 + depth / 2);
        for _ in 0..count {
            self.selection(name, depth);
        }
        self.text += "} ";
    }

    fn directive(&mut self) {
        if self.random.below(8) == 0 {
            let (text, names): (_, &[&str]) = *self.random.one_of(&[
                ("@include(if: $yes) ", &["yes"] as &[_]),
                ("@include(if: $no) ", &["no"]),
                ("@skip(if: $no) ", &["no"]),
                ("@skip(if: $yes) ", &["yes"]),
                ("@skip(if: $no) @include(if: $yes) ", &["yes", "no"]),
                ("@skip(if: $no) @include(if: $no) ", &["no"]),
                ("@skip(if: false) ", &[]),
                ("@include(if: false) ", &[]),
            ]);
            self.text += text;
            for name in names {
                self.declared.insert(format!("${name}: Boolean!"));
                self.variables.insert((*name).to_owned(), (*name == "yes").into());
            }
        }
    }

    fn selection(&mut self, name: &str, depth: usize) {
        let types = self.types;
        let ty = &types[name];
        let is_abstract = !ty.members.is_empty();
        let dice = self.random.below(12);
        if dice == 0 {
            self.text += *self.random.one_of(&["__typename ", "__typename ", "t: __typename "]);
            self.directive();
        } else if is_abstract && (dice < 7 || ty.fields.is_empty()) {
            let member = self.random.one_of(&ty.members).clone();
            let others = types.iter().filter(|(_, it)| it.members.contains(&member));
            let mut others: Vec<_> = others.map(|(name, _)| name.clone()).collect();
            others.sort();
            let condition = match self.random.below(4) {
                0 => self.random.one_of(&others).clone(),
                _ => member,
            };
            self.fragment(&condition, depth);
        } else if dice == 1 {
            match self.random.below(2) {
                0 => self.fragment(name, depth),
                _ => {
                    self.text += "... ";
                    self.directive();
                    self.selections(name, depth);
                }
            }
        } else {
            let mut fields: Vec<_> = ty.fields.values().collect();
            fields.retain(|field| depth < MAX_DEPTH || !self.is_composite(field));
            fields.sort_by(|one, other| one.name.cmp(&other.name));
            if fields.is_empty() {
                self.text += "__typename ";
                return;
            }
            let field = (*self.random.one_of(&fields)).clone();
            self.field(ty.fields.keys().min(), &field, depth);
        }
    }

    fn fragment(&mut self, condition: &str, depth: usize) {
        if self.random.below(4) > 0 {
            write!(self.text, "... on {condition} ").unwrap();
            self.directive();
            self.selections(condition, depth);
            return;
        }
        let before = std::mem::take(&mut self.text);
        self.selections(condition, depth);
        let inner = std::mem::replace(&mut self.text, before);
        let name = format!("F{}", self.fragments.len());
        self.fragments.push(format!("fragment {name} on {condition} {inner}"));
        write!(self.text, "...{name} ").unwrap();
        self.directive();
    }

    fn is_composite(&self, field: &schema::Field) -> bool {
        let inner = self.types.get(named(&field.field_type));
        inner.is_some_and(|it| !it.fields.is_empty() || !it.members.is_empty())
    }

    fn field(&mut self, other: Option<&String>, field: &schema::Field, depth: usize) {
        if self.random.below(8) == 0 {
            let other = other.map_or("a", String::as_str);
            let alias = *self.random.one_of(&["a", "b", "id", "name", "price", "title", other]);
            write!(self.text, "{alias}: ").unwrap();
        }
        self.text += &field.name;
        let mut arguments = Vec::new();
        for argument in &field.arguments {
            if let Some(text) = self.argument(argument) {
                arguments.push(format!("{}: {text}", argument.name));
            }
        }
        if !arguments.is_empty() {
            write!(self.text, "({})", arguments.join(" ")).unwrap();
        }
        self.text += " ";
        self.directive();
        if self.is_composite(field) {
            self.selections(named(&field.field_type), depth + 1);
        }
    }

    /// None for one that is left out.
    fn argument(&mut self, argument: &schema::InputValue) -> Option<String> {
        let ty = &argument.value_type;
        let is_needed =
            matches!(ty, schema::Type::NonNullType(_)) && argument.default_value.is_none();
        if !is_needed && self.random.below(2) == 0 {
            return None;
        }
        let (text, value) = self.input(ty, 0);
        if self.random.below(3) > 0 {
            return Some(text);
        }
        // One variable for each type and use, sometimes without a value.
        let name = format!("v{}", self.declared.len());
        let is_required = matches!(ty, schema::Type::NonNullType(_));
        match self.random.below(4) {
            0 if !is_required => {
                self.declared.insert(format!("${name}: {ty}"));
            }
            1 => {
                self.declared.insert(format!("${name}: {ty} = {text}"));
            }
            _ => {
                self.declared.insert(format!("${name}: {ty}"));
                self.variables.insert(name.clone(), value);
            }
        }
        Some(format!("${name}"))
    }

    /// A value as it is written and as a variable has it.
    fn input(&mut self, ty: &schema::Type, depth: usize) -> (String, Value) {
        let name = match ty {
            schema::Type::NonNullType(inner) => {
                let (text, value) = self.input(inner, depth);
                return match value {
                    Value::Null => self.input(ty, depth),
                    value => (text, value),
                };
            }
            _ if self.random.below(8) == 0 => return ("null".to_owned(), Value::Null),
            schema::Type::ListType(inner) => {
                let items: Vec<_> =
                    (0..self.random.below(3)).map(|_| self.input(inner, depth)).collect();
                let (texts, values): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                return (format!("[{}]", texts.join(", ")), values.into());
            }
            schema::Type::NamedType(name) => name.as_str(),
        };
        let types = self.types;
        if let Some(ty) = types.get(name).filter(|it| !it.inputs.is_empty()) {
            let mut texts = Vec::new();
            let mut object = Map::new();
            for field in &ty.inputs {
                let is_needed = matches!(field.value_type, schema::Type::NonNullType(_))
                    && field.default_value.is_none();
                if is_needed || (depth < MAX_INPUT_DEPTH && self.random.below(2) == 0) {
                    let (text, value) = self.input(&field.value_type, depth + 1);
                    texts.push(format!("{}: {text}", field.name));
                    object.insert(field.name.clone(), value);
                }
            }
            return (format!("{{ {} }}", texts.join(", ")), object.into());
        }
        if let Some(values) = types.get(name).and_then(|it| it.values.as_ref()) {
            let value = self.random.one_of(values);
            return (value.clone(), value.as_str().into());
        }
        let value = match name {
            "Int" => json!(self.random.below(9)),
            "Float" => json!(1.5),
            "Boolean" => json!(self.random.below(2) == 0),
            _ => json!(*self.random.one_of(&["x", "a \"quote\"", "한글", ""])),
        };
        (value.to_string(), value)
    }
}
