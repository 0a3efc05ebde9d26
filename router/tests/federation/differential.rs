//! Random operations over the schemas of all cases: the router must answer like
//! one server that has all of their data.

use std::{collections::BTreeSet, sync::Arc};

use graphql_tools::{parser::parse_query, static_graphql::query};
use serde_json::{Value, json};

use super::{random, stage::Stage, subgraph::Service, world::World};

/// How many operations are tried on each case. To look closer: `MOIM_OPERATIONS` for
/// more, `MOIM_CASE` for one case, `MOIM_OPERATION` for one operation.
const OPERATIONS: u64 = 12;
/// Most random operations for each valid one.
const SEEDS_PER_OPERATION: u64 = 20;
/// Most failures that are told of a case, the shortest ones.
const MAX_TOLD: usize = 3;

/// The names of all cases.
fn cases() -> BTreeSet<String> {
    let folder = format!("{}/tests/federation/schema", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let names = files.map(|name| name.into_string().unwrap());
    names.filter_map(|name| Some(name.split_once(".supergraph.graphql")?.0.to_owned())).collect()
}

/// A case whose subgraphs have a made-up world, beside one server that has all of it.
pub(super) struct Trial {
    case: String,
    server: Arc<Service>,
    pub(super) stage: Stage,
}

impl Trial {
    pub(super) async fn open(case: &str) -> Self {
        let world = World::new(&Stage::sdls(case), &Stage::supergraph(case));
        let stage = Stage::open_world(case, &world).await;
        Self { case: case.to_owned(), server: World::server(&world), stage }
    }

    /// Whether an operation is valid, and what is wrong with its response.
    async fn failure(&self, text: &str, variables: &Value) -> Option<Result<(), String>> {
        let expected = self.server.answer(text, variables);
        expected.get("data")?;
        self.stage.forget();
        let response = self.stage.ask_with(text, variables.clone()).await;
        let refused = self.stage.refusals();
        let told = self.stage.told();
        if response == expected && refused.is_empty() {
            return Some(Ok(()));
        }
        Some(Err(format!(
            "{}\n{text} {variables}\ngot      {response}\nexpected {expected}\nrefused {refused:?}{told}",
            self.case
        )))
    }

    /// The operation gives what the server gives, whatever is in its variables `x` and `y`.
    pub(super) async fn holds(&self, text: &str) {
        let values = [(true, true), (true, false), (false, true), (false, false)];
        let used = |name: &str| text.contains(&format!("${name}: Boolean"));
        for (x, y) in values.into_iter().filter(|it| (it.0 || used("x")) && (it.1 || used("y"))) {
            let mut variables = json!({});
            for (name, value) in [("x", x), ("y", y)] {
                if used(name) {
                    variables[name] = value.into();
                }
            }
            let outcome = self.failure(text, &variables).await.expect("the operation is valid");
            outcome.unwrap_or_else(|failure| panic!("{failure}"));
        }
    }

    /// Takes away what does not matter to a failure.
    async fn smallest(&self, text: String, variables: &Value, mut failure: String) -> String {
        let mut text = text;
        let mut at = 0;
        while let Some(shorter) = without(&text, at) {
            match self.failure(&shorter, variables).await {
                Some(Err(still)) => (text, failure) = (shorter, still),
                _ => at += 1,
            }
        }
        failure
    }

    /// How many operations were valid, and what went wrong.
    async fn failures(&self, operations: u64) -> (u64, Vec<String>) {
        let (mut tried, mut failures) = (0, Vec::new());
        if let Ok(text) = std::env::var("MOIM_OPERATION") {
            let failure = self.failure(&text, &json!({})).await;
            panic!("{}", failure.expect("it is valid").expect_err("it is right"));
        }
        for seed in 0..operations * SEEDS_PER_OPERATION {
            if tried == operations {
                break;
            }
            let random::Operation { text, variables } = random::operation(&self.server.types, seed);
            let variables = Value::from(variables);
            let Some(outcome) = self.failure(&text, &variables).await else { continue };
            tried += 1;
            if let Err(failure) = outcome {
                failures.push(match failures.len() < MAX_TOLD {
                    true => self.smallest(text, &variables, failure).await,
                    false => failure,
                });
            }
        }
        (tried, failures)
    }
}

/// The operation without its selection of this number, counted from outside; None
/// where it has no more.
fn without(text: &str, at: usize) -> Option<String> {
    let mut document = parse_query::<String>(text).unwrap().into_static();
    let mut left = at;
    let is_found = document.definitions.iter_mut().any(|definition| {
        let set = match definition {
            query::Definition::Fragment(it) => &mut it.selection_set,
            query::Definition::Operation(query::OperationDefinition::Query(it)) => {
                &mut it.selection_set
            }
            query::Definition::Operation(query::OperationDefinition::Mutation(it)) => {
                &mut it.selection_set
            }
            query::Definition::Operation(_) => return false,
        };
        take(set, &mut left)
    });
    is_found.then(|| {
        document.definitions.retain(|it| match it {
            query::Definition::Fragment(it) => !it.selection_set.items.is_empty(),
            query::Definition::Operation(_) => true,
        });
        document.to_string()
    })
}

/// Whether there was one of that number. An inner set that would be empty goes with
/// what is around it.
fn take(set: &mut query::SelectionSet, left: &mut usize) -> bool {
    for index in 0..set.items.len() {
        if *left == 0 {
            set.items.remove(index);
            return true;
        }
        *left -= 1;
        let inner = match &mut set.items[index] {
            query::Selection::Field(it) => &mut it.selection_set,
            query::Selection::InlineFragment(it) => &mut it.selection_set,
            query::Selection::FragmentSpread(_) => continue,
        };
        if take(inner, left) {
            if inner.items.is_empty() {
                set.items.remove(index);
            }
            return true;
        }
    }
    false
}

async fn all_cases_of(part: usize, parts: usize) {
    let operations = std::env::var("MOIM_OPERATIONS").ok().and_then(|it| it.parse().ok());
    let only = std::env::var("MOIM_CASE").ok();
    let mut told = String::new();
    for (number, case) in cases().into_iter().enumerate() {
        if number % parts != part || only.as_ref().is_some_and(|only| *only != case) {
            continue;
        }
        let operations = operations.unwrap_or(OPERATIONS);
        let (tried, mut failures) = Trial::open(&case).await.failures(operations).await;
        assert_eq!(tried, operations, "{case}: few operations are valid");
        if !failures.is_empty() {
            failures.sort_by_key(String::len);
            told += &format!("\n== {case}: {} of {tried}\n", failures.len());
            failures.truncate(MAX_TOLD);
            told += &failures.join("\n\n");
        }
    }
    assert!(told.is_empty(), "{told}");
}

#[tokio::test]
async fn random_operations_give_what_one_server_gives() {
    all_cases_of(0, 2).await;
}

#[tokio::test]
async fn random_operations_give_what_one_server_gives_too() {
    all_cases_of(1, 2).await;
}
