//! Keys: simple, compound, nested, several of them, null ones.

use serde_json::{Value, json};

use super::{
    stage::Stage,
    subgraph::{Subgraph, subgraph},
};

fn shop() -> Vec<Subgraph> {
    let catalog = json!({
        "Query": {
            "products": { "$all": "Product" },
            "product": { "$find": "Product" },
            "sections": [
                { "title": "Home", "products": [{ "id": "p1" }, { "id": "p2" }] },
                { "title": "Empty", "products": [] },
            ],
        },
        "Product": [
            { "id": "p1", "sku": "s1", "name": "Lamp", "brand": { "code": "b", "country": "KR" } },
            { "id": "p2", "sku": "s2", "name": "Sofa", "brand": { "code": "b", "country": "KR" } },
            { "id": "p3", "sku": "s1", "name": "Rug", "brand": { "code": "c", "country": null } },
        ],
    });
    let stock = json!({ "Product": [
        { "sku": "s1", "brand": { "code": "c" }, "barcode": "333", "inStock": 3 },
        { "sku": "s1", "brand": { "code": "b" }, "barcode": "111", "inStock": 1 },
    ] });
    let label = json!({
        "Query": { "scan": { "$find": "Product" } },
        "Product": [{ "barcode": "111", "text": "one" }, { "barcode": "333", "text": "three" }],
    });
    let shelf = json!({ "Section": [
        { "title": "Home", "products": [{ "id": "p1" }, { "id": "p2" }], "aisle": 4 },
        { "title": "Empty", "products": [], "aisle": 5 },
    ] });
    vec![
        subgraph("catalog", catalog),
        subgraph("stock", stock),
        subgraph("label", label),
        subgraph("shelf", shelf),
    ]
}

#[tokio::test]
async fn a_compound_key_with_an_object_tells_entities_apart() {
    let stage = Stage::open("key", shop()).await;
    stage
        .gives(
            "{ products { name inStock } }",
            json!({ "products": [
                { "name": "Lamp", "inStock": 1 },
                { "name": "Sofa", "inStock": null },
                { "name": "Rug", "inStock": 3 },
            ] }),
        )
        .await;
    let asked = &stage.requests("stock")[0].variables["representations"];
    let lamp = json!({ "__typename": "Product", "sku": "s1", "brand": { "code": "b" } });
    assert_eq!(asked[0], lamp, "nothing but the key is sent");
}

#[tokio::test]
async fn another_key_is_fetched_where_the_first_does_not_lead_on() {
    let stage = Stage::open("key", shop()).await;
    stage
        .fails(
            "{ products { id text } }",
            json!({ "products": [{ "id": "p1", "text": "one" }, null, { "id": "p3", "text": "three" }] }),
            json!([["products", 1, "text"]]),
        )
        .await;
    stage
        .gives("{ product(id: \"p3\") { text } }", json!({ "product": { "text": "three" } }))
        .await;
}

#[tokio::test]
async fn keys_lead_back_the_other_way_too() {
    let stage = Stage::open("key", shop()).await;
    stage
        .gives(
            "{ scan(barcode: \"111\") { text inStock name brand { code country } } }",
            json!({ "scan": { "text": "one", "inStock": 1, "name": "Lamp",
                              "brand": { "code": "b", "country": "KR" } } }),
        )
        .await;
    stage.gives("{ scan(barcode: \"9\") { text name } }", json!({ "scan": null })).await;
}

#[tokio::test]
async fn a_key_may_hold_a_list_of_objects() {
    let stage = Stage::open("key", shop()).await;
    stage
        .gives(
            "{ sections { aisle products { name } } }",
            json!({ "sections": [
                { "aisle": 4, "products": [{ "name": "Lamp" }, { "name": "Sofa" }] },
                { "aisle": 5, "products": [] },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn aliases_do_not_disturb_keys() {
    let stage = Stage::open("key", shop()).await;
    stage
        .gives(
            "{ all: products { sku: name id: sku brand: inStock inStock: __typename } }",
            json!({ "all": [
                { "sku": "Lamp", "id": "s1", "brand": 1, "inStock": "Product" },
                { "sku": "Sofa", "id": "s2", "brand": null, "inStock": "Product" },
                { "sku": "Rug", "id": "s1", "brand": 3, "inStock": "Product" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn a_key_is_found_through_a_chain_of_subgraphs() {
    let user = |name: &str| json!({ "id": name, "uuid": format!("u{name}") });
    let stage = Stage::open(
        "key_chain",
        vec![
            subgraph(
                "a",
                json!({ "Query": { "users": [{ "id": "2" }, { "id": "1" }, { "id": "2" }] } }),
            ),
            subgraph("b", json!({ "User": [user("1"), user("2")] })),
            subgraph(
                "c",
                json!({ "User": [{ "uuid": "u1", "email": "e1" }, { "uuid": "u2", "email": "e2" }] }),
            ),
            subgraph(
                "d",
                json!({ "User": [
                    { "email": "e1", "profile": { "theme": "dark", "owner": { "email": "e1" } } },
                    { "email": "e2", "profile": { "theme": "light", "owner": { "email": "e2" } } },
                ] }),
            ),
            subgraph(
                "e",
                json!({ "Profile": [
                    { "owner": { "email": "e1" }, "karma": 10 },
                    { "owner": { "email": "e2" }, "karma": 20 },
                ] }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ users { profile { theme karma } } }",
            json!({ "users": [
                { "profile": { "theme": "light", "karma": 20 } },
                { "profile": { "theme": "dark", "karma": 10 } },
                { "profile": { "theme": "light", "karma": 20 } },
            ] }),
        )
        .await;
    for name in ["b", "c", "d", "e"] {
        assert_eq!(stage.count(name), 1, "{name} is asked once for all users");
    }
    let asked = &stage.requests("b")[0].variables["representations"];
    assert_eq!(asked.as_array().unwrap().len(), 2, "equal entities are sent once");
}

async fn books() -> Stage {
    let id = |id: Value| json!({ "id": id });
    Stage::open(
        "key_null",
        vec![
            subgraph(
                "a",
                json!({ "Query": {
                    "books": [id(json!("1")), null, id(Value::Null), id(json!("3")), id(json!("2"))],
                    "shelf": [[id(json!("2"))], null, [], [null, id(json!("1"))]],
                    "best": id(Value::Null),
                } }),
            ),
            subgraph(
                "b",
                json!({ "Book": [
                    { "id": "1", "isbn": "i1", "title": "One" },
                    { "id": "2", "isbn": null, "title": "Two" },
                ] }),
            ),
            subgraph("c", json!({ "Book": [{ "isbn": "i1", "author": { "id": "a1" } }] })),
            subgraph("d", json!({ "Author": [{ "id": "a1", "name": "Ann", "nick": null }] })),
        ],
    )
    .await
}

#[tokio::test]
async fn a_null_key_or_an_unknown_entity_leaves_its_fields_null() {
    let stage = books().await;
    stage
        .gives(
            "{ books { id author { name nick } } best { author { name } } }",
            json!({ "books": [
                { "id": "1", "author": { "name": "Ann", "nick": null } },
                null,
                { "id": null, "author": null },
                { "id": "3", "author": null },
                { "id": "2", "author": null },
            ], "best": { "author": null } }),
        )
        .await;
}

#[tokio::test]
async fn what_may_not_be_null_takes_its_object_along() {
    let stage = books().await;
    stage
        .fails(
            "{ books { title } }",
            json!({ "books": [{ "title": "One" }, null, null, null, { "title": "Two" }] }),
            json!([["books", 2, "title"], ["books", 3, "title"]]),
        )
        .await;
}

#[tokio::test]
async fn lists_of_lists_keep_their_shape() {
    books()
        .await
        .gives(
            "{ shelf { title author { name } } }",
            json!({ "shelf": [
                [{ "title": "Two", "author": null }],
                null,
                [],
                [null, { "title": "One", "author": { "name": "Ann" } }],
            ] }),
        )
        .await;
}
