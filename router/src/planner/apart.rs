//! Entity fetches whose fields require one field with different arguments.
//!
//! A representation says `price` once, so fields of one subgraph that need other
//! prices are asked for in requests of their own.

use std::collections::HashSet;

use hive_router_query_planner::{
    ast::{
        document::Document, fragment::FragmentDefinition, selection_set::InlineFragmentSelection,
    },
    planner::plan_nodes::{FlattenNode, ParallelNode},
};

use super::{
    BatchFetchNode, FetchNode, OperationDefinition, PlanNode, SelectionItem, SelectionSet,
    SubgraphFetchOperation, stand_in::StandIns,
};

/// Stand-ins that may stand in one representation.
type Group = HashSet<String>;

/// What an entity fetch asks of one `_entities` field.
struct Asked<'a> {
    alias: &'a str,
    groups: Vec<Group>,
}

impl StandIns {
    /// Takes a fetch apart where its requirements do not go together.
    pub(super) fn take_apart(&self, node: &mut PlanNode) {
        let apart = match node {
            PlanNode::Flatten(flatten) => match flatten.node.as_ref() {
                PlanNode::Fetch(fetch) => {
                    let flat = |fetch| {
                        let node = Box::new(PlanNode::Fetch(fetch));
                        PlanNode::Flatten(FlattenNode { path: flatten.path.clone(), node })
                    };
                    self.fetches(fetch).into_iter().map(flat).collect()
                }
                _ => Vec::new(),
            },
            PlanNode::BatchFetch(batch) => {
                self.batches(batch).into_iter().map(PlanNode::BatchFetch).collect()
            }
            _ => Vec::new(),
        };
        if !apart.is_empty() {
            *node = PlanNode::Parallel(ParallelNode { nodes: apart });
        }
    }

    /// Empty where it can stay together.
    fn fetches(&self, fetch: &FetchNode) -> Vec<FetchNode> {
        let Some(requires) = &fetch.requires else { return Vec::new() };
        let operation = inlined(&fetch.operation);
        let asked = [self.asked(&fetch.service_name, &operation, "_entities")];
        let part = |part: usize| FetchNode {
            operation: self.operation_of(&fetch.service_name, &operation, &asked, part),
            requires: Some(self.requires_of(requires, &asked[0].groups[part])),
            ..fetch.clone()
        };
        match asked[0].groups.len() {
            0 | 1 => Vec::new(),
            parts => (0..parts).map(part).collect(),
        }
    }

    fn batches(&self, batch: &BatchFetchNode) -> Vec<BatchFetchNode> {
        let operation = inlined(&batch.operation);
        let aliases = &batch.entity_batch.aliases;
        let asked: Vec<_> = aliases
            .iter()
            .map(|it| self.asked(&batch.service_name, &operation, &it.alias))
            .collect();
        let parts = asked.iter().map(|asked| asked.groups.len()).max().unwrap_or(0);
        let part = |part: usize| {
            let mut batch = batch.clone();
            batch.operation = self.operation_of(&batch.service_name, &operation, &asked, part);
            batch.entity_batch.aliases = aliases
                .iter()
                .zip(&asked)
                .filter_map(|(alias, asked)| {
                    let group = asked.groups.get(part)?;
                    let mut alias = alias.clone();
                    alias.requires = self.requires_of(&alias.requires, group);
                    Some(alias)
                })
                .collect();
            batch
        };
        match parts {
            0 | 1 => Vec::new(),
            parts => (0..parts).map(part).collect(),
        }
    }

    fn asked<'a>(
        &self,
        service: &str,
        operation: &OperationDefinition,
        alias: &'a str,
    ) -> Asked<'a> {
        let mut groups = vec![Group::new()];
        for item in &operation.selection_set.items {
            if let SelectionItem::Field(field) = item
                && field.selection_identifier() == alias
            {
                self.group(service, "", &field.selections, &mut groups);
            }
        }
        Asked { alias, groups }
    }

    fn group(&self, service: &str, type_name: &str, set: &SelectionSet, groups: &mut Vec<Group>) {
        for item in &set.items {
            match item {
                SelectionItem::Field(field) => {
                    let needs = self.needs(service, type_name, &field.name);
                    match groups.iter_mut().find(|group| self.go_together(group, needs)) {
                        Some(group) => group.extend(needs.iter().cloned()),
                        None => groups.push(needs.iter().cloned().collect()),
                    }
                }
                SelectionItem::InlineFragment(fragment) => {
                    self.group(service, &fragment.type_condition, &fragment.selections, groups);
                }
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }

    fn go_together(&self, group: &Group, needs: &[String]) -> bool {
        needs.iter().all(|need| {
            group.iter().all(|known| known == need || self.real(known) != self.real(need))
        })
    }

    /// The operation with what one part asks for.
    fn operation_of(
        &self,
        service: &str,
        operation: &OperationDefinition,
        asked: &[Asked<'_>],
        part: usize,
    ) -> SubgraphFetchOperation {
        let mut operation = operation.clone();
        operation.selection_set.items.retain_mut(|item| {
            let SelectionItem::Field(field) = item else { return true };
            let key = field.selection_identifier();
            let Some(asked) = asked.iter().find(|asked| asked.alias == key) else { return true };
            part < asked.groups.len() && self.keep(service, "", &mut field.selections, asked, part)
        });
        let used = operation.selection_set.variable_usages();
        if let Some(variables) = &mut operation.variable_definitions {
            variables.retain(|variable| used.contains(&variable.name));
        }
        SubgraphFetchOperation::from_anonymous_operation(Document {
            operation,
            fragments: Vec::new(),
        })
    }

    /// Whether anything is left.
    fn keep(
        &self,
        service: &str,
        type_name: &str,
        set: &mut SelectionSet,
        asked: &Asked<'_>,
        part: usize,
    ) -> bool {
        set.items.retain_mut(|item| match item {
            SelectionItem::Field(field) => {
                let needs = self.needs(service, type_name, &field.name);
                let has_all = |group: &Group| needs.iter().all(|need| group.contains(need));
                asked.groups.iter().position(has_all) == Some(part)
            }
            SelectionItem::InlineFragment(fragment) => {
                let type_name = fragment.type_condition.clone();
                self.keep(service, &type_name, &mut fragment.selections, asked, part)
            }
            SelectionItem::FragmentSpread(_) => true,
        });
        !set.items.is_empty()
    }

    /// A representation with the stand-ins of one group only.
    fn requires_of(&self, set: &SelectionSet, group: &Group) -> SelectionSet {
        let items = set.items.iter().filter_map(|item| {
            let mut item = item.clone();
            let inner = match &mut item {
                SelectionItem::Field(field) => {
                    let name = field.selection_identifier();
                    if self.real(name).is_some() && !group.contains(name) {
                        return None;
                    }
                    if field.selections.items.is_empty() {
                        return Some(item);
                    }
                    &mut field.selections
                }
                SelectionItem::InlineFragment(fragment) => &mut fragment.selections,
                SelectionItem::FragmentSpread(_) => return Some(item),
            };
            *inner = self.requires_of(inner, group);
            (!inner.items.is_empty()).then_some(item)
        });
        SelectionSet { items: items.collect() }
    }
}

/// The operation without named fragments.
pub(super) fn inlined(operation: &SubgraphFetchOperation) -> OperationDefinition {
    fn walk(set: &mut SelectionSet, fragments: &[FragmentDefinition]) {
        for item in &mut set.items {
            if let SelectionItem::FragmentSpread(name) = item
                && let Some(it) = fragments.iter().find(|it| it.name == *name)
            {
                *item = SelectionItem::InlineFragment(InlineFragmentSelection {
                    type_condition: it.type_condition.clone(),
                    selections: it.selection_set.clone(),
                    skip_if: None,
                    include_if: None,
                });
            }
            match item {
                SelectionItem::Field(field) => walk(&mut field.selections, fragments),
                SelectionItem::InlineFragment(it) => walk(&mut it.selections, fragments),
                SelectionItem::FragmentSpread(_) => {}
            }
        }
    }
    let mut inlined = operation.document.operation.clone();
    walk(&mut inlined.selection_set, &operation.document.fragments);
    inlined
}
