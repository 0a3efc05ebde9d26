//! Shapes from an operation, by the specification's CollectFields: per concrete
//! type, equal response keys merged, conditions carried along.

use std::{collections::HashMap, sync::Arc};

use graphql_tools::static_graphql::query as ast;

use super::{Abstract, Field, Fields, Kind, Projection, Scalar, Type};
use crate::{
    authorization::Denied,
    engine::{Aliases, All, Condition, Flags, Keys, write_string},
    name::Hasher,
    schema::{Schema, TypeKind, TypeRef},
};

/// A selection set and the conditions under which it counts.
type Place<'d> = (&'d ast::SelectionSet, All);
/// Selection sets by address, their conditions, and the type that they select from.
type ShapeKey = (String, Vec<(usize, All)>);

/// Compiles a validated operation.
pub(crate) fn compile(
    schema: &Schema,
    document: &ast::Document,
    selections: &ast::SelectionSet,
    root_type: &str,
    (flags, keys): (&mut Flags, &mut Keys),
    (aliases, denied): (&Aliases, &Denied),
) -> Projection {
    let fragments = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            ast::Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
            ast::Definition::Operation(_) => None,
        })
        .collect();
    let mut compiler =
        Compiler { schema, fragments, flags, keys, aliases, denied, shapes: HashMap::new() };
    Projection { root: compiler.fields(root_type, &[(selections, Vec::new())]) }
}

struct Compiler<'d, 'f> {
    schema: &'d Schema,
    fragments: HashMap<&'d str, &'d ast::FragmentDefinition>,
    flags: &'f mut Flags,
    keys: &'f mut Keys,
    aliases: &'f Aliases,
    denied: &'f Denied,
    /// Equal selections on equal types share a shape; without this, nested
    /// abstract types would multiply.
    shapes: HashMap<ShapeKey, Arc<Fields>>,
}

/// A response key while its places are being collected.
struct Group<'d> {
    field: &'d ast::Field,
    places: Vec<All>,
    inner: Vec<Place<'d>>,
}

#[derive(Default)]
struct Groups<'d> {
    order: Vec<Group<'d>>,
    by_key: HashMap<&'d str, usize>,
    visited: Vec<(&'d str, All)>,
}

impl<'d> Compiler<'d, '_> {
    fn fields(&mut self, type_name: &str, places: &[Place<'d>]) -> Arc<Fields> {
        let address = |set: &ast::SelectionSet| std::ptr::from_ref(set).addr();
        let key: ShapeKey = (
            type_name.to_owned(),
            places.iter().map(|(set, all)| (address(set), all.clone())).collect(),
        );
        if let Some(shape) = self.shapes.get(&key) {
            return Arc::clone(shape);
        }
        let mut groups = Groups::default();
        for (set, all) in places {
            self.collect(type_name, set, all, &mut groups);
        }
        let list =
            groups.order.into_iter().filter_map(|group| self.field(type_name, group)).collect();
        let shape = Arc::new(Fields {
            type_name: type_name.into(),
            denied: self.denied.denies_type(type_name),
            is_abstract: matches!(self.schema.kind(type_name), Some(TypeKind::Abstract { .. })),
            list,
        });
        self.shapes.insert(key, Arc::clone(&shape));
        shape
    }

    fn collect(
        &mut self,
        type_name: &str,
        set: &'d ast::SelectionSet,
        outer: &All,
        groups: &mut Groups<'d>,
    ) {
        for selection in &set.items {
            match selection {
                ast::Selection::Field(field) => {
                    if let Some(all) = self.conditions(&field.directives, outer) {
                        groups.add(field, all);
                    }
                }
                ast::Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref().map(AsRef::as_ref);
                    let applies = condition.is_none_or(|name| self.schema.is_a(type_name, name));
                    if let Some(all) = self.conditions(&fragment.directives, outer)
                        && applies
                    {
                        self.collect(type_name, &fragment.selection_set, &all, groups);
                    }
                }
                ast::Selection::FragmentSpread(spread) => {
                    self.spread(type_name, spread, outer, groups);
                }
            }
        }
    }

    fn spread(
        &mut self,
        type_name: &str,
        spread: &'d ast::FragmentSpread,
        outer: &All,
        groups: &mut Groups<'d>,
    ) {
        let Some(all) = self.conditions(&spread.directives, outer) else {
            return;
        };
        let Some(fragment) = self.fragments.get(spread.fragment_name.as_str()).copied() else {
            return;
        };
        let seen = (fragment.name.as_str(), all);
        if groups.visited.contains(&seen)
            || !self.schema.is_a(type_name, fragment.type_condition.as_ref())
        {
            return;
        }
        let all = seen.1.clone();
        groups.visited.push(seen);
        self.collect(type_name, &fragment.selection_set, &all, groups);
    }

    /// The conditions of a selection with those around it; None where it never counts.
    fn conditions(&mut self, directives: &[ast::Directive], outer: &All) -> Option<All> {
        let mut all = outer.clone();
        for directive in directives {
            let expected = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => continue,
            };
            match directive.arguments.iter().find(|(name, _)| name == "if") {
                Some((_, ast::Value::Boolean(value))) if *value != expected => return None,
                Some((_, ast::Value::Variable(name))) => {
                    let condition = (self.flags.index(name), expected);
                    if !all.contains(&condition) {
                        all.push(condition);
                    }
                }
                _ => {}
            }
        }
        all.sort_unstable();
        Some(all)
    }

    fn field(&mut self, type_name: &str, group: Group<'d>) -> Option<Field> {
        let name = group.field.name.as_str();
        let key = group.field.alias.as_deref().unwrap_or(name);
        let ty = match name {
            "__typename" => Type { nullable: false, kind: Kind::Typename },
            _ if self.denied.denies_field(self.schema, type_name, name) => {
                let ty = self.schema.field(type_name, name)?;
                Type { nullable: !matches!(ty, TypeRef::NonNull(_)), kind: Kind::Denied }
            }
            _ => {
                let ty = self.schema.field(type_name, name)?;
                self.ty(ty, &group.inner)
            }
        };
        let mut prefix = Vec::with_capacity(key.len() + 4);
        prefix.push(b',');
        write_string(&mut prefix, key);
        prefix.push(b':');
        let introspects = type_name.starts_with("__") || name.starts_with("__");
        // Introspection and events keep the client's keys.
        let fixed =
            type_name.starts_with("__") || self.schema.subscription.as_deref() == Some(type_name);
        let slot = if fixed { key } else { self.aliases.slot(group.field) };
        Some(Field {
            key: key.into(),
            slot: self.keys.number(slot),
            prefix: prefix.into(),
            name: name.into(),
            condition: Condition::any(group.places),
            ty,
            arguments: match introspects {
                true => group.field.arguments.clone(),
                false => Vec::new(),
            },
        })
    }

    fn ty(&mut self, ty: &TypeRef, inner: &[Place<'d>]) -> Type {
        match ty {
            TypeRef::NonNull(ty) => Type { nullable: false, kind: self.ty(ty, inner).kind },
            TypeRef::List(ty) => {
                Type { nullable: true, kind: Kind::List(Box::new(self.ty(ty, inner))) }
            }
            TypeRef::Named(name) => Type { nullable: true, kind: self.kind(name, inner) },
        }
    }

    fn kind(&mut self, name: &str, inner: &[Place<'d>]) -> Kind {
        let schema = self.schema;
        match schema.kind(name) {
            Some(TypeKind::Enum(values)) => Kind::Enum(Arc::clone(values)),
            Some(TypeKind::Object { .. }) => Kind::Object(self.fields(name, inner)),
            Some(TypeKind::Abstract { members, .. }) => {
                let by_type: HashMap<_, _, Hasher> = members
                    .iter()
                    .map(|member| (member.as_str().into(), self.fields(member, inner)))
                    .collect();
                let own = self.fields(name, inner);
                Kind::Abstract(Arc::new(Abstract { by_type, own }))
            }
            _ => Scalar::named(name).map_or(Kind::Leaf, Kind::Scalar),
        }
    }
}

impl<'d> Groups<'d> {
    fn add(&mut self, field: &'d ast::Field, all: All) {
        let key = field.alias.as_deref().unwrap_or(&field.name);
        let index = *self.by_key.entry(key).or_insert_with(|| {
            self.order.push(Group { field, places: Vec::new(), inner: Vec::new() });
            self.order.len() - 1
        });
        let group = &mut self.order[index];
        if !field.selection_set.items.is_empty() {
            group.inner.push((&field.selection_set, all.clone()));
        }
        group.places.push(all);
    }
}
