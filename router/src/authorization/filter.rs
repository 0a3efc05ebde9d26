//! An operation without what isn't allowed.

use graphql_tools::static_graphql::query as ast;

use super::rule::{Denied, innermost};
use crate::schema::{Schema, TypeKind};

/// Takes what is denied out of a validated document. A selection that becomes empty asks for the type's
/// name instead, so that the object itself is still there or not.
///
/// Answers what was taken out, as `Type.field`, or `Type` for a fragment on it.
pub(crate) fn strip(schema: &Schema, document: &mut ast::Document, denied: &Denied) -> Vec<String> {
    if denied.is_empty() {
        return Vec::new();
    }
    let mut strip = Strip { schema, denied, taken: Vec::new() };
    for definition in &mut document.definitions {
        match definition {
            ast::Definition::Fragment(it) => {
                let name = it.type_condition.as_ref().to_owned();
                strip.selections(&name, &mut it.selection_set);
            }
            ast::Definition::Operation(operation) => {
                let (root, selections) = match operation {
                    ast::OperationDefinition::SelectionSet(set) => (Some(&schema.query), set),
                    ast::OperationDefinition::Query(it) => {
                        (Some(&schema.query), &mut it.selection_set)
                    }
                    ast::OperationDefinition::Mutation(it) => {
                        (schema.mutation.as_ref(), &mut it.selection_set)
                    }
                    ast::OperationDefinition::Subscription(it) => {
                        (schema.subscription.as_ref(), &mut it.selection_set)
                    }
                };
                if let Some(root) = root {
                    strip.selections(root, selections);
                }
            }
        }
    }
    strip.taken.sort_unstable();
    strip.taken.dedup();
    strip.taken
}

struct Strip<'s> {
    schema: &'s Schema,
    denied: &'s Denied,
    taken: Vec<String>,
}

impl Strip<'_> {
    fn selections(&mut self, type_name: &str, set: &mut ast::SelectionSet) {
        let denied = self.denied.denies_type(type_name);
        if denied {
            self.taken.push(type_name.to_owned());
        }
        set.items.retain_mut(|selection| match selection {
            ast::Selection::Field(field) => self.field(type_name, field),
            ast::Selection::InlineFragment(fragment) => {
                let name = match &fragment.type_condition {
                    Some(ast::TypeCondition::On(name)) => name.clone(),
                    None => type_name.to_owned(),
                };
                self.selections(&name, &mut fragment.selection_set);
                !self.denied.denies_type(&name)
            }
            ast::Selection::FragmentSpread(_) => true,
        });
        if set.items.is_empty() || denied {
            set.items = vec![typename()];
        }
    }

    fn field(&mut self, type_name: &str, field: &mut ast::Field) -> bool {
        // Where all objects of an interface deny it, nobody needs to be asked.
        if self.denied.denies_field(self.schema, type_name, &field.name)
            || self.is_denied_by_all_members(type_name, &field.name)
        {
            self.taken.push(format!("{type_name}.{}", field.name));
            return false;
        }
        if let Some(ty) = self.schema.field(type_name, &field.name)
            && !field.selection_set.items.is_empty()
        {
            let name = innermost(ty).to_owned();
            self.selections(&name, &mut field.selection_set);
        }
        true
    }

    fn is_denied_by_all_members(&self, type_name: &str, field: &str) -> bool {
        match self.schema.kind(type_name) {
            Some(TypeKind::Abstract { members, .. }) if !members.is_empty() => {
                let denies = |member: &String| {
                    self.denied.denies_type(member)
                        || self.denied.denies_field(self.schema, member, field)
                };
                !field.starts_with("__") && members.iter().all(denies)
            }
            _ => false,
        }
    }
}

fn typename() -> ast::Selection {
    ast::Selection::Field(ast::Field {
        position: graphql_tools::parser::Pos::default(),
        alias: None,
        name: "__typename".to_owned(),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: ast::SelectionSet { span: Default::default(), items: Vec::new() },
    })
}
