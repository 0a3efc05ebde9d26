//! A plan as the engine runs it: a list of fetches, each knowing which ones it
//! waits for, with everything precomputed that does not depend on the request.

use std::{collections::HashSet, sync::Arc};

use super::{
    condition::{All, Condition, Flags},
    key::{Key, Keys},
    position::{Segment, TypeSet},
    representation::{Collection, Requirement, TypenameOverride, mark_displaced},
    rewrite::Renamer,
    value::write_string,
};
use crate::error::PathSegment;
use crate::planner::{
    BatchFetchNode, EntityBatchAlias, FetchNode, FetchNodePathSegment, FetchRewrite,
    FlattenNodePath, FlattenNodePathSegment, PlanNode, PlanValue, Planner, SelectionItem,
    SelectionSet, SubgraphFetchOperation,
};

/// The steps of an operation. A step's number is its index.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// The fetch of a subscription's event, answered from outside.
    pub(crate) subscription: Option<FetchNode>,
}

/// One request to one subgraph.
#[derive(Debug)]
pub(crate) struct Step {
    /// Steps that must be done before.
    pub(crate) after: Vec<usize>,
    /// Steps that wait for this one.
    pub(crate) before: Vec<usize>,
    /// Taken only under these conditions, else done at once.
    pub(crate) conditions: All,
    /// And only if this holds: some root field is wanted.
    pub(crate) wanted: Condition,
    pub(crate) fetch: Fetch,
}

/// What a step asks for.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) service: Arc<str>,
    /// The request's body up to the variables: `{"query":"…","variables":{`.
    pub(crate) prefix: Vec<u8>,
    /// The client's variables that the subgraph's operation uses.
    pub(crate) variables: Vec<Box<str>>,
    /// Response keys of a root fetch.
    pub(crate) root_keys: Vec<Box<str>>,
    /// Renames in a root fetch's answer.
    pub(crate) renames: Vec<Renamer>,
    /// `_entities` fields; empty for a root fetch.
    pub(crate) entities: Vec<Entities>,
}

/// One `_entities` field of a fetch.
#[derive(Debug)]
pub(crate) struct Entities {
    /// Its response key.
    pub(crate) alias: Key,
    pub(crate) variable: Box<str>,
    pub(crate) collection: Collection,
    pub(crate) renames: Vec<Renamer>,
}

/// Why a plan cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsupported {
    #[error("@defer is not supported by this router")]
    Defer,
    #[error("the plan has a fetch in an unexpected place")]
    Shape,
}

/// Compiles the planner's trees, one after the other (a mutation's root fields),
/// into one plan.
pub(crate) fn compile(
    planner: &Planner,
    nodes: &[PlanNode],
    flags: &mut Flags,
    keys: &mut Keys,
) -> Result<Plan, Unsupported> {
    let mut compiler = Compiler { planner, flags, keys, plan: Plan::default() };
    let mut after = Vec::new();
    for node in nodes {
        after = compiler.node(node, after, &Vec::new())?;
    }
    let Compiler { mut plan, keys, .. } = compiler;
    for step in 0..plan.steps.len() {
        for earlier in plan.steps[step].after.clone() {
            plan.steps[earlier].before.push(step);
        }
    }
    mark_renamed(&mut plan, keys);
    Ok(plan)
}

/// Where an answer's key is renamed, the name may have belonged to another field.
fn mark_renamed(plan: &mut Plan, keys: &mut Keys) {
    let names: HashSet<Key> = plan
        .steps
        .iter()
        .flat_map(|step| {
            let entities = step.fetch.entities.iter().flat_map(|it| &it.renames);
            step.fetch.renames.iter().chain(entities)
        })
        .map(Renamer::to)
        .collect();
    if names.is_empty() {
        return;
    }
    for step in &mut plan.steps {
        for entities in &mut step.fetch.entities {
            mark_displaced(&mut entities.collection.requires, &names, keys);
        }
    }
}

struct Compiler<'p> {
    planner: &'p Planner,
    flags: &'p mut Flags,
    keys: &'p mut Keys,
    plan: Plan,
}

impl Compiler<'_> {
    /// Adds a node and answers which steps must be done for it to be done.
    fn node(
        &mut self,
        node: &PlanNode,
        after: Vec<usize>,
        conditions: &All,
    ) -> Result<Vec<usize>, Unsupported> {
        match node {
            PlanNode::Fetch(node) => {
                let fetch = self.fetch(node, None);
                let wanted = self.wanted(&node.operation);
                let done = self.step(fetch, after, conditions);
                for step in &done {
                    self.plan.steps[*step].wanted = wanted.clone();
                }
                Ok(done)
            }
            PlanNode::Flatten(flatten) => match flatten.node.as_ref() {
                PlanNode::Fetch(fetch) => {
                    let fetch = self.fetch(fetch, Some(&flatten.path));
                    Ok(self.step(fetch, after, conditions))
                }
                _ => Err(Unsupported::Shape),
            },
            PlanNode::BatchFetch(batch) => {
                let fetch = self.batch(batch);
                Ok(self.step(fetch, after, conditions))
            }
            PlanNode::Sequence(sequence) => sequence
                .nodes
                .iter()
                .try_fold(after, |after, node| self.node(node, after, conditions)),
            PlanNode::Parallel(parallel) => {
                let mut done = Vec::new();
                for node in &parallel.nodes {
                    for step in self.node(node, after.clone(), conditions)? {
                        if !done.contains(&step) {
                            done.push(step);
                        }
                    }
                }
                Ok(done)
            }
            PlanNode::Condition(condition) => {
                let flag = self.flags.index(&condition.condition);
                let mut done = after.clone();
                let branches = [(&condition.if_clause, true), (&condition.else_clause, false)];
                for (branch, expected) in branches {
                    if let Some(node) = branch {
                        let mut conditions = conditions.clone();
                        conditions.push((flag, expected));
                        done.extend(self.node(node, after.clone(), &conditions)?);
                    }
                }
                done.sort_unstable();
                done.dedup();
                Ok(done)
            }
            PlanNode::Subscription(subscription) => {
                self.plan.subscription = Some(subscription.primary.clone());
                Ok(after)
            }
            PlanNode::Defer(_) => Err(Unsupported::Defer),
        }
    }

    fn step(&mut self, fetch: Fetch, after: Vec<usize>, conditions: &All) -> Vec<usize> {
        self.plan.steps.push(Step {
            after,
            before: Vec::new(),
            conditions: conditions.clone(),
            wanted: Condition::Always,
            fetch,
        });
        vec![self.plan.steps.len() - 1]
    }

    /// When any of an operation's root fields is wanted at all.
    fn wanted(&mut self, operation: &SubgraphFetchOperation) -> Condition {
        let mut places = Vec::new();
        for item in &operation.document.operation.selection_set.items {
            let (include, skip) = match item {
                SelectionItem::Field(field) => (&field.include_if, &field.skip_if),
                SelectionItem::InlineFragment(it) => (&it.include_if, &it.skip_if),
                SelectionItem::FragmentSpread(_) => (&None, &None),
            };
            let include = include.iter().map(|name| (name, true));
            let both = include.chain(skip.iter().map(|name| (name, false)));
            places.push(both.map(|(name, is)| (self.flags.index(name), is)).collect());
        }
        Condition::any(places)
    }

    fn fetch(&mut self, node: &FetchNode, path: Option<&FlattenNodePath>) -> Fetch {
        let renames = self.renames(node.output_rewrites.as_deref());
        let mut fetch = self.request(&node.service_name, &node.operation);
        match (&node.requires, path) {
            (Some(requires), path) => {
                let paths = vec![path.map(|path| self.path(path)).unwrap_or_default()];
                fetch.entities.push(Entities {
                    alias: self.keys.number("_entities"),
                    variable: "representations".into(),
                    collection: Collection {
                        paths,
                        requires: self.requires(requires),
                        overrides: self.overrides(node.input_rewrites.as_deref()),
                    },
                    renames,
                });
            }
            (None, _) => fetch.renames = renames,
        }
        fetch.forget_representations();
        fetch
    }

    fn batch(&mut self, node: &BatchFetchNode) -> Fetch {
        let mut fetch = self.request(&node.service_name, &node.operation);
        let aliases = node.entity_batch.aliases.iter();
        fetch.entities = aliases.map(|alias| self.alias(alias)).collect();
        fetch.forget_representations();
        fetch
    }

    fn alias(&mut self, alias: &EntityBatchAlias) -> Entities {
        Entities {
            alias: self.keys.number(&alias.alias),
            variable: alias.representations_variable_name.as_str().into(),
            collection: Collection {
                paths: alias.merge_paths.iter().map(|path| self.path(path)).collect(),
                requires: self.requires(&alias.requires),
                overrides: self.overrides(alias.input_rewrites.as_deref()),
            },
            renames: self.renames(alias.output_rewrites.as_deref()),
        }
    }

    fn request(&mut self, service: &str, operation: &SubgraphFetchOperation) -> Fetch {
        let mut prefix = b"{\"query\":".to_vec();
        write_string(&mut prefix, &operation.document_str);
        prefix.extend_from_slice(b",\"variables\":{");
        let fragments = &operation.document.fragments;
        let operation = &operation.document.operation;
        for set in fragments.iter().map(|it| &it.selection_set).chain([&operation.selection_set]) {
            number_keys(set, self.keys);
        }
        let declared = operation.variable_definitions.iter().flatten();
        Fetch {
            service: service.into(),
            prefix,
            variables: declared.map(|variable| variable.name.as_str().into()).collect(),
            root_keys: root_keys(&operation.selection_set),
            renames: Vec::new(),
            entities: Vec::new(),
        }
    }

    fn types(&self, name: &str) -> TypeSet {
        TypeSet(self.planner.members(name))
    }

    fn types_of<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> TypeSet {
        let names = names.into_iter();
        TypeSet(names.flat_map(|name| self.types(name).0).collect())
    }

    fn path(&mut self, path: &FlattenNodePath) -> Vec<Segment> {
        let segments = path.as_slice().iter();
        segments
            .map(|segment| match segment {
                FlattenNodePathSegment::Field(key) => Segment::Field(self.keys.number(key)),
                FlattenNodePathSegment::List => Segment::List,
                FlattenNodePathSegment::TypeCondition(names) => Segment::Type(self.types_of(names)),
            })
            .collect()
    }

    fn requires(&mut self, selections: &SelectionSet) -> Vec<Requirement> {
        let items = selections.items.iter();
        items
            .filter_map(|item| match item {
                // A patched field is named by its alias in the tree, and its
                // alias is the subgraph's name for it.
                SelectionItem::Field(field) => {
                    let name = self.keys.number(field.selection_identifier());
                    Some(Requirement::Field {
                        from: self.keys.number(&field.name),
                        hidden: None,
                        name,
                        token: self.keys.token(name).into(),
                        inner: self.requires(&field.selections),
                    })
                }
                SelectionItem::InlineFragment(fragment) => Some(Requirement::Fragment {
                    types: self.types(&fragment.type_condition),
                    inner: self.requires(&fragment.selections),
                }),
                SelectionItem::FragmentSpread(_) => None,
            })
            .collect()
    }

    /// The planner rewrites inputs only to send an interface's name as the type.
    fn overrides(&self, rewrites: Option<&[FetchRewrite]>) -> Vec<TypenameOverride> {
        let rewrites = rewrites.into_iter().flatten();
        rewrites
            .filter_map(|rewrite| match rewrite {
                FetchRewrite::ValueSetter(setter) => match setter.path.as_slice() {
                    [
                        FetchNodePathSegment::TypenameEquals(names),
                        FetchNodePathSegment::Key(key),
                    ] if key == "__typename" => Some(TypenameOverride {
                        types: self.types_of(names),
                        name: setter.set_value_to.as_str().into(),
                    }),
                    _ => None,
                },
                FetchRewrite::KeyRenamer(_) => None,
            })
            .collect()
    }

    fn renames(&mut self, rewrites: Option<&[FetchRewrite]>) -> Vec<Renamer> {
        let rewrites = rewrites.into_iter().flatten();
        rewrites
            .filter_map(|rewrite| match rewrite {
                FetchRewrite::KeyRenamer(renamer) => {
                    let path = renamer.path.iter().map(|segment| match segment {
                        FetchNodePathSegment::Key(key) => Segment::Field(self.keys.number(key)),
                        FetchNodePathSegment::TypenameEquals(names) => {
                            Segment::Type(self.types_of(names))
                        }
                    });
                    let path = path.collect();
                    Renamer::new(path, &renamer.rename_key_to, self.keys)
                }
                FetchRewrite::ValueSetter(_) => None,
            })
            .collect()
    }
}

impl Fetch {
    /// Gives the planner's own aliases in an error's path the client's names.
    pub(crate) fn name_back(&self, path: &mut [PathSegment], keys: &Keys) {
        let entities = self.entities.iter().flat_map(|it| &it.renames);
        for renamer in self.renames.iter().chain(entities) {
            for segment in path.iter_mut() {
                if let PathSegment::Key(key) = segment
                    && key == keys.name(renamer.from())
                {
                    keys.name(renamer.to()).clone_into(key);
                }
            }
        }
    }

    /// Representations are collected, not taken from the client.
    fn forget_representations(&mut self) {
        let entities = &self.entities;
        self.variables.retain(|name| !entities.iter().any(|entry| entry.variable == *name));
    }
}

/// Numbers everything that a subgraph is asked for.
fn number_keys(selections: &SelectionSet, keys: &mut Keys) {
    for item in &selections.items {
        match item {
            SelectionItem::Field(field) => {
                keys.number(field.selection_identifier());
                number_keys(&field.selections, keys);
            }
            SelectionItem::InlineFragment(fragment) => number_keys(&fragment.selections, keys),
            SelectionItem::FragmentSpread(_) => {}
        }
    }
}

fn root_keys(selections: &SelectionSet) -> Vec<Box<str>> {
    let items = selections.items.iter();
    items
        .filter_map(|item| match item {
            SelectionItem::Field(field) => Some(field.selection_identifier().into()),
            _ => None,
        })
        .collect()
}

/// A literal of the plan as JSON; None for a variable.
pub(crate) fn constant(value: &PlanValue) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        PlanValue::Variable(_) => return None,
        PlanValue::Null => Json::Null,
        PlanValue::Int(number) => Json::from(*number),
        PlanValue::Float(number) => Json::from(*number),
        PlanValue::String(text) | PlanValue::Enum(text) => Json::from(text.as_str()),
        PlanValue::Boolean(value) => Json::from(*value),
        PlanValue::List(items) => Json::Array(items.iter().filter_map(constant).collect()),
        PlanValue::Object(fields) => Json::Object(
            fields
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), constant(value)?)))
                .collect(),
        ),
    })
}
