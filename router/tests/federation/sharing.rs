//! `@shareable` roots and values, `@override`, `@inaccessible`, and entities
//! whose parents are entities.

use router::Config;
use serde_json::json;

use super::{stage::Stage, subgraph::subgraph};

async fn shared() -> Stage {
    let a = json!({ "id": "1", "name": { "brand": "Acme", "full": "Acme X" } });
    let b = json!({ "id": "1", "name": { "model": "X", "full": "Acme X" }, "price": { "amount": 5, "currency": "KRW" } });
    Stage::open(
        "shareable",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "product": a, "products": [a], "onlyA": "a",
                               "config": { "version": 1, "a": "from a", "limits": { "low": 1 } } },
                    "Product": [a],
                }),
            ),
            subgraph(
                "b",
                json!({
                    "Query": { "product": b, "products": [b], "onlyB": "b",
                               "config": { "version": 1, "b": "from b", "limits": { "high": 9 } } },
                    "Product": [b],
                }),
            ),
            subgraph("c", json!({ "Query": { "config": { "c": null }, "viewer": { "cart": 3 } } })),
            subgraph("d", json!({ "Query": { "viewer": { "name": "Ann" } } })),
        ],
    )
    .await
}

#[tokio::test]
async fn a_shared_root_is_merged_from_all_that_have_its_fields() {
    let stage = shared().await;
    stage
        .gives("{ viewer { name cart } }", json!({ "viewer": { "name": "Ann", "cart": 3 } }))
        .await;
    stage
        .gives(
            "{ config { version a b c } onlyA onlyB }",
            json!({ "config": { "version": 1, "a": "from a", "b": "from b", "c": null }, "onlyA": "a", "onlyB": "b" }),
        )
        .await;
    stage
        .gives(
            "{ config { limits { low high } } }",
            json!({ "config": { "limits": { "low": 1, "high": 9 } } }),
        )
        .await;
}

#[tokio::test]
async fn one_subgraph_is_enough_where_it_has_everything() {
    let stage = shared().await;
    stage
        .gives(
            "{ product { id name { full } } }",
            json!({ "product": { "id": "1", "name": { "full": "Acme X" } } }),
        )
        .await;
    assert_eq!(stage.count("a") + stage.count("b"), 1);
}

#[tokio::test]
async fn a_shared_value_is_merged_field_by_field() {
    let stage = shared().await;
    let product = json!({ "name": { "brand": "Acme", "model": "X", "full": "Acme X" }, "price": { "amount": 5, "currency": "KRW" } });
    stage
        .gives(
            "{ product { name { brand model full } price { amount currency } } }",
            json!({ "product": product }),
        )
        .await;
    stage
        .gives(
            "{ products { name { brand model full } price { amount currency } } }",
            json!({ "products": [product] }),
        )
        .await;
}

#[tokio::test]
async fn a_shared_root_asked_twice_under_aliases() {
    shared()
        .await
        .gives(
            "{ one: viewer { name } two: viewer { cart n: name } }",
            json!({ "one": { "name": "Ann" }, "two": { "cart": 3, "n": "Ann" } }),
        )
        .await;
}

async fn overridden() -> Stage {
    let post = |id: &str| json!({ "id": id, "title": "old title", "likes": 7, "body": "some words", "size": -1 });
    Stage::open(
        "override",
        vec![
            subgraph(
                "old",
                json!({ "Query": { "posts": { "$all": "Post" }, "feed": [{ "id": "2" }] }, "Post": [post("1"), post("2")] }),
            ),
            subgraph(
                "new",
                json!({
                    "Query": { "newest": { "id": "2" } },
                    "Post": [{ "id": "1", "title": "new title", "likes": 7 }, { "id": "2", "title": "newer", "likes": 7 }],
                }),
            )
            .field("Post.words", |it, _| it["body"].as_str().map_or(0, |body| body.split(' ').count()).into())
            .field("Post.size", |it, _| it["body"].as_str().map_or(0, str::len).into()),
        ],
    )
    .await
}

#[tokio::test]
async fn an_overridden_field_comes_from_the_new_subgraph() {
    let stage = overridden().await;
    stage
        .gives(
            "{ posts { id title likes } feed { title } }",
            json!({
                "posts": [{ "id": "1", "title": "new title", "likes": 7 }, { "id": "2", "title": "newer", "likes": 7 }],
                "feed": [{ "title": "newer" }],
            }),
        )
        .await;
    stage
        .gives(
            "{ newest { title body } }",
            json!({ "newest": { "title": "newer", "body": "some words" } }),
        )
        .await;
}

#[tokio::test]
async fn an_override_may_require() {
    overridden()
        .await
        .gives(
            "{ posts { size words } newest { size } }",
            json!({ "posts": [{ "size": 10, "words": 2 }, { "size": 10, "words": 2 }], "newest": { "size": 10 } }),
        )
        .await;
}

#[tokio::test]
async fn an_overridden_field_of_an_interface() {
    let photo = |created: &str| json!({ "__typename": "Photo", "id": "p1", "createdAt": created });
    let stage = Stage::open(
        "override_interface",
        vec![
            subgraph(
                "a",
                json!({ "Query": { "feed": [photo("a")], "anotherFeed": [photo("a")] }, "Photo": [photo("a")] }),
            ),
            subgraph(
                "b",
                json!({
                    "Query": { "bFeed": [photo("b"), { "__typename": "Note", "id": "n1", "createdAt": "b" }] },
                    "Photo": [photo("b")],
                }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ feed { id createdAt } bFeed { createdAt id } anotherFeed { createdAt } }",
            json!({
                "feed": [{ "id": "p1", "createdAt": "a" }],
                "bFeed": [{ "createdAt": "a", "id": "p1" }, { "createdAt": "b", "id": "n1" }],
                "anotherFeed": [{ "createdAt": "a" }],
            }),
        )
        .await;
    stage
        .gives(
            "{ bFeed { ... on Photo { createdAt } ... on Note { createdAt } } }",
            json!({ "bFeed": [{ "createdAt": "a" }, { "createdAt": "b" }] }),
        )
        .await;
}

async fn rolled_out(labels: &[(&str, f64)]) -> Stage {
    let post =
        |from: &str| json!({ "id": "1", "title": from, "body": from, "state": from, "half": from });
    let mut config = Config::default();
    config.overrides.labels =
        labels.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    Stage::open_with(
        "override_progressive",
        vec![
            subgraph(
                "old",
                json!({ "Query": { "posts": { "$all": "Post" } }, "Post": [post("old")] }),
            ),
            subgraph("new", json!({ "Post": [post("new")] })),
        ],
        config,
    )
    .await
}

#[tokio::test]
async fn a_label_is_off_until_it_is_rolled_out() {
    let query = "{ posts { title body state } }";
    let posts =
        |title: &str| json!({ "posts": [{ "title": title, "body": "new", "state": "old" }] });
    rolled_out(&[]).await.gives(query, posts("old")).await;
    rolled_out(&[("rollout", 100.0)]).await.gives(query, posts("new")).await;
    rolled_out(&[("rollout", 0.0)]).await.gives(query, posts("old")).await;
}

#[tokio::test]
async fn a_share_of_the_requests_takes_the_override() {
    let stage = rolled_out(&[]).await;
    let mut seen = std::collections::BTreeSet::new();
    // The chance that all of them go one way is 2^-199.
    for _ in 0..200 {
        let response = stage.ask("{ posts { half } }").await;
        seen.insert(response["data"]["posts"][0]["half"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["new", "old"]);
}

async fn hidden() -> Stage {
    let user = |id: &str, kind: &str| json!({ "id": id, "name": format!("n{id}"), "kind": kind, "friend": { "id": "1" } });
    Stage::open(
        "inaccessible",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": {
                        "users": { "$all": "User" },
                        "things": [{ "__typename": "Cup", "id": "c1", "size": 2 }],
                        "holders": [{ "__typename": "Box", "id": "x1", "code": "k" }],
                        "find": "found",
                    },
                    "User": [user("1", "OPEN"), user("2", "OPEN")],
                }),
            ),
            subgraph(
                "b",
                json!({
                    "User": [{ "id": "1", "age": 30, "ssn": "x", "masked": "*" }, { "id": "2", "age": 40, "ssn": "y", "masked": "*" }],
                    "Cup": [{ "id": "c1", "handle": true }],
                }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn an_inaccessible_key_still_leads_on() {
    let stage = hidden().await;
    stage
        .gives(
            "{ users { name kind age friend { age masked } } things { ... on Cup { size handle } } holders { id __typename } }",
            json!({
                "users": [
                    { "name": "n1", "kind": "OPEN", "age": 30, "friend": { "age": 30, "masked": "*" } },
                    { "name": "n2", "kind": "OPEN", "age": 40, "friend": { "age": 30, "masked": "*" } },
                ],
                "things": [{ "size": 2, "handle": true }],
                "holders": [{ "id": "x1", "__typename": "Box" }],
            }),
        )
        .await;
}

#[tokio::test]
async fn what_is_inaccessible_cannot_be_asked_for() {
    let stage = hidden().await;
    for query in [
        "{ users { id } }",
        "{ users { ssn } }",
        "{ secrets }",
        "{ things { ... on Bomb { id } } }",
        "{ holders { code } }",
        "{ holders { ... on Vault { id } } }",
        "{ find(hidden: 1) }",
        "{ find(by: { token: \"t\" }) }",
        "{ _entities(representations: []) { __typename } }",
        "{ _service { sdl } }",
    ] {
        stage.refuses(query).await;
    }
    stage.gives("{ find(by: { name: \"n\" }) }", json!({ "find": "found" })).await;
    stage
        .gives(
            "{ __type(name: \"User\") { fields { name } } bomb: __type(name: \"Bomb\") { name } kind: __type(name: \"Kind\") { enumValues { name } } }",
            json!({
                "__type": { "fields": [{ "name": "name" }, { "name": "kind" }, { "name": "friend" }, { "name": "age" }, { "name": "masked" }] },
                "bomb": null,
                "kind": { "enumValues": [{ "name": "OPEN" }] },
            }),
        )
        .await;
}

#[tokio::test]
async fn an_entity_inside_an_entity_is_called_with_its_parent() {
    let stage = Stage::open(
        "entity_call",
        vec![
            subgraph("catalog", json!({ "Query": { "products": [{ "id": "1", "pid": "p1" }, { "id": "2", "pid": "p2" }] } })),
            subgraph(
                "detail",
                json!({ "Product": [
                    { "id": "1", "name": "Lamp", "category": { "name": "Light", "details": { "text": "t1", "extra": "e1" } } },
                    { "id": "2", "name": "Sofa", "category": null },
                ] }),
            ),
            subgraph(
                "category",
                json!({ "Product": [
                    { "id": "1", "pid": "p1", "name": "Lamp", "category": { "id": "c1", "details": { "products": 4, "text": "t1" } } },
                    { "id": "2", "pid": "p2", "name": "Sofa", "category": null },
                ] }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ products { id category { name details { products } } } }",
            json!({ "products": [
                { "id": "1", "category": { "name": "Light", "details": { "products": 4 } } },
                { "id": "2", "category": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ products { name category { id details { extra products text } } } }",
            json!({ "products": [
                { "name": "Lamp", "category": { "id": "c1", "details": { "extra": "e1", "products": 4, "text": "t1" } } },
                { "name": "Sofa", "category": null },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn tags_change_nothing_and_are_not_shown() {
    let stage = Stage::open(
        "tag",
        vec![
            subgraph(
                "a",
                json!({ "Query": { "items": { "$all": "Item" } }, "Item": [{ "id": "1", "name": "Lamp" }] }),
            ),
            subgraph("b", json!({ "Item": [{ "id": "1", "state": "ON" }] })),
        ],
    )
    .await;
    stage
        .gives(
            "{ items { name(short: true) state } }",
            json!({ "items": [{ "name": "Lamp", "state": "ON" }] }),
        )
        .await;
    let response = stage.ask("{ __schema { directives { name } } }").await;
    let shown = response["data"]["__schema"]["directives"].as_array().expect("directives");
    assert!(shown.contains(&json!({ "name": "skip" })), "{response}");
    assert!(!shown.contains(&json!({ "name": "tag" })), "{response}");
}
