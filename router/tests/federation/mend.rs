//! Operations that the planner alone finds no way for, or plans wrong, each under the name of what is done
//! about it. They are what random operations led to (`random.rs`), at their smallest, and must give what one
//! server with all the data gives.

use super::differential::Trial;

/// All of them hold.
async fn hold(case: &str, operations: &[&str]) {
    let trial = Trial::open(case).await;
    for operation in operations {
        trial.holds(operation).await;
    }
}

/// In the planner's search a subgraph is entered once.
#[tokio::test]
async fn a_path_comes_back_to_a_subgraph() {
    hold(
        "loop",
        &[
            "{ products { reviews { of { worth } } } }",
            "{ customers { reviews { by { orders { id } } } } }",
            "{ orders { customer { reviews { by { reviews { of { reviews { of { worth name } } } } } } } } }",
        ],
    )
    .await;
    hold(
        "override_chain",
        &[
            "{ users { city { mayor { nick } } } }",
            "{ old { city { mayor { city { mayor { nick } } } } } }",
        ],
    )
    .await;
}

/// Its plan is cut at the entity, and the piece begins there with a key.
#[tokio::test]
async fn an_operation_is_cut_at_entities_inside_lists_of_lists() {
    hold(
        "partial_key",
        &[
            "{ ab { z last kind } }",
            "{ rows { cell { value row3 { last tag } } } }",
            "{ ab { last } rows { last x } }",
        ],
    )
    .await;
    hold("requires_hops", &["{ boxes { grid { effort label } } }"]).await;
}

#[tokio::test]
async fn requirements_chain_over_several_subgraphs() {
    hold(
        "requires_hops",
        &[
            "{ item { load } }",
            "{ items { effort } }",
            "{ items { route } stored { label route title } }",
            "{ boxes { sum items { load } } }",
        ],
    )
    .await;
    hold("market", &["{ products { rank } }", "{ products { related { worth score rank } } }"])
        .await;
    hold("partial_key", &["{ rows { last } }"]).await;
}

#[tokio::test]
async fn what_is_provided_on_another_path_is_not_taken_for_provided() {
    let trial = Trial::open("provides_deep").await;
    trial.holds("{ feed { author { name } } }").await;
    assert_eq!(trial.stage.count("b"), 0, "here it is provided");
    trial.holds("{ top { author { best { author { name } } } } }").await;
    assert!(trial.stage.count("b") > 0, "here it isn't");
    trial.holds("{ shelf { first { ... on Post { body { text html } title likes } } all { ... on Page { title } } } }").await;
}

/// On its way to a concrete type the planner stops at an interface object.
#[tokio::test]
async fn an_interface_object_is_left_for_the_concrete_type() {
    hold(
        "interface_stub",
        &[
            "{ playlists { items { ... on Book { title } } } }",
            "{ playlists { first { ... on Clip { fans } ... on Book { fans author { name best { ... on Clip { fans } } } } } items { ... on Book { author { id: best { id } } } } } }",
            "{ playlists { first { ... on Clip { seconds } } items { __typename ... on Book { author { id } fans } } } }",
        ],
    )
    .await;
}

#[tokio::test]
async fn fields_of_an_interface_object_are_not_forgotten() {
    hold(
        "interface_object",
        &[
            "{ show(id: \"x\") { ... on Series { votes { of { ... on Series { id } } } stars } } }",
            "query($x: Boolean!) { worst { label ... on Movie { t: __typename @skip(if: $x) badge } } }",
            "{ worst { ... on Series { votes { by } stars } ... on Movie { id label } } }",
        ],
    )
    .await;
    hold(
        "requires_object",
        &["{ rated { ... on Series { crowned } ... on Movie { id crowned } } }"],
    )
    .await;
}

#[tokio::test]
async fn members_ask_an_interface_objects_field_with_arguments_of_their_own() {
    hold(
        "interface_object",
        &["{ random { ... on Movie { votes(min: 4) { by } } ... on Series { votes(min: 2) { by } } } }"],
    )
    .await;
    hold(
        "requires_object",
        &["{ shows { ... on Series { votes(min: 6) } ... on Movie { votes(min: 1) verdict { word } } } }"],
    )
    .await;
}

/// `User.id` may be null and `Admin.id` not: under one key a subgraph would refuse them.
#[tokio::test]
async fn members_field_types_differ_further_inside() {
    hold(
        "mismatch",
        &[
            "{ accounts { ... on User { similar { ... on Admin { id } } } ... on Admin { similar { ... on User { id } } } } }",
            "{ accounts { ... on Admin { similar { ... on User { similar { ... on Admin { id } } } ... on Admin { similar { ... on User { id } } } } } } }",
        ],
    )
    .await;
}

/// The planner asks for what several fields need under the condition of one of them, so it sees no conditions.
#[tokio::test]
async fn conditions_are_decided_before_planning() {
    hold(
        "market",
        &[
            "query($x: Boolean!, $y: Boolean!) { products { rank score @include(if: $x) worth @skip(if: $y) } }",
            "query($x: Boolean!, $y: Boolean!) { product(id: \"p\") { related @include(if: $x) { rank } related @include(if: $y) { score price } } }",
        ],
    )
    .await;
    hold(
        "requires_circular",
        &["query($x: Boolean!, $y: Boolean!) { feed { author @include(if: $x) { name } byNovice @include(if: $y) byExpert } }"],
    )
    .await;
    hold(
        "loop",
        &["query($x: Boolean!) { products { reviews { of { worth } } reviews @skip(if: $x) { __typename } } }"],
    )
    .await;
}

#[tokio::test]
async fn a_root_field_of_a_mutation_that_is_cut_is_asked_once() {
    let trial = Trial::open("mutation_share").await;
    trial.holds("mutation { wipe { id parent { hint } } }").await;
    let mutations = |name: &str| {
        let requests = trial.stage.requests(name).into_iter();
        requests.filter(|it| it.query.starts_with("mutation")).count()
    };
    assert_eq!(["a", "b", "c"].map(mutations), [0, 1, 0]);
    trial
        .holds("query($x: Boolean!) { things { warm @include(if: $x) hint parent { parent { hint } } } }")
        .await;
    trial
        .holds("mutation { one: touch(id: \"1\") { hint } reset(input: { ids: [\"1\"] }) { ok thing { hint } } two: touch(id: \"2\") { warm } }")
        .await;
    assert_eq!(["a", "b", "c"].map(mutations).iter().sum::<usize>(), 3);
}
