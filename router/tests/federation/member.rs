//! Members of unions and interfaces with fields of the same name and other types.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

async fn holders() -> Stage {
    let typed = |name: &str, id: &str| json!({ "__typename": name, "id": id });
    let all: Value = json!([typed("Box", "1"), typed("Bag", "2"), typed("Crate", "3")]);
    Stage::open(
        "member",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "holders": all, "things": all },
                    "Box": [{ "id": "1", "content": { "id": "b" }, "size": { "value": 3 }, "many": [{ "id": "b" }, { "id": "c" }] }],
                    "Bag": [{ "id": "2", "content": { "id": "f" }, "size": { "value": 2.5, "unit": "g" }, "many": { "id": "f" } }],
                    "Crate": [{ "id": "3", "content": [{ "id": "c" }, { "id": "b" }] }],
                    "Book": [{ "id": "b", "name": "Dune" }, { "id": "c", "name": null }],
                    "Film": [{ "id": "f", "name": "Heat" }],
                }),
            ),
            subgraph(
                "b",
                json!({
                    "Book": [{ "id": "b", "pages": 500, "rating": 4 }, { "id": "c", "pages": 9, "rating": null }],
                    "Film": [{ "id": "f", "minutes": 170, "rating": 4.5 }],
                }),
            ),
            subgraph(
                "c",
                json!({
                    "Box": [{ "id": "1", "owner": { "id": "p" } }],
                    "Bag": [{ "id": "2", "owner": { "id": "q" } }],
                    "Person": [{ "id": "p", "name": "Ann" }],
                    "Firm": [{ "id": "q", "name": "Acme" }],
                }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn objects_of_different_types_under_one_key() {
    let stage = holders().await;
    let data = json!([{ "content": { "id": "b" } }, { "content": { "id": "f" } }, {}]);
    for root in ["holders", "things"] {
        stage
            .gives(
                &format!("{{ {root} {{ ... on Box {{ content {{ id }} }} ... on Bag {{ content {{ id }} }} }} }}"),
                json!({ root: data }),
            )
            .await;
    }
    stage
        .gives(
            "{ holders { ... on Box { size { value: __typename v: value } } ... on Bag { size { value: __typename unit } } } }",
            json!({ "holders": [{ "size": { "value": "Size", "v": 3 } }, { "size": { "value": "Weight", "unit": "g" } }, {}] }),
        )
        .await;
}

#[tokio::test]
async fn their_fields_of_other_types_are_asked_apart() {
    let stage = holders().await;
    stage
        .gives(
            "{ holders { ... on Box { content { name pages } } ... on Bag { content { n: name minutes __typename } } } }",
            json!({ "holders": [
                { "content": { "name": "Dune", "pages": 500 } },
                { "content": { "n": "Heat", "minutes": 170, "__typename": "Film" } }, {},
            ] }),
        )
        .await;
    stage
        .gives(
            "{ things { id ... on Box { content { id pages } size { v: value } } ... on Bag { content { id minutes } size { w: value unit } } } }",
            json!({ "things": [
                { "id": "1", "content": { "id": "b", "pages": 500 }, "size": { "v": 3 } },
                { "id": "2", "content": { "id": "f", "minutes": 170 }, "size": { "w": 2.5, "unit": "g" } },
                { "id": "3" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn entities_of_different_types_under_one_key() {
    let stage = holders().await;
    stage
        .gives(
            "{ holders { ... on Box { owner { name id } } ... on Bag { owner { id name } } } }",
            json!({ "holders": [
                { "owner": { "name": "Ann", "id": "p" } }, { "owner": { "id": "q", "name": "Acme" } }, {},
            ] }),
        )
        .await;
}
