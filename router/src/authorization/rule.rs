//! Requirements of a supergraph and who meets them.

use std::collections::{HashMap, HashSet};

use graphql_tools::{parser::schema::Value, static_graphql::schema as ast};
use platform::identity::Identity;

use crate::schema::{Schema, TypeKind, TypeRef};

/// Where the specifications of the directives live; a `@link` to one may rename it.
const AUTHENTICATED: &str = "authenticated";
const REQUIRES_SCOPES: &str = "requiresScopes";
const POLICY: &str = "policy";

/// What must be so of a viewer.
#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    /// He is logged in.
    Authenticated,
    /// He has all scopes of one of these sets.
    Scopes(Vec<Vec<String>>),
    /// He has all roles of one of these sets.
    Roles(Vec<Vec<String>>),
}

impl Requirement {
    fn is_met_by(&self, identity: &Identity) -> bool {
        let viewer = match identity {
            // Our own services answer for themselves.
            Identity::Service { .. } => return true,
            // It executes what was prepared for a viewer, and is never prepared for itself.
            Identity::Group { .. } => return false,
            Identity::Anonymous => return false,
            Identity::Viewer(viewer) => viewer,
        };
        let has_one = |sets: &[Vec<String>], had: &[String]| {
            sets.iter().any(|set| set.iter().all(|wanted| had.contains(wanted)))
        };
        match self {
            Self::Authenticated => true,
            Self::Scopes(sets) => has_one(sets, &viewer.scopes),
            Self::Roles(sets) => has_one(sets, &viewer.roles),
        }
    }
}

/// All requirements of a supergraph.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Each different one once; places name them by index.
    requirements: Vec<Requirement>,
    types: HashMap<String, Vec<usize>>,
    fields: HashMap<String, HashMap<String, Vec<usize>>>,
}

/// Which requirements somebody doesn't meet. Viewers with the same grant share plans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    unmet: Box<[usize]>,
}

impl Rules {
    /// Reads a supergraph's directives.
    pub(crate) fn new(supergraph: &ast::Document, schema: &Schema) -> Self {
        let names = Names::of(supergraph);
        let mut rules = Self::default();
        for definition in &supergraph.definitions {
            let ast::Definition::TypeDefinition(definition) = definition else { continue };
            let (name, directives, fields): (_, _, &[ast::Field]) = match definition {
                ast::TypeDefinition::Object(it) => (&it.name, &it.directives, &it.fields),
                ast::TypeDefinition::Interface(it) => (&it.name, &it.directives, &it.fields),
                ast::TypeDefinition::Scalar(it) => (&it.name, &it.directives, &[]),
                ast::TypeDefinition::Enum(it) => (&it.name, &it.directives, &[]),
                ast::TypeDefinition::Union(it) => (&it.name, &it.directives, &[]),
                ast::TypeDefinition::InputObject(_) => continue,
            };
            let of_type = rules.read(&names, directives);
            if !of_type.is_empty() {
                rules.types.insert(name.clone(), of_type);
            }
            for field in fields {
                let of_field = rules.read(&names, &field.directives);
                if !of_field.is_empty() {
                    let fields = rules.fields.entry(name.clone()).or_default();
                    fields.insert(field.name.clone(), of_field);
                }
            }
        }
        rules.inherit(schema);
        rules
    }

    fn read(&mut self, names: &Names, directives: &[ast::Directive]) -> Vec<usize> {
        let found = directives.iter().filter_map(|directive| names.requirement(directive));
        let found: Vec<_> = found.collect();
        let index = |requirement: Requirement| {
            let known = self.requirements.iter().position(|it| *it == requirement);
            known.unwrap_or_else(|| {
                self.requirements.push(requirement);
                self.requirements.len() - 1
            })
        };
        found.into_iter().map(index).collect()
    }

    /// What an interface's field requires holds for the same field of its objects, however it is reached.
    fn inherit(&mut self, schema: &Schema) {
        let mut more = Vec::new();
        for (interface, fields) in &self.fields {
            let Some(TypeKind::Abstract { members, .. }) = schema.kind(interface) else { continue };
            for member in members {
                for (field, required) in fields {
                    more.push((member.clone(), field.clone(), required.clone()));
                }
            }
        }
        for (object, field, required) in more {
            self.fields.entry(object).or_default().entry(field).or_default().extend(required);
        }
    }

    /// What somebody doesn't meet.
    pub(crate) fn grant(&self, identity: &Identity) -> Grant {
        let requirements = self.requirements.iter().enumerate();
        let unmet = requirements.filter(|(_, requirement)| !requirement.is_met_by(identity));
        Grant { unmet: unmet.map(|(index, _)| index).collect() }
    }

    /// What a grant denies.
    pub(crate) fn denied(&self, grant: &Grant) -> Denied {
        let unmet = |required: &[usize]| required.iter().any(|it| grant.unmet.contains(it));
        let types = self.types.iter().filter(|(_, required)| unmet(required));
        let fields = self.fields.iter().flat_map(|(name, fields)| {
            let fields = fields.iter().filter(|(_, required)| unmet(required));
            fields.map(move |(field, _)| (name.as_str().into(), field.as_str().into()))
        });
        Denied {
            types: types.map(|(name, _)| name.as_str().into()).collect(),
            fields: fields.collect(),
        }
    }
}

/// What somebody may not see.
#[derive(Debug, Default)]
pub(crate) struct Denied {
    types: HashSet<Box<str>>,
    fields: HashSet<(Box<str>, Box<str>)>,
}

impl Denied {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty() && self.fields.is_empty()
    }

    /// Whether objects of this type are denied.
    pub(crate) fn denies_type(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    /// Whether a field is denied: by itself, or by its type.
    pub(crate) fn denies_field(&self, schema: &Schema, type_name: &str, field: &str) -> bool {
        if self.is_empty() || field.starts_with("__") {
            return false;
        }
        self.fields.contains(&(type_name.into(), field.into()))
            || schema.field(type_name, field).is_some_and(|ty| self.denies_type(innermost(ty)))
    }
}

/// The name inside lists and non-nulls.
pub(super) fn innermost(ty: &TypeRef) -> &str {
    match ty {
        TypeRef::Named(name) => name,
        TypeRef::List(inner) | TypeRef::NonNull(inner) => innermost(inner),
    }
}

/// What the directives are called in this supergraph.
struct Names {
    authenticated: String,
    requires_scopes: String,
    policy: String,
}

impl Names {
    fn of(supergraph: &ast::Document) -> Self {
        let mut names = Self {
            authenticated: AUTHENTICATED.to_owned(),
            requires_scopes: REQUIRES_SCOPES.to_owned(),
            policy: POLICY.to_owned(),
        };
        for definition in &supergraph.definitions {
            let ast::Definition::SchemaDefinition(schema) = definition else { continue };
            for link in schema.directives.iter().filter(|directive| directive.name == "link") {
                let text = |name| match argument(link, name) {
                    Some(Value::String(text)) => Some(text.as_str()),
                    _ => None,
                };
                let (Some(url), Some(name)) = (text("url"), text("as")) else { continue };
                let is = |spec: &str| url.contains(&format!("specs.apollo.dev/{spec}/"));
                for (spec, place) in [
                    (AUTHENTICATED, &mut names.authenticated),
                    (REQUIRES_SCOPES, &mut names.requires_scopes),
                    (POLICY, &mut names.policy),
                ] {
                    if is(spec) {
                        name.clone_into(place);
                    }
                }
            }
        }
        names
    }

    fn requirement(&self, directive: &ast::Directive) -> Option<Requirement> {
        match directive.name.as_str() {
            name if name == self.authenticated => Some(Requirement::Authenticated),
            name if name == self.requires_scopes => {
                Some(Requirement::Scopes(sets(argument(directive, "scopes"))))
            }
            name if name == self.policy => {
                Some(Requirement::Roles(sets(argument(directive, "policies"))))
            }
            _ => None,
        }
    }
}

fn argument<'d>(directive: &'d ast::Directive, name: &str) -> Option<&'d Value<'static, String>> {
    directive.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// `[["a", "b"], ["c"]]`. What can't be read lets nobody through.
fn sets(value: Option<&Value<'static, String>>) -> Vec<Vec<String>> {
    let Some(Value::List(sets)) = value else { return Vec::new() };
    let set = |set: &Value<'static, String>| match set {
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    };
    sets.iter().filter_map(set).collect()
}
