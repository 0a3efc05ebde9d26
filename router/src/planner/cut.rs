//! Operations that the planner finds no way through as a whole are cut at
//! entities.
//!
//! In its search a subgraph that was passed once may not be entered again: a user's
//! reviews lead to users of which it finds nothing that leads back. But on its own
//! each piece is simple. So what cannot be planned in its place is planned as a query
//! that begins at the entity, in a supergraph where every entity has a root field.
//! What such a query fetches at its root becomes part of the operation itself, and
//! its other fetches follow at that place.

use std::collections::{BTreeMap, HashMap, HashSet};

use graphql_tools::{parser::schema::Value, static_graphql::schema};
use hive_router_query_planner::planner::plan_nodes::{FlattenNode, ParallelNode, SequenceNode};

use super::{
    FetchNode, FieldSelection, FlattenNodePath, FlattenNodePathSegment as Segment, Hive,
    OperationDefinition, OperationKind, PlanError, PlanNode, Planner, SelectionItem, SelectionSet,
    SubgraphFetchOperation, Variant,
    apart::inlined,
    build,
    detour::without_interface_objects,
    requirement::{Requirements, entity_fetch},
    stand_in::{named, typed_fields},
};

/// Most plans that are tried for an operation that cannot be planned whole.
pub(super) const MAX_ATTEMPTS: usize = 1_000;
/// How often what is left of an operation may be cut again.
const MAX_CUTS_DEEP: usize = 2;

/// A place in an operation: indices from the root on.
type Place = Vec<usize>;

/// Where operations can be cut, and supergraphs with root fields for entities.
pub(super) struct Entities {
    /// Views of the supergraph, to be tried in this order.
    views: Vec<Hive>,
    /// The number of the view without requirements, and what they are.
    bare: Option<(usize, Requirements)>,
    /// The subgraphs that know an entity.
    graphs: BTreeMap<String, Vec<String>>,
    /// By type and field.
    types: HashMap<String, HashMap<String, schema::Type>>,
}

/// What is left to try.
pub(super) struct Budget {
    attempts: usize,
}

/// Which view a piece is planned on, and in which subgraph it begins.
type Start = (usize, String);

/// A piece that begins at an entity.
#[derive(Clone)]
struct Piece {
    start: Start,
    leaves: Vec<usize>,
    /// What must be fetched at its place.
    root: Vec<SelectionItem>,
    rest: PlanNode,
}

impl Entities {
    /// None where the supergraph has no entities.
    pub(super) fn of(supergraph: &schema::Document) -> Option<Self> {
        let mut document = supergraph.clone();
        let graphs = graphs_of(&document);
        let types = typed_fields(&mut document).map(|(name, fields)| {
            let fields = fields.iter().map(|it| (it.name.clone(), it.field_type.clone()));
            (name, fields.collect())
        });
        let types = types.collect();
        let (_, roots) = typed_fields(&mut document).find(|(name, _)| name == "Query")?;
        let position = roots.first()?.position;
        for (name, graphs) in &graphs {
            roots.extend(graphs.iter().map(|graph| schema::Field {
                position,
                description: None,
                name: root_name(graph, name),
                arguments: Vec::new(),
                field_type: schema::Type::NamedType(name.clone()),
                directives: vec![schema::Directive {
                    position,
                    name: "join__field".to_owned(),
                    arguments: vec![("graph".to_owned(), Value::Enum(graph.clone()))],
                }],
            }));
        }
        let closed = without_interface_objects(&document);
        let mut bare = document.clone();
        let requirements = Requirements::take(&mut bare);
        let documents = [Some(document), closed].into_iter().flatten();
        let mut views: Vec<_> =
            documents.filter_map(|document| build(&document, &document).ok()).collect();
        let bare = build(&bare, &bare).ok().map(|hive| {
            views.push(hive);
            (views.len() - 1, requirements)
        });
        (!graphs.is_empty() && !views.is_empty()).then_some(Self { views, bare, graphs, types })
    }

    /// The places above another one that are entities, the nearest first, with the
    /// entity's type and the path that leads there.
    fn above(&self, operation: &OperationDefinition, place: &[usize]) -> Vec<Above> {
        let mut items = &operation.selection_set.items;
        let mut type_name = match operation.operation_kind {
            Some(OperationKind::Mutation) => "Mutation",
            Some(OperationKind::Subscription) => "Subscription",
            _ => "Query",
        };
        let mut path = Vec::new();
        let mut all = Vec::new();
        for (depth, index) in place.iter().enumerate().take(place.len().saturating_sub(1)) {
            match &items[*index] {
                SelectionItem::Field(field) => {
                    let fields = self.types.get(type_name);
                    let Some(ty) = fields.and_then(|it| it.get(&field.name)) else { break };
                    path.push(Segment::Field(field.selection_identifier().to_owned()));
                    path.extend((0..lists(ty)).map(|_| Segment::List));
                    type_name = named(ty);
                    items = &field.selections.items;
                }
                SelectionItem::InlineFragment(fragment) => {
                    type_name = &fragment.type_condition;
                    path.push(Segment::TypeCondition([type_name.to_owned()].into()));
                    items = &fragment.selections.items;
                }
                SelectionItem::FragmentSpread(_) => break,
            }
            if self.graphs.contains_key(type_name) {
                all.push(Above {
                    place: place[..=depth].to_vec(),
                    type_name: type_name.to_owned(),
                    path: path.clone(),
                });
            }
        }
        all.reverse();
        all
    }
}

/// The subgraphs that know the key of an entity.
fn graphs_of(document: &schema::Document) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for definition in &document.definitions {
        let (name, directives) = match definition {
            schema::Definition::TypeDefinition(schema::TypeDefinition::Object(it)) => {
                (&it.name, &it.directives)
            }
            schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) => {
                (&it.name, &it.directives)
            }
            _ => continue,
        };
        for directive in directives.iter().filter(|it| it.name == "join__type") {
            let argument = |wanted: &str| {
                let mut all = directive.arguments.iter();
                all.find(|(name, _)| name == wanted).map(|(_, value)| value)
            };
            if let (Some(Value::Enum(graph)), Some(_)) = (argument("graph"), argument("key")) {
                let known = all.entry(name.clone()).or_default();
                if !known.contains(graph) {
                    known.push(graph.clone());
                }
            }
        }
    }
    all
}

fn root_name(graph: &str, type_name: &str) -> String {
    format!("_entity_{graph}_{type_name}")
}

/// An entity above a leaf.
#[derive(Clone)]
struct Above {
    place: Place,
    type_name: String,
    path: Vec<Segment>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { attempts: MAX_ATTEMPTS }
    }

    /// # Errors
    /// When nothing is left.
    pub(super) fn spend(&mut self) -> Result<(), PlanError> {
        self.attempts = self.attempts.checked_sub(1).ok_or_else(|| {
            PlanError::Plan(format!("no way was found in {MAX_ATTEMPTS} attempts"))
        })?;
        Ok(())
    }
}

impl Planner {
    /// Plans an operation that cannot be planned whole; the plans are to be run one
    /// after the other. Leaves that no cut helps are told.
    pub(super) fn cut(
        &self,
        operation: &OperationDefinition,
        variant: &Variant,
        budget: &mut Budget,
        deep: usize,
    ) -> Result<(Vec<PlanNode>, Vec<usize>), PlanError> {
        let places = leaves(&operation.selection_set.items);
        let mut cutting = Cutting {
            planner: self,
            operation,
            variant,
            budget,
            places,
            kept: Vec::new(),
            node: None,
            pieces: BTreeMap::new(),
        };
        let mut bad = Vec::new();
        let all: Vec<_> = (0..cutting.places.len()).collect();
        cutting.gather(&all, &mut bad)?;
        let Some(entities) = self.entities() else {
            return Ok((cutting.node.into_iter().collect(), bad));
        };
        let mut lost = Vec::new();
        for leaf in bad {
            if !cutting.place(entities, leaf, deep)? {
                lost.push(leaf);
            }
        }
        let Cutting { node, pieces, .. } = cutting;
        let mut nodes: Vec<_> = node.into_iter().collect();
        let mut rest: Vec<_> = pieces.into_values().map(|it| it.rest).collect();
        match rest.len() {
            0 => {}
            1 => nodes.append(&mut rest),
            _ => nodes.push(PlanNode::Parallel(ParallelNode { nodes: rest })),
        }
        Ok((nodes, lost))
    }

    /// The operation with some of its leaves.
    pub(super) fn only(operation: &OperationDefinition, leaves: &[usize]) -> OperationDefinition {
        let wanted: HashSet<_> = leaves.iter().copied().collect();
        let mut keeper = Keeper { wanted, next: 0, at: Vec::new(), more: &HashMap::new() };
        let items = keeper.keep(&operation.selection_set.items);
        OperationDefinition { selection_set: SelectionSet { items }, ..operation.clone() }
    }

    /// How many leaves an operation has.
    pub(super) fn count_leaves(operation: &OperationDefinition) -> usize {
        leaves(&operation.selection_set.items).len()
    }
}

struct Cutting<'c> {
    planner: &'c Planner,
    operation: &'c OperationDefinition,
    variant: &'c Variant,
    budget: &'c mut Budget,
    places: Vec<Place>,
    /// Leaves that stay where they are.
    kept: Vec<usize>,
    /// The plan for these and the pieces' roots.
    node: Option<PlanNode>,
    pieces: BTreeMap<(Place, Start), Piece>,
}

impl Cutting<'_> {
    /// Keeps as many leaves as can be planned together; the others are `bad`.
    fn gather(&mut self, leaves: &[usize], bad: &mut Vec<usize>) -> Result<(), PlanError> {
        let mut together = self.kept.clone();
        together.extend(leaves);
        self.budget.spend()?;
        match self.planner.plan(&Planner::only(self.operation, &together), self.variant) {
            Ok(node) => {
                self.node = node;
                self.kept = together;
                Ok(())
            }
            Err(PlanError::Plan(_)) => {
                let (one, other) = leaves.split_at(leaves.len() / 2);
                if one.is_empty() {
                    bad.extend(leaves);
                    return Ok(());
                }
                self.gather(one, bad)?;
                self.gather(other, bad)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a place was found where a leaf can be cut off.
    fn place(&mut self, entities: &Entities, leaf: usize, deep: usize) -> Result<bool, PlanError> {
        let mut found = Vec::new();
        for above in entities.above(self.operation, &self.places[leaf]) {
            let mut pieces = Vec::new();
            for start in Self::starts(entities, &above) {
                pieces.extend(self.piece(entities, &above, start, leaf)?);
            }
            // The less must be there already, the better.
            pieces.sort_by_cached_key(|it| (size(&it.root), print(&it.root)));
            pieces.dedup_by(|one, other| one.root == other.root);
            for piece in &pieces {
                if self.accepts(&above.place, piece.clone(), None)? {
                    return Ok(true);
                }
            }
            found.push((above, pieces));
        }
        for (above, pieces) in found.iter().filter(|_| deep < MAX_CUTS_DEEP) {
            for piece in pieces {
                if self.accepts(&above.place, piece.clone(), Some(deep + 1))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether what stays can be planned beside this piece, if need be by cutting again.
    fn accepts(
        &mut self,
        place: &Place,
        piece: Piece,
        deep: Option<usize>,
    ) -> Result<bool, PlanError> {
        let key = (place.clone(), piece.start.clone());
        let before = self.pieces.insert(key.clone(), piece);
        if let Some(node) = self.main(deep)? {
            self.node = node;
            return Ok(true);
        }
        match before {
            Some(before) => self.pieces.insert(key, before),
            None => self.pieces.remove(&key),
        };
        Ok(false)
    }

    /// Where a piece may begin.
    fn starts(entities: &Entities, above: &Above) -> Vec<Start> {
        let graphs = &entities.graphs[&above.type_name];
        let views = 0..entities.views.len();
        views.flat_map(|view| graphs.iter().map(move |graph| (view, graph.clone()))).collect()
    }

    /// The plan for what stays; None where there is none.
    #[expect(clippy::option_option, reason = "a plan may be empty")]
    fn main(&mut self, deep: Option<usize>) -> Result<Option<Option<PlanNode>>, PlanError> {
        let wanted: HashSet<_> = self.kept.iter().copied().collect();
        let mut more: HashMap<Place, Vec<SelectionItem>> = HashMap::new();
        for ((place, _), piece) in &self.pieces {
            merge(more.entry(place.clone()).or_default(), piece.root.clone());
        }
        let mut keeper = Keeper { wanted, next: 0, at: Vec::new(), more: &more };
        let items = keeper.keep(&self.operation.selection_set.items);
        let main =
            OperationDefinition { selection_set: SelectionSet { items }, ..self.operation.clone() };
        let Some(deep) = deep else {
            self.budget.spend()?;
            return match self.planner.plan(&main, self.variant) {
                Ok(node) => Ok(Some(node)),
                Err(PlanError::Plan(_)) => Ok(None),
                Err(error) => Err(error),
            };
        };
        let (nodes, lost) = self.planner.cut(&main, self.variant, self.budget, deep)?;
        Ok(lost.is_empty().then(|| sequence(nodes)))
    }

    /// What is asked of an entity, with one more leaf, on its own.
    fn piece(
        &mut self,
        entities: &Entities,
        above: &Above,
        start: Start,
        leaf: usize,
    ) -> Result<Option<Piece>, PlanError> {
        let known = self.pieces.get(&(above.place.clone(), start.clone()));
        let known = known.map(|it| it.leaves.clone());
        let mut leaves = known.unwrap_or_default();
        leaves.push(leaf);
        let mut items = Planner::only(self.operation, &leaves).selection_set.items;
        for _ in &above.place {
            items = match items.pop() {
                Some(SelectionItem::Field(field)) => field.selections.items,
                Some(SelectionItem::InlineFragment(fragment)) => fragment.selections.items,
                _ => return Ok(None),
            };
        }
        let (view, graph) = &start;
        let root = root_name(graph, &above.type_name);
        let operation = OperationDefinition {
            operation_kind: Some(OperationKind::Query),
            selection_set: SelectionSet {
                items: vec![SelectionItem::Field(FieldSelection {
                    name: root.clone(),
                    selections: SelectionSet { items },
                    ..FieldSelection::default()
                })],
            },
            ..self.operation.clone()
        };
        self.budget.spend()?;
        let node = match self.planner.plan_on(&entities.views[*view], &operation, self.variant) {
            Ok(Some(node)) => node,
            Ok(None) | Err(PlanError::Plan(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut cut = Cut { root: &root, path: &above.path, items: vec![typename()], last: None };
        let rest = cut.rest(node);
        let Cut { items: root, last, .. } = cut;
        let found = match (&entities.bare, rest, last) {
            (Some((bare, requirements)), Some(rest), Some(fetch)) if bare == view => {
                required(requirements, (graph, above), &fetch, rest, root)
            }
            (Some((bare, _)), ..) if bare == view => None,
            // Where nothing comes after the root nothing would be gained.
            (_, rest, _) => rest.flatten().map(|rest| (root, rest)),
        };
        let Some((root, mut rest)) = found else { return Ok(None) };
        self.planner.stand_ins.resolve(&mut rest);
        Ok(Some(Piece { start, leaves, root, rest }))
    }
}

/// A piece with requirements: what must be known of its entity, and how it goes on.
fn required(
    requirements: &Requirements,
    (graph, above): (&str, &Above),
    root: &FetchNode,
    rest: Option<PlanNode>,
    mut items: Vec<SelectionItem>,
) -> Option<(Vec<SelectionItem>, PlanNode)> {
    if rest.as_ref().is_some_and(|rest| has_requirements(requirements, rest)) {
        return None;
    }
    items.retain(|item| !matches!(item, SelectionItem::Field(it) if it.name == "__typename"));
    let known = requirements.of(graph, &above.type_name, &items)?;
    let path = path_of(&above.path)?;
    let fetch = entity_fetch(root, &above.type_name, path, (items, known.clone()));
    let rest = sequence([Some(fetch), rest].into_iter().flatten().collect())?;
    Some((known, rest))
}

fn has_requirements(requirements: &Requirements, node: &PlanNode) -> bool {
    let any = |nodes: &[PlanNode]| nodes.iter().any(|it| has_requirements(requirements, it));
    let of = |service: &str, operation: &SubgraphFetchOperation| {
        requirements.requires_any(service, &inlined(operation).selection_set)
    };
    match node {
        PlanNode::Fetch(it) => of(&it.service_name, &it.operation),
        PlanNode::BatchFetch(it) => of(&it.service_name, &it.operation),
        PlanNode::Flatten(it) => has_requirements(requirements, &it.node),
        PlanNode::Sequence(it) => any(&it.nodes),
        PlanNode::Parallel(it) => any(&it.nodes),
        PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => true,
    }
}

/// Takes a piece's plan apart.
struct Cut<'c> {
    root: &'c str,
    path: &'c [Segment],
    /// What its root fetches ask for.
    items: Vec<SelectionItem>,
    /// The last of them.
    last: Option<FetchNode>,
}

impl Cut<'_> {
    /// What comes after the root; None where that cannot be told apart.
    #[expect(clippy::option_option, reason = "nothing may come after it")]
    fn rest(&mut self, node: PlanNode) -> Option<Option<PlanNode>> {
        match node {
            PlanNode::Fetch(fetch) => {
                let is_second = self.last.is_some();
                if is_second || fetch.requires.is_some() || fetch.output_rewrites.is_some() {
                    return None;
                }
                for item in inlined(&fetch.operation).selection_set.items {
                    match item {
                        SelectionItem::Field(field) if field.name == self.root => {
                            merge(&mut self.items, field.selections.items);
                        }
                        _ => return None,
                    }
                }
                self.last = Some(fetch);
                Some(None)
            }
            PlanNode::Flatten(flatten) => {
                let path = self.moved(&flatten.path)?;
                Some(Some(PlanNode::Flatten(FlattenNode { path, node: flatten.node })))
            }
            PlanNode::BatchFetch(mut batch) => {
                for path in batch.entity_batch.aliases.iter_mut().flat_map(|it| &mut it.merge_paths)
                {
                    *path = self.moved(path)?;
                }
                Some(Some(PlanNode::BatchFetch(batch)))
            }
            PlanNode::Sequence(it) => self.all(it.nodes).map(sequence),
            PlanNode::Parallel(it) => self.all(it.nodes).map(|mut nodes| match nodes.len() {
                0 | 1 => nodes.pop(),
                _ => Some(PlanNode::Parallel(ParallelNode { nodes })),
            }),
            PlanNode::Condition(_) | PlanNode::Subscription(_) | PlanNode::Defer(_) => None,
        }
    }

    fn all(&mut self, nodes: Vec<PlanNode>) -> Option<Vec<PlanNode>> {
        let nodes: Option<Vec<_>> = nodes.into_iter().map(|node| self.rest(node)).collect();
        Some(nodes?.into_iter().flatten().collect())
    }

    /// A path in the whole response.
    fn moved(&self, path: &FlattenNodePath) -> Option<FlattenNodePath> {
        match path.as_slice() {
            [Segment::Field(first), inner @ ..] if *first == self.root => {
                let segments: Vec<_> = self.path.iter().chain(inner).cloned().collect();
                path_of(&segments)
            }
            _ => None,
        }
    }
}

/// Its own constructor is private.
fn path_of(segments: &[Segment]) -> Option<FlattenNodePath> {
    serde_json::to_value(segments).and_then(serde_json::from_value).ok()
}

fn sequence(mut nodes: Vec<PlanNode>) -> Option<PlanNode> {
    match nodes.len() {
        0 | 1 => nodes.pop(),
        _ => Some(PlanNode::Sequence(SequenceNode { nodes })),
    }
}

fn typename() -> SelectionItem {
    SelectionItem::Field(FieldSelection::new_typename())
}

/// The places of an operation's leaves.
fn leaves(items: &[SelectionItem]) -> Vec<Place> {
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let inner = match item {
            SelectionItem::Field(field) if field.selections.items.is_empty() => {
                all.push(vec![index]);
                continue;
            }
            SelectionItem::Field(field) => leaves(&field.selections.items),
            SelectionItem::InlineFragment(fragment) => leaves(&fragment.selections.items),
            SelectionItem::FragmentSpread(_) => continue,
        };
        all.extend(inner.into_iter().map(|mut place| {
            place.insert(0, index);
            place
        }));
    }
    all
}

/// Keeps some leaves, and adds selections at some places.
struct Keeper<'k> {
    wanted: HashSet<usize>,
    /// The number of the next leaf.
    next: usize,
    at: Place,
    more: &'k HashMap<Place, Vec<SelectionItem>>,
}

impl Keeper<'_> {
    fn keep(&mut self, items: &[SelectionItem]) -> Vec<SelectionItem> {
        let mut kept = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mut item = item.clone();
            let inner = match &mut item {
                SelectionItem::Field(field) if field.selections.items.is_empty() => {
                    if self.wanted.contains(&self.next) {
                        kept.push(item);
                    }
                    self.next += 1;
                    continue;
                }
                SelectionItem::Field(field) => &mut field.selections,
                SelectionItem::InlineFragment(fragment) => &mut fragment.selections,
                SelectionItem::FragmentSpread(_) => continue,
            };
            self.at.push(index);
            inner.items = self.keep(&inner.items);
            if let Some(more) = self.more.get(&self.at) {
                merge(&mut inner.items, more.clone());
            }
            self.at.pop();
            if !inner.items.is_empty() {
                kept.push(item);
            }
        }
        kept
    }
}

/// Adds selections to others, each response key once.
pub(super) fn merge(items: &mut Vec<SelectionItem>, more: Vec<SelectionItem>) {
    for item in more {
        let known = items.iter_mut().find(|known| match (&**known, &item) {
            (SelectionItem::Field(known), SelectionItem::Field(new)) => {
                known.selection_identifier() == new.selection_identifier()
            }
            (SelectionItem::InlineFragment(known), SelectionItem::InlineFragment(new)) => {
                known.type_condition == new.type_condition
            }
            _ => false,
        });
        match (known, item) {
            (Some(SelectionItem::Field(known)), SelectionItem::Field(new)) => {
                merge(&mut known.selections.items, new.selections.items);
            }
            (Some(SelectionItem::InlineFragment(known)), SelectionItem::InlineFragment(new)) => {
                merge(&mut known.selections.items, new.selections.items);
            }
            (_, item) => items.push(item),
        }
    }
}

/// How many leaves there are.
fn size(items: &[SelectionItem]) -> usize {
    leaves(items).len()
}

fn print(items: &[SelectionItem]) -> String {
    SelectionSet { items: items.to_vec() }.to_string()
}

/// How many lists a type is in.
fn lists(ty: &schema::Type) -> usize {
    match ty {
        schema::Type::NamedType(_) => 0,
        schema::Type::ListType(inner) => 1 + lists(inner),
        schema::Type::NonNullType(inner) => lists(inner),
    }
}
