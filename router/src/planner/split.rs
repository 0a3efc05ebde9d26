//! What the planner does not plan right as a whole is planned in parts.

use std::collections::HashMap;

use hive_router_query_planner::planner::plan_nodes::{ParallelNode, SequenceNode};

use super::{
    OperationDefinition, OperationKind, PlanError, PlanNode, Planner, SelectionItem, SelectionSet,
    Variant, cut::Budget,
};

/// Most leaves of an operation that cannot be planned whole.
const MAX_SPLIT_LEAVES: usize = 1_000;

impl Planner {
    /// Plans an operation; the plans are to be run one after the other.
    ///
    /// The planner may run the fetches below one root field of a mutation beside
    /// the next root field, so a mutation is planned field by field, unless a
    /// single request to a single subgraph does it all.
    pub(crate) fn plan_in_parts(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Vec<PlanNode>, PlanError> {
        let is_serial = operation.operation_kind == Some(OperationKind::Mutation);
        if !is_serial {
            return self.plan_or_mend(operation, variant);
        }
        if let Ok(whole @ (None | Some(PlanNode::Fetch(_)))) = self.plan(operation, variant) {
            return Ok(whole.into_iter().collect());
        }
        let mut nodes = Vec::new();
        for items in by_root_key(&operation.selection_set.items) {
            nodes.extend(self.plan_or_mend(&with(operation, items), variant)?);
        }
        Ok(nodes)
    }

    fn plan_or_mend(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Vec<PlanNode>, PlanError> {
        match self.plan(operation, variant) {
            Ok(node) => Ok(node.into_iter().collect()),
            // A plan that is not whole is better than none.
            Err(PlanError::Plan(reason)) => match self.mend(operation, variant, reason) {
                Err(error) => match self.plan_unchecked(operation, variant) {
                    Ok(node) => Ok(node.into_iter().collect()),
                    Err(_) => Err(error),
                },
                mended => mended,
            },
            Err(error) => Err(error),
        }
    }

    /// Cuts an operation at entities. What no cut helps is split, where that may
    /// ask a root field twice: where the fields of a shared value come from several
    /// subgraphs and the entity around it was reached by another key, the planner
    /// finds no way for all of them together, only for each.
    fn mend(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
        reason: String,
    ) -> Result<Vec<PlanNode>, PlanError> {
        if Self::count_leaves(operation) > MAX_SPLIT_LEAVES {
            let more = format!("and it has more than {MAX_SPLIT_LEAVES} fields to look at singly");
            return Err(PlanError::Plan(format!("{reason}, {more}")));
        }
        let mut budget = Budget::new();
        let (mut nodes, lost) = self.cut(operation, variant, &mut budget, 0)?;
        if lost.is_empty() {
            return Ok(nodes);
        }
        if !matches!(operation.operation_kind, None | Some(OperationKind::Query)) {
            return Err(PlanError::Plan(reason));
        }
        let mut parts = self.split(operation, variant, &lost, &mut budget)?;
        // All of them are for one root.
        parts.extend(nodes.drain(..).reduce(|before, after| {
            PlanNode::Sequence(SequenceNode { nodes: vec![before, after] })
        }));
        Ok(vec![PlanNode::Parallel(ParallelNode { nodes: parts })])
    }

    /// As few parts as it takes, found leaf by leaf; they run side by side and
    /// their answers are merged.
    fn split(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
        leaves: &[usize],
        budget: &mut Budget,
    ) -> Result<Vec<PlanNode>, PlanError> {
        let mut parts: Vec<(Vec<usize>, PlanNode)> = Vec::new();
        'leaves: for leaf in leaves {
            for (part, node) in &mut parts {
                part.push(*leaf);
                budget.spend()?;
                match self.plan(&Self::only(operation, part), variant) {
                    Ok(Some(better)) => {
                        *node = better;
                        continue 'leaves;
                    }
                    _ => part.pop(),
                };
            }
            budget.spend()?;
            if let Some(node) = self.plan(&Self::only(operation, &[*leaf]), variant)? {
                parts.push((vec![*leaf], node));
            }
        }
        Ok(parts.into_iter().map(|(_, node)| node).collect())
    }
}

fn with(operation: &OperationDefinition, items: Vec<SelectionItem>) -> OperationDefinition {
    OperationDefinition { selection_set: SelectionSet { items }, ..operation.clone() }
}

/// Root selections by response key, in order; a key asked for in several places
/// (under different conditions) stays together.
fn by_root_key(items: &[SelectionItem]) -> Vec<Vec<SelectionItem>> {
    let mut groups: Vec<Vec<SelectionItem>> = Vec::new();
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for (key, item) in single_fields(items) {
        match by_key.get(&key) {
            Some(group) => groups[*group].push(item),
            None => {
                by_key.insert(key, groups.len());
                groups.push(vec![item]);
            }
        }
    }
    groups
}

/// Every field, alone in the fragments around it.
fn single_fields(items: &[SelectionItem]) -> Vec<(String, SelectionItem)> {
    let mut singles = Vec::new();
    for item in items {
        match item {
            SelectionItem::Field(field) => {
                singles.push((field.selection_identifier().to_owned(), item.clone()));
            }
            SelectionItem::InlineFragment(fragment) => {
                for (key, item) in single_fields(&fragment.selections.items) {
                    let mut fragment = fragment.clone();
                    fragment.selections = SelectionSet { items: vec![item] };
                    singles.push((key, SelectionItem::InlineFragment(fragment)));
                }
            }
            SelectionItem::FragmentSpread(_) => {}
        }
    }
    singles
}
