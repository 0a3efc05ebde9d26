//! Subgraphs in the style of Federation 1.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

async fn stage() -> Stage {
    let user = |id: &str, name: &str, rank: Value| json!({ "id": id, "name": name, "rank": rank, "role": "ADMIN", "login": { "name": name } });
    let stars = |it: &Value, _: &Value| json!(it["rank"].as_i64().map(|rank| rank * 2));
    Stage::open(
        "legacy",
        vec![
            subgraph(
                "user",
                json!({ "Query": { "me": { "id": "1" }, "users": [{ "id": "1" }, null, { "id": "2" }] },
                        "User": [user("1", "Ann", 3.into()), user("2", "Bo", Value::Null)] }),
            ),
            subgraph(
                "review",
                json!({
                    "Query": { "reviews": [{ "id": "r1", "body": "good", "author": { "id": "1", "name": "Ann" } },
                                           { "id": "r2", "body": null, "author": null }] },
                    "User": [{ "id": "1", "reviews": [{ "id": "r1", "body": "good", "author": { "id": "1", "name": "Ann" } }] },
                             { "id": "2", "reviews": [] }],
                }),
            )
            .field("User.stars", stars),
            subgraph("badge", json!({ "User": [{ "id": "1", "badges": ["gold"] }, { "id": "2", "badges": null }] })),
            subgraph("award", json!({}))
                .field("User.awards", |it, _| it["rank"].as_i64().unwrap_or(0).into()),
            subgraph(
                "mystery",
                json!({ "Query": { "celebrity": { "id": "2", "nick": "B." } },
                        "User": [{ "id": "1", "nick": "A." }, { "id": "2", "nick": "B." }] }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn extended_types_are_entities() {
    stage()
        .await
        .gives(
            "{ me { name badges reviews { body author { badges login { name } } } } users { id role badges nick } }",
            json!({
                "me": { "name": "Ann", "badges": ["gold"],
                        "reviews": [{ "body": "good", "author": { "badges": ["gold"], "login": { "name": "Ann" } } }] },
                "users": [
                    { "id": "1", "role": "ADMIN", "badges": ["gold"], "nick": "A." },
                    null,
                    { "id": "2", "role": "ADMIN", "badges": null, "nick": "B." },
                ],
            }),
        )
        .await;
}

#[tokio::test]
async fn external_fields_are_provided_and_required() {
    let stage = stage().await;
    stage
        .gives(
            "{ reviews { author { id name } } }",
            json!({ "reviews": [{ "author": { "id": "1", "name": "Ann" } }, { "author": null }] }),
        )
        .await;
    assert_eq!(stage.count("user"), 0);
    stage
        .gives(
            "{ users { stars awards } me { awards } }",
            json!({ "users": [{ "stars": 6, "awards": 3 }, null, { "stars": null, "awards": 0 }], "me": { "awards": 3 } }),
        )
        .await;
}

#[tokio::test]
async fn an_external_field_that_nothing_uses_belongs_to_its_owner() {
    stage()
        .await
        .gives(
            "{ celebrity { id name nick } }",
            json!({ "celebrity": { "id": "2", "name": "Bo", "nick": "B." } }),
        )
        .await;
}
