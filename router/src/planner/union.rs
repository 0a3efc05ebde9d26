//! Conditions on fragments of a union itself, which the planner does not find:
//! they move to what is inside.

use hive_router_query_planner::ast::selection_set::InlineFragmentSelection;

use super::{Planner, SelectionItem, SelectionSet, SupergraphDefinition};

impl Planner {
    /// Takes fragments of unions apart.
    pub(super) fn open_unions(&self, set: &mut SelectionSet) {
        let mut items = Vec::with_capacity(set.items.len());
        for mut item in std::mem::take(&mut set.items) {
            match &mut item {
                SelectionItem::Field(field) => self.open_unions(&mut field.selections),
                SelectionItem::InlineFragment(fragment) => {
                    self.open_unions(&mut fragment.selections);
                    let named = self.hive.supergraph.definitions.get(&fragment.type_condition);
                    if let Some(SupergraphDefinition::Union(_)) = named {
                        let inner = std::mem::take(&mut fragment.selections.items);
                        items.extend(inner.into_iter().map(|item| conditional(item, fragment)));
                        continue;
                    }
                }
                SelectionItem::FragmentSpread(_) => {}
            }
            items.push(item);
        }
        set.items = items;
    }
}

/// An item under the conditions of the fragment around it. A union's only field is
/// `__typename`, which may be asked for in vain.
fn conditional(item: SelectionItem, around: &InlineFragmentSelection) -> SelectionItem {
    match item {
        SelectionItem::InlineFragment(mut inner) => {
            if inner.include_if.is_none() && inner.skip_if.is_none() {
                inner.include_if.clone_from(&around.include_if);
                inner.skip_if.clone_from(&around.skip_if);
                return SelectionItem::InlineFragment(inner);
            }
            SelectionItem::InlineFragment(InlineFragmentSelection {
                type_condition: inner.type_condition.clone(),
                include_if: around.include_if.clone(),
                skip_if: around.skip_if.clone(),
                selections: SelectionSet { items: vec![SelectionItem::InlineFragment(inner)] },
            })
        }
        item => item,
    }
}
