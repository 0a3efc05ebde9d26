//! `@include` and `@skip` are decided before an operation is planned.
//!
//! What several fields need the planner may ask for under the condition of one of
//! them. So it sees no conditions: an operation is planned for what they come to
//! in a request, and plans are cached by that as well.

use std::collections::HashMap;

use graphql_tools::static_graphql::query as ast;

use super::condition::{Decision, Flags};

/// An operation whose conditions are decided.
pub(super) struct Decided {
    /// As the response shows it.
    pub(super) shown: ast::Document,
    /// As it is planned: an object of which nothing is left says its type, so that
    /// it is fetched.
    pub(super) planned: ast::Document,
}

/// The operation without what is not wanted, its fragments spelled out; None where
/// it has no conditions. Without a decision, `flags` learns which variables there
/// are and all is taken as wanted.
pub(super) fn decide(
    document: &ast::Document,
    operation: &ast::OperationDefinition,
    flags: &mut Flags,
    decision: Option<&Decision>,
) -> Option<Decided> {
    let set = selections_of(operation);
    let fragments: HashMap<_, _> = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            ast::Definition::Fragment(it) => Some((it.name.as_str(), it)),
            ast::Definition::Operation(_) => None,
        })
        .collect();
    let has_any = |set| is_conditional(set);
    if !has_any(set) && !fragments.values().any(|it| has_any(&it.selection_set)) {
        return None;
    }
    let mut decider = Decider { fragments, flags, decision, fill: false };
    let shown = with(operation, decider.selections(set));
    decider.fill = true;
    let planned = with(operation, decider.selections(set));
    Some(Decided { shown, planned })
}

struct Decider<'d> {
    fragments: HashMap<&'d str, &'d ast::FragmentDefinition>,
    flags: &'d mut Flags,
    decision: Option<&'d Decision>,
    /// Whether an object of which nothing is left says its type.
    fill: bool,
}

impl Decider<'_> {
    fn selections(&mut self, set: &ast::SelectionSet) -> ast::SelectionSet {
        let items = set.items.iter().filter_map(|item| self.selection(item)).collect();
        ast::SelectionSet { span: set.span, items }
    }

    fn selection(&mut self, item: &ast::Selection) -> Option<ast::Selection> {
        match item {
            ast::Selection::Field(field) => {
                let directives = self.wanted(&field.directives)?;
                let mut selection_set = self.selections(&field.selection_set);
                let is_hollow =
                    selection_set.items.is_empty() && !field.selection_set.items.is_empty();
                if is_hollow && self.fill {
                    selection_set.items.push(ast::Selection::Field(ast::Field {
                        position: field.position,
                        alias: None,
                        name: "__typename".to_owned(),
                        arguments: Vec::new(),
                        directives: Vec::new(),
                        selection_set: field_set(field),
                    }));
                }
                Some(ast::Selection::Field(ast::Field {
                    position: field.position,
                    alias: field.alias.clone(),
                    name: field.name.clone(),
                    arguments: field.arguments.clone(),
                    directives,
                    selection_set,
                }))
            }
            ast::Selection::InlineFragment(fragment) => {
                let directives = self.wanted(&fragment.directives)?;
                let set = self.selections(&fragment.selection_set);
                self.fragment(fragment.position, fragment.type_condition.clone(), directives, set)
            }
            ast::Selection::FragmentSpread(spread) => {
                let directives = self.wanted(&spread.directives)?;
                let fragment = *self.fragments.get(spread.fragment_name.as_str())?;
                let set = self.selections(&fragment.selection_set);
                let condition = Some(fragment.type_condition.clone());
                self.fragment(spread.position, condition, directives, set)
            }
        }
    }

    #[expect(clippy::unused_self, reason = "reads with its siblings")]
    fn fragment(
        &self,
        position: graphql_tools::parser::Pos,
        type_condition: Option<ast::TypeCondition>,
        directives: Vec<ast::Directive>,
        selection_set: ast::SelectionSet,
    ) -> Option<ast::Selection> {
        (!selection_set.items.is_empty()).then_some(ast::Selection::InlineFragment(
            ast::InlineFragment { position, type_condition, directives, selection_set },
        ))
    }

    /// The other directives; None for what is not wanted.
    fn wanted(&mut self, directives: &[ast::Directive]) -> Option<Vec<ast::Directive>> {
        let mut others = Vec::new();
        for directive in directives {
            let expected = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => {
                    others.push(directive.clone());
                    continue;
                }
            };
            let is = match directive.arguments.iter().find(|(name, _)| name == "if") {
                Some((_, ast::Value::Boolean(value))) => *value,
                Some((_, ast::Value::Variable(name))) => match self.decision {
                    Some(decision) => decision.is(name),
                    None => {
                        self.flags.index(name);
                        expected
                    }
                },
                _ => expected,
            };
            if is != expected {
                return None;
            }
        }
        Some(others)
    }
}

fn field_set(field: &ast::Field) -> ast::SelectionSet {
    ast::SelectionSet { span: field.selection_set.span, items: Vec::new() }
}

fn is_conditional(set: &ast::SelectionSet) -> bool {
    let of = |directives: &[ast::Directive]| {
        directives.iter().any(|it| it.name == "include" || it.name == "skip")
    };
    set.items.iter().any(|item| match item {
        ast::Selection::Field(it) => of(&it.directives) || is_conditional(&it.selection_set),
        ast::Selection::InlineFragment(it) => {
            of(&it.directives) || is_conditional(&it.selection_set)
        }
        ast::Selection::FragmentSpread(it) => of(&it.directives),
    })
}

fn selections_of(operation: &ast::OperationDefinition) -> &ast::SelectionSet {
    match operation {
        ast::OperationDefinition::SelectionSet(set) => set,
        ast::OperationDefinition::Query(it) => &it.selection_set,
        ast::OperationDefinition::Mutation(it) => &it.selection_set,
        ast::OperationDefinition::Subscription(it) => &it.selection_set,
    }
}

/// A document of the operation with these selections only.
fn with(operation: &ast::OperationDefinition, set: ast::SelectionSet) -> ast::Document {
    let mut operation = operation.clone();
    match &mut operation {
        ast::OperationDefinition::SelectionSet(it) => *it = set,
        ast::OperationDefinition::Query(it) => it.selection_set = set,
        ast::OperationDefinition::Mutation(it) => it.selection_set = set,
        ast::OperationDefinition::Subscription(it) => it.selection_set = set,
    }
    ast::Document { definitions: vec![ast::Definition::Operation(operation)] }
}
