//! `@provides`: what a path brings along is not fetched again.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

fn typed(name: &str, id: &str) -> Value {
    json!({ "__typename": name, "id": id })
}

async fn stage() -> Stage {
    let film = json!({ "__typename": "Film", "id": "f1", "title": "Alien" });
    let dish = |id: &str| json!({ "id": id, "name": format!("dish {id}") });
    let review = json!({
        "Query": {
            "reviews": [{ "id": "r1", "author": { "id": "u1", "name": "Ann" }, "critic": { "id": "u2" } }],
            "plain": [{ "id": "r2", "author": { "id": "u2", "name": "Bo" }, "critic": { "id": "u1" } }],
            "mentions": [{ "of": film }, { "of": typed("Book", "b1") }, { "of": null }],
            "pick": film,
            "menu": { "id": "m1", "sections": [
                { "id": "s1", "dishes": [dish("d1"), dish("d2")] },
                { "id": "s2", "dishes": [] },
            ] },
        },
    });
    Stage::open(
        "provides",
        vec![
            subgraph("review", review),
            subgraph(
                "user",
                json!({ "User": [
                    { "id": "u1", "name": "Ann", "email": "a@x" },
                    { "id": "u2", "name": "Bo", "email": null },
                ] }),
            ),
            subgraph(
                "media",
                json!({
                    "Film": [{ "id": "f1", "title": "Alien", "year": 1979 }],
                    "Book": [{ "id": "b1", "title": "Dune", "pages": 600 }],
                }),
            ),
            subgraph(
                "kitchen",
                json!({
                    "Menu": [{ "id": "m1", "sections": [{ "id": "s1" }, { "id": "s2" }] }],
                    "Section": [{ "id": "s1", "title": "Hot", "dishes": [{ "id": "d1" }, { "id": "d2" }] },
                                { "id": "s2", "title": "Cold", "dishes": [] }],
                    "Dish": [{ "id": "d1", "name": "dish d1", "price": 9 }, { "id": "d2", "name": "dish d2", "price": 8 }],
                }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn a_provided_field_is_not_fetched_elsewhere() {
    let stage = stage().await;
    stage
        .gives(
            "{ reviews { author { name } } }",
            json!({ "reviews": [{ "author": { "name": "Ann" } }] }),
        )
        .await;
    assert_eq!(stage.count("user"), 0);
}

#[tokio::test]
async fn the_same_field_on_a_path_without_it_is_fetched() {
    let stage = stage().await;
    stage
        .gives(
            "{ reviews { author { name email } critic { name } } plain { critic { name email } author { name } } }",
            json!({
                "reviews": [{ "author": { "name": "Ann", "email": "a@x" }, "critic": { "name": "Bo" } }],
                "plain": [{ "critic": { "name": "Ann", "email": "a@x" }, "author": { "name": "Bo" } }],
            }),
        )
        .await;
}

#[tokio::test]
async fn on_an_interface_only_some_members_bring_it() {
    let stage = stage().await;
    stage
        .gives(
            "{ mentions { of { __typename title } } }",
            json!({ "mentions": [
                { "of": { "__typename": "Film", "title": "Alien" } },
                { "of": { "__typename": "Book", "title": "Dune" } },
                { "of": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ mentions { of { id ... on Film { title year } ... on Book { title pages } } } }",
            json!({ "mentions": [
                { "of": { "id": "f1", "title": "Alien", "year": 1979 } },
                { "of": { "id": "b1", "title": "Dune", "pages": 600 } },
                { "of": null },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn on_a_union() {
    let stage = stage().await;
    stage
        .gives(
            "{ pick { ... on Film { title } ... on Book { title } } }",
            json!({ "pick": { "title": "Alien" } }),
        )
        .await;
    assert_eq!(stage.count("media"), 0);
    stage
        .gives(
            "{ pick { __typename ... on Film { id year } } }",
            json!({ "pick": { "__typename": "Film", "id": "f1", "year": 1979 } }),
        )
        .await;
}

#[tokio::test]
async fn nested_in_lists() {
    let stage = stage().await;
    stage
        .gives(
            "{ menu { sections { dishes { name } } } }",
            json!({ "menu": { "sections": [
                { "dishes": [{ "name": "dish d1" }, { "name": "dish d2" }] }, { "dishes": [] },
            ] } }),
        )
        .await;
    assert_eq!(stage.count("kitchen"), 0);
    stage
        .gives(
            "{ menu { sections { title dishes { id name price } } } }",
            json!({ "menu": { "sections": [
                { "title": "Hot", "dishes": [
                    { "id": "d1", "name": "dish d1", "price": 9 }, { "id": "d2", "name": "dish d2", "price": 8 },
                ] },
                { "title": "Cold", "dishes": [] },
            ] } }),
        )
        .await;
}
