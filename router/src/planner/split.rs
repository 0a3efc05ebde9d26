//! What the planner does not plan right as a whole is planned in parts.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use hive_router_query_planner::planner::plan_nodes::ParallelNode;

use super::{
    OperationDefinition, OperationKind, PlanError, PlanNode, Planner, SelectionItem, SelectionSet,
    Variant,
};

/// Most leaves of an operation that is split because it cannot be planned whole.
const MAX_SPLIT_LEAVES: usize = 200;
/// Longest that the search for parts may go on, the attempt on the whole included,
/// in milliseconds.
const SPLIT_TIMEOUT_MS: u64 = 1_000;

impl Planner {
    /// Plans an operation; the plans are to be run one after the other.
    ///
    /// The planner may run the fetches below one root field of a mutation beside
    /// the next root field, so a mutation is planned field by field, unless a
    /// single request to a single subgraph does it all.
    ///
    /// Where the fields of a shared value come from several subgraphs and the
    /// entity around it was reached by another key, the planner finds no way for
    /// all of them together, only for each: such a query is split.
    pub(crate) fn plan_in_parts(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
    ) -> Result<Vec<PlanNode>, PlanError> {
        let kind = operation.operation_kind.as_ref();
        let deadline = Instant::now() + Duration::from_millis(SPLIT_TIMEOUT_MS);
        let whole = match self.plan(operation, variant) {
            Err(PlanError::Plan(reason)) if matches!(kind, None | Some(OperationKind::Query)) => {
                return self.split(operation, variant, reason, deadline);
            }
            whole => whole?,
        };
        let serial = kind == Some(&OperationKind::Mutation);
        if !serial || matches!(whole, None | Some(PlanNode::Fetch(_))) {
            return Ok(whole.into_iter().collect());
        }
        let mut nodes = Vec::new();
        for items in by_root_key(&operation.selection_set.items) {
            nodes.extend(self.plan(&with(operation, items), variant)?);
        }
        Ok(nodes)
    }

    /// As few parts as it takes, found leaf by leaf; they run side by side and
    /// their answers are merged.
    fn split(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
        reason: String,
        deadline: Instant,
    ) -> Result<Vec<PlanNode>, PlanError> {
        let items = &operation.selection_set.items;
        let leaves = leaves(items);
        if leaves > MAX_SPLIT_LEAVES {
            return Err(PlanError::Plan(reason));
        }
        let mut parts: Vec<(Vec<usize>, PlanNode)> = Vec::new();
        'leaves: for leaf in 0..leaves {
            if Instant::now() > deadline {
                return Err(PlanError::Plan(reason));
            }
            for (part, node) in &mut parts {
                part.push(leaf);
                match self.plan(&with(operation, keep(items, part, &mut 0)), variant) {
                    Ok(Some(better)) => {
                        *node = better;
                        continue 'leaves;
                    }
                    _ => part.pop(),
                };
            }
            let alone = with(operation, keep(items, &[leaf], &mut 0));
            if let Some(node) = self.plan(&alone, variant)? {
                parts.push((vec![leaf], node));
            }
        }
        let nodes = parts.into_iter().map(|(_, node)| node).collect();
        Ok(vec![PlanNode::Parallel(ParallelNode { nodes })])
    }
}

fn with(operation: &OperationDefinition, items: Vec<SelectionItem>) -> OperationDefinition {
    OperationDefinition { selection_set: SelectionSet { items }, ..operation.clone() }
}

fn leaves(items: &[SelectionItem]) -> usize {
    let count = |item: &SelectionItem| match item {
        SelectionItem::Field(field) => leaves(&field.selections.items).max(1),
        SelectionItem::InlineFragment(fragment) => leaves(&fragment.selections.items),
        SelectionItem::FragmentSpread(_) => 0,
    };
    items.iter().map(count).sum()
}

/// The selections with only these leaves; `next` counts them.
fn keep(items: &[SelectionItem], wanted: &[usize], next: &mut usize) -> Vec<SelectionItem> {
    let mut kept = Vec::new();
    for item in items {
        let mut item = item.clone();
        let inner = match &mut item {
            SelectionItem::Field(field) if field.selections.items.is_empty() => {
                if wanted.contains(next) {
                    kept.push(item);
                }
                *next += 1;
                continue;
            }
            SelectionItem::Field(field) => &mut field.selections,
            SelectionItem::InlineFragment(fragment) => &mut fragment.selections,
            SelectionItem::FragmentSpread(_) => continue,
        };
        inner.items = keep(&inner.items, wanted, next);
        if !inner.items.is_empty() {
            kept.push(item);
        }
    }
    kept
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
