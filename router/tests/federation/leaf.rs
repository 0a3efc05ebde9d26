//! Values that do not fit their types: null with an error, as far up as it must.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

async fn rows(query: Value) -> Stage {
    let late = json!([{ "id": "1", "late": "soon" }, { "id": "2", "late": 2 }]);
    Stage::open(
        "leaf",
        vec![
            subgraph("a", json!({ "Query": query })).careless(),
            subgraph("b", json!({ "Row": late })).careless(),
        ],
    )
    .await
}

#[tokio::test]
async fn a_built_in_scalar_of_the_wrong_kind_is_null() {
    let row = |value: Value| json!({ "id": 7, "int": value, "float": value, "text": value, "flag": value, "any": value });
    let query = "{ row { id int float text flag any } }";
    for (value, kept) in [
        (json!({ "a": 1 }), json!({})),
        (json!([1, "b"]), json!({})),
        (json!(1.5), json!({ "float": 1.5 })),
        (json!(3_000_000_000_i64), json!({ "float": 3_000_000_000_i64 })),
        (json!(7), json!({ "int": 7, "float": 7 })),
        (json!("true"), json!({ "text": "true" })),
        (json!(true), json!({ "flag": true })),
    ] {
        let mut data = json!({ "id": "7", "int": null, "float": null, "text": null, "flag": null, "any": value });
        let mut paths = Vec::new();
        for field in ["int", "float", "text", "flag"] {
            match kept.get(field) {
                Some(value) => data[field] = value.clone(),
                None => paths.push(json!(["row", field])),
            }
        }
        let stage = rows(json!({ "row": row(value) })).await;
        stage.fails(query, json!({ "row": data }), paths.into()).await;
    }
}

#[tokio::test]
async fn a_whole_number_may_be_written_as_a_float() {
    let stage = rows(json!({ "row": { "int": 2.0, "ints": [1, 1e3, -0.0] } })).await;
    let response = stage.ask("{ row { int ints } }").await;
    assert_eq!(response, json!({ "data": { "row": { "int": 2, "ints": [1, 1000, 0] } } }));
}

#[tokio::test]
async fn what_may_not_be_null_takes_its_object_along() {
    let inner = json!({ "int": "1", "texts": ["a"] });
    let stage = rows(json!({
        "must": { "int": 1, "inner": inner, "texts": ["a"] },
        "grid": [[1], [2, "x"]],
        "rows": [{ "id": "1" }, { "id": "2" }, { "id": true }],
    }))
    .await;
    stage
        .fails(
            "{ must { int inner { int } } }",
            json!({ "must": { "int": 1, "inner": null } }),
            json!([["must", "inner", "int"]]),
        )
        .await;
    stage.fails("{ grid }", json!({ "grid": null }), json!([["grid", 1, 1]])).await;
    stage
        .fails(
            "{ rows { id late } }",
            json!({ "rows": [null, { "id": "2", "late": 2 }, null] }),
            json!([["rows", 0, "late"], ["rows", 2, "id"]]),
        )
        .await;
    let stage = rows(json!({ "must": { "texts": ["a", 1] } })).await;
    stage.fails("{ must { texts } }", json!({ "must": null }), json!([["must", "texts", 1]])).await;
}

#[tokio::test]
async fn enums_and_types_that_are_unknown_or_inaccessible_are_null() {
    let stage = rows(json!({
        "level": "SECRET",
        "row": { "level": 1, "levels": ["LOW", "MIDDLE"] },
        "thing": { "__typename": "Bomb", "size": 9 },
        "things": [{ "__typename": "Cup", "size": 1 }, { "__typename": "Bomb", "size": 2 }],
    }))
    .await;
    stage.fails("{ level }", json!({ "level": null }), json!([["level"]])).await;
    stage
        .fails(
            "{ row { level levels } }",
            json!({ "row": { "level": null, "levels": null } }),
            json!([["row", "level"], ["row", "levels", 1]]),
        )
        .await;
    stage
        .fails(
            "{ thing { __typename ... on Cup { size } } }",
            json!({ "thing": null }),
            json!([["thing"]]),
        )
        .await;
    stage
        .fails(
            "{ things { __typename ... on Cup { size } } }",
            json!({ "things": null }),
            json!([["things", 1]]),
        )
        .await;
}
