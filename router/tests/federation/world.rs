//! A made-up world: data for any case's schemas, so that what the router answers
//! can be compared with what one server with all the data would.
//!
//! Each concrete type has `COUNT` objects, numbered. A field's value follows from
//! its object, its name and its arguments; where it has requirements, from what
//! these select. Values of keys are unlike each other and never null.
//!
//! A subgraph of the world is strict: it refuses external fields that no path
//! provides, overridden ones, representations with an unknown or missing field,
//! and requirements with any other value than the true one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use graphql_tools::{
    parser::{parse_query, parse_schema},
    static_graphql::{query, schema},
};
use serde_json::{Map, Value, json};

use super::{
    execution::{add, complete, literal},
    sdl::{self, Type},
    subgraph::Service,
};

/// Objects of each concrete type.
const COUNT: u64 = 5;

pub(super) type Types = HashMap<String, Type>;

pub struct World {
    graphs: BTreeMap<String, Types>,
    /// All types, inaccessible ones too.
    types: Types,
    /// The schema that clients see.
    public: String,
    /// Fields that stand in a key, by type.
    key_fields: HashSet<(String, String)>,
    hidden: HashSet<String>,
}

/// The world as one subgraph knows it; without a subgraph, all of it.
pub struct View {
    world: Arc<World>,
    graph: Option<String>,
}

/// One object of the world.
struct Object<'o> {
    is: &'o str,
    number: u64,
}

/// One field of a selection, with the fragments around it.
struct Pick {
    on: Vec<String>,
    name: String,
    arguments: Map<String, Value>,
    inner: Vec<Pick>,
}

impl World {
    pub fn new(sdls: &HashMap<String, String>, supergraph: &str) -> Arc<Self> {
        let graphs: BTreeMap<_, _> =
            sdls.iter().map(|(name, sdl)| (name.clone(), sdl::read(sdl).1)).collect();
        let (public, hidden) = public(supergraph);
        let (_, types) = sdl::read(supergraph);
        let mut world = Self { graphs, types, public, key_fields: HashSet::new(), hidden };
        let mut key_fields = HashSet::new();
        for types in world.graphs.values() {
            for (name, ty) in types {
                for key in &ty.keys {
                    world.note_keys(types, name, &picks(key), &mut key_fields);
                }
            }
        }
        world.key_fields = key_fields;
        Arc::new(world)
    }

    pub fn seen_by(world: &Arc<Self>, graph: &str) -> View {
        View { world: Arc::clone(world), graph: Some(graph.to_owned()) }
    }

    /// One server with all of it.
    pub fn server(world: &Arc<Self>) -> Arc<Service> {
        Service::of_world(&world.public, View { world: Arc::clone(world), graph: None })
    }

    fn note_keys(
        &self,
        types: &Types,
        name: &str,
        key: &[Pick],
        all: &mut HashSet<(String, String)>,
    ) {
        let members = self.types.get(name).map_or(&[][..], |it| &it.members);
        for name in members.iter().map(String::as_str).chain([name]) {
            for pick in key {
                all.insert((name.to_owned(), pick.name.clone()));
            }
        }
        for pick in key {
            if let Some(field) = types[name].fields.get(&pick.name) {
                self.note_keys(types, named(&field.field_type), &pick.inner, all);
            }
        }
    }

    /// Concrete types that a name means in a subgraph; None for a leaf.
    fn concrete(&self, graph: &str, name: &str) -> Option<Vec<String>> {
        let ty = self.graphs[graph].get(name)?;
        if ty.is_interface_object || !ty.members.is_empty() {
            let known = if ty.is_interface_object { &self.types[name] } else { ty };
            let seen = known.members.iter().filter(|it| !self.hidden.contains(*it));
            return Some(seen.cloned().collect());
        }
        (!ty.fields.is_empty()).then(|| vec![name.to_owned()])
    }

    fn is_a(&self, is: &str, name: &str) -> bool {
        is == name || self.types[name].members.iter().any(|it| it == is)
    }

    /// The subgraphs that resolve a field of a concrete type, and how.
    fn definers(&self, is: &str, field: &str) -> Vec<(&str, &schema::Field)> {
        let mut all = Vec::new();
        let mut outside = Vec::new();
        for (graph, types) in &self.graphs {
            for (name, ty) in types {
                let means = name == is || (ty.is_interface_object && self.is_a(is, name));
                if let Some(definition) = ty.fields.get(field)
                    && means
                {
                    let is_external = directive(definition, "external").is_some();
                    match is_external || self.is_overridden(graph, name, field) {
                        true => outside.push((graph.as_str(), definition)),
                        false => all.push((graph.as_str(), definition)),
                    }
                }
            }
        }
        if all.is_empty() { outside } else { all }
    }

    fn is_overridden(&self, graph: &str, name: &str, field: &str) -> bool {
        self.graphs.values().any(|types| {
            let definition = types.get(name).and_then(|it| it.fields.get(field));
            let moved = definition.and_then(|it| directive(it, "override"));
            moved.is_some_and(|it| {
                argument(it, "from") == Some(graph) && argument(it, "label").is_none()
            })
        })
    }

    /// The value of a field; `given` is what a representation says of its
    /// requirements.
    fn truth(&self, object: &Object<'_>, field: &str, arguments: &Value) -> Value {
        let definers = self.definers(object.is, field);
        let required = definers.iter().find_map(|(_, it)| directive(it, "requires"));
        let required = required.and_then(|it| argument(it, "fields"));
        let required = required.map(|it| self.selected(object, &read(it)));
        let mut told =
            arguments.as_object().filter(|it| !it.is_empty()).map(|_| arguments.to_string());
        if let Some(required) = required {
            told.get_or_insert_default().push_str(&required.to_string());
        }
        let suffix = told.map(|it| format!("~{:x}", hash(&it) % 0xffff)).unwrap_or_default();
        let place = Place {
            is_key: self.key_fields.contains(&(object.is.to_owned(), field.to_owned())),
            number: object.number,
            text: format!("{}.{field}.{}{suffix}", object.is, object.number),
        };
        let types: Vec<_> = definers.iter().map(|(graph, it)| (*graph, &it.field_type)).collect();
        self.value(&types, &place, hash(&place.text))
    }

    fn value(&self, types: &[(&str, &schema::Type)], place: &Place, seed: u64) -> Value {
        let must = types.iter().any(|(_, ty)| matches!(ty, schema::Type::NonNullType(_)));
        if !must && !place.is_key && seed.is_multiple_of(6) {
            return Value::Null;
        }
        let types: Vec<_> = types
            .iter()
            .map(|(graph, ty)| match ty {
                schema::Type::NonNullType(inner) => (*graph, inner.as_ref()),
                ty => (*graph, *ty),
            })
            .collect();
        let inner: Vec<_> = types
            .iter()
            .filter_map(|(graph, ty)| match ty {
                schema::Type::ListType(inner) => Some((*graph, inner.as_ref())),
                _ => None,
            })
            .collect();
        if inner.len() == types.len() {
            let items = 0..mix(seed, 1) % 4;
            return items.map(|item| self.value(&inner, place, mix(seed, item + 2))).collect();
        }
        let names: Vec<_> = types.iter().map(|(graph, ty)| (*graph, named(ty))).collect();
        self.leaf_or_object(&names, place, seed)
    }

    fn leaf_or_object(&self, names: &[(&str, &str)], place: &Place, seed: u64) -> Value {
        let sets: Vec<_> =
            names.iter().filter_map(|(graph, name)| self.concrete(graph, name)).collect();
        if let Some(first) = sets.first() {
            let mut common = first.clone();
            common.retain(|name| sets.iter().all(|set| set.contains(name)));
            common.sort();
            if common.is_empty() {
                return Value::Null;
            }
            let is = &common[usize::try_from(mix(seed, 7)).unwrap_or_default() % common.len()];
            let number = if place.is_key { place.number } else { mix(seed, 8) % COUNT };
            return json!({ "__typename": is, "$is": is, "$n": number });
        }
        let (_, name) = names[0];
        let enums: Vec<_> = names
            .iter()
            .filter_map(|(graph, name)| self.graphs[*graph].get(*name)?.values.as_ref())
            .collect();
        if let Some(first) = enums.first() {
            let mut common = (*first).clone();
            common.retain(|it| enums.iter().all(|all| all.contains(it)));
            common.retain(|it| !self.hidden.contains(&format!("{name}.{it}")));
            return match common.is_empty() {
                true => Value::Null,
                false => common[usize::try_from(mix(seed, 9)).unwrap_or_default() % common.len()]
                    .as_str()
                    .into(),
            };
        }
        match name {
            "ID" | "String" => place.text.as_str().into(),
            "Int" if place.is_key => (hash(&place.text) % 10_000 * 10 + place.number).into(),
            "Int" => (seed % 100).into(),
            #[expect(clippy::cast_precision_loss, reason = "small")]
            "Float" => ((seed % 100) as f64 + 0.5).into(),
            "Boolean" => seed.is_multiple_of(2).into(),
            _ => json!({ "any": [place.text, seed % 10] }),
        }
    }

    /// What a selection gives of an object.
    fn selected(&self, object: &Object<'_>, picks: &[Pick]) -> Value {
        let mut out = json!({});
        for pick in picks {
            if pick.name == "__typename" || !pick.on.iter().all(|on| self.is_a(object.is, on)) {
                continue;
            }
            let definers = self.definers(object.is, &pick.name);
            let definition = definers.first().map(|(_, it)| *it);
            let arguments = definition.map_or_else(Map::new, |it| defaulted(it, &pick.arguments));
            let value = self.truth(object, &pick.name, &arguments.into());
            let value = self.inside(&value, &pick.inner);
            match out.get_mut(&pick.name) {
                Some(known) => add(known, &value),
                None => out[&pick.name] = value,
            }
        }
        out
    }

    fn inside(&self, value: &Value, picks: &[Pick]) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.inside(item, picks)).collect(),
            value => match Object::of(value) {
                Some(object) => self.selected(&object, picks),
                None => value.clone(),
            },
        }
    }
}

struct Place {
    is_key: bool,
    number: u64,
    text: String,
}

impl<'o> Object<'o> {
    fn of(value: &'o Value) -> Option<Self> {
        Some(Self { is: value["$is"].as_str()?, number: value["$n"].as_u64()? })
    }
}

impl View {
    /// The root of an operation.
    pub(super) fn top(root: &str) -> Value {
        json!({ "__typename": root, "$is": root, "$n": 0 })
    }

    /// The value of a field, as this subgraph has it.
    pub(super) fn field(
        &self,
        type_name: &str,
        object: &Value,
        field: &str,
        arguments: &Value,
    ) -> Value {
        let world = &self.world;
        let known = Object::of(object).expect("an object of the world");
        let mut value = world.truth(&known, field, arguments);
        let Some(graph) = &self.graph else {
            return value;
        };
        let error = |reason: String| json!({ "$error": format!("{type_name}.{field}: {reason}") });
        let definition = &world.graphs[graph][type_name].fields[field];
        let provided = provided(object, known.is, field, world);
        let is_key = world.key_fields.contains(&(known.is.to_owned(), field.to_owned()));
        if directive(definition, "external").is_some() && !is_key && provided.is_none() {
            return error("external".to_owned());
        }
        if world.is_overridden(graph, type_name, field) {
            return error("overridden".to_owned());
        }
        if let Some(required) = directive(definition, "requires") {
            let picks = read(argument(required, "fields").expect("fields"));
            let given = given(&object["$given"], &picks);
            let truth = world.selected(&known, &picks);
            if given != truth {
                return error(format!("given {given} instead of {truth}"));
            }
        }
        let more = directive(definition, "provides").and_then(|it| argument(it, "fields"));
        let mut more = more.map(|it| as_json(&read(it))).unwrap_or(Value::Array(Vec::new()));
        more.as_array_mut().unwrap().extend(provided.into_iter().flatten());
        provide(&mut value, &more);
        value
    }

    /// What a representation stands for.
    pub(super) fn entity(&self, representation: &Value) -> Result<Value, String> {
        let world = &self.world;
        let graph = self.graph.as_ref().ok_or("no entities here")?;
        let name = representation["__typename"].as_str().ok_or("a representation without type")?;
        let ty = world.graphs[graph].get(name).ok_or_else(|| format!("no entity {name}"))?;
        let members = ty.members.iter().filter_map(|it| world.graphs[graph].get(it));
        let known: Vec<_> =
            members.chain([ty]).flat_map(|it| it.fields.keys()).map(String::as_str).collect();
        for field in representation.as_object().into_iter().flatten().map(|(field, _)| field) {
            if field != "__typename" && !known.contains(&field.as_str()) {
                return Err(format!("{name} has no {field}: {representation}"));
            }
        }
        let all = world.concrete(graph, name).unwrap_or_default();
        let mut reason = format!("no complete key in {representation}");
        for key in ty.keys.iter().filter(|key| complete(representation, key)) {
            let key = picks(key);
            let told = given(representation, &key);
            for is in &all {
                for number in 0..COUNT {
                    let object = Object { is, number };
                    if world.selected(&object, &key) == told {
                        let name = if ty.is_interface_object { name } else { is };
                        return Ok(json!({
                            "__typename": name, "$is": is, "$n": number, "$given": representation
                        }));
                    }
                }
            }
            reason = format!("nobody has this key: {representation}");
        }
        Err(reason)
    }
}

/// What the path to an object provides of a field; None where it does not.
fn provided(object: &Value, is: &str, field: &str, world: &World) -> Option<Vec<Value>> {
    let picks = object["$provided"].as_array()?.iter();
    let mut here = picks
        .filter(|it| it["name"] == field)
        .filter(|it| {
            it["on"].as_array().unwrap().iter().all(|on| world.is_a(is, on.as_str().unwrap()))
        })
        .peekable();
    here.peek()?;
    Some(here.flat_map(|it| it["inner"].as_array().unwrap().clone()).collect())
}

fn provide(value: &mut Value, more: &Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| provide(item, more)),
        Value::Object(object) if object.contains_key("$is") => {
            object.insert("$provided".to_owned(), more.clone());
        }
        _ => {}
    }
}

/// The part of a representation that a selection names.
fn given(value: &Value, picks: &[Pick]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| given(item, picks)).collect(),
        Value::Object(object) if !picks.is_empty() => {
            let mut out = json!({});
            for pick in picks.iter().filter(|pick| pick.name != "__typename") {
                let Some(value) = object.get(&pick.name) else { continue };
                let value = given(value, &pick.inner);
                match out.get_mut(&pick.name) {
                    Some(known) => add(known, &value),
                    None => out[&pick.name] = value,
                }
            }
            out
        }
        value => value.clone(),
    }
}

fn as_json(picks: &[Pick]) -> Value {
    picks
        .iter()
        .map(|it| json!({ "on": it.on, "name": it.name, "inner": as_json(&it.inner) }))
        .collect()
}

fn read(fields: &str) -> Vec<Pick> {
    let document = parse_query::<String>(&format!("{{{fields}}}")).unwrap().into_static();
    match document.definitions.into_iter().next() {
        Some(query::Definition::Operation(query::OperationDefinition::SelectionSet(set))) => {
            picks(&set)
        }
        _ => panic!("fields are a selection"),
    }
}

fn picks(set: &query::SelectionSet) -> Vec<Pick> {
    let mut all = Vec::new();
    for item in &set.items {
        match item {
            query::Selection::Field(field) => all.push(Pick {
                on: Vec::new(),
                name: field.name.clone(),
                arguments: (field.arguments.iter())
                    .filter_map(|(name, it)| Some((name.clone(), literal(it, &Map::new())?)))
                    .collect(),
                inner: picks(&field.selection_set),
            }),
            query::Selection::InlineFragment(fragment) => {
                for mut pick in picks(&fragment.selection_set) {
                    if let Some(query::TypeCondition::On(name)) = &fragment.type_condition {
                        pick.on.push(name.clone());
                    }
                    all.push(pick);
                }
            }
            query::Selection::FragmentSpread(_) => panic!("no fragments here"),
        }
    }
    all
}

/// A field's arguments with their defaults.
fn defaulted(definition: &schema::Field, given: &Map<String, Value>) -> Map<String, Value> {
    let arguments = definition.arguments.iter().filter_map(|it| {
        let default = || literal(it.default_value.as_ref()?, &Map::new());
        Some((it.name.clone(), given.get(&it.name).cloned().or_else(default)?))
    });
    arguments.collect()
}

/// The schema without what is inaccessible or the machinery's; types and
/// `Enum.VALUE`s that are hidden.
fn public(supergraph: &str) -> (String, HashSet<String>) {
    let mut document = parse_schema::<String>(supergraph).unwrap().into_static();
    let mut hidden = HashSet::new();
    let is_open =
        |directives: &[schema::Directive]| directives.iter().all(|it| it.name != "inaccessible");
    document.definitions.retain_mut(|definition| {
        let schema::Definition::TypeDefinition(definition) = definition else { return false };
        let name = definition.name().to_owned();
        let fields = |fields: &mut Vec<schema::Field>| {
            fields.retain_mut(|field| {
                field.arguments.retain(|it| is_open(&it.directives));
                field.arguments.iter_mut().for_each(|it| it.directives.clear());
                let keep = is_open(&field.directives);
                field.directives.clear();
                keep
            });
        };
        let directives = match definition {
            schema::TypeDefinition::Object(it) => {
                fields(&mut it.fields);
                &mut it.directives
            }
            schema::TypeDefinition::Interface(it) => {
                fields(&mut it.fields);
                &mut it.directives
            }
            schema::TypeDefinition::Union(it) => &mut it.directives,
            schema::TypeDefinition::Scalar(it) => &mut it.directives,
            schema::TypeDefinition::Enum(it) => {
                for value in it.values.iter().filter(|it| !is_open(&it.directives)) {
                    hidden.insert(format!("{name}.{}", value.name));
                }
                it.values.retain(|it| is_open(&it.directives));
                it.values.iter_mut().for_each(|it| it.directives.clear());
                &mut it.directives
            }
            schema::TypeDefinition::InputObject(it) => {
                it.fields.retain(|it| is_open(&it.directives));
                it.fields.iter_mut().for_each(|it| it.directives.clear());
                &mut it.directives
            }
        };
        let keep = is_open(directives);
        directives.clear();
        if !keep {
            hidden.insert(name.clone());
        }
        keep && !name.contains("__")
    });
    for definition in &mut document.definitions {
        match definition {
            schema::Definition::TypeDefinition(schema::TypeDefinition::Union(it)) => {
                it.types.retain(|name| !hidden.contains(name));
            }
            schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => {
                it.implements_interfaces.retain(|name| !hidden.contains(name));
            }
            schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => {
                it.implements_interfaces.retain(|name| !hidden.contains(name));
            }
            _ => {}
        }
    }
    (document.to_string(), hidden)
}

fn directive<'f>(field: &'f schema::Field, name: &str) -> Option<&'f schema::Directive> {
    field.directives.iter().find(|it| it.name == name)
}

fn argument<'d>(directive: &'d schema::Directive, name: &str) -> Option<&'d str> {
    directive.arguments.iter().find_map(|(known, value)| match value {
        schema::Value::String(text) if known == name => Some(text.as_str()),
        _ => None,
    })
}

pub(super) fn named(ty: &schema::Type) -> &str {
    match ty {
        schema::Type::NamedType(name) => name,
        schema::Type::ListType(inner) | schema::Type::NonNullType(inner) => named(inner),
    }
}

fn hash(text: &str) -> u64 {
    let fold = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, fold), 0)
}

/// A number that follows from two others.
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let mut mixed = one.wrapping_add(other.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
