//! `@requires`: arguments, objects, lists, fragments, chains, circles.

use serde_json::{Value, json};

use super::{
    stage::Stage,
    subgraph::{Subgraph, subgraph},
};

fn number(value: &Value) -> i64 {
    value.as_f64().map_or(-1, |number| {
        #[expect(clippy::cast_possible_truncation, reason = "small test data")]
        let number = number as i64;
        number
    })
}

fn products() -> Vec<Subgraph> {
    let size =
        |width: i64| json!({ "width": width, "height": 2, "unit": { "name": "cm", "factor": 10 } });
    let product = json!({
        "Query": { "products": { "$all": "Product" }, "product": { "$find": "Product" } },
        "Product": [
            { "id": "1", "weight": 2.0, "size": size(3),
              "parts": [{ "code": "a", "grams": 5 }, { "code": "b", "grams": 6 }],
              "maker": { "__typename": "Firm", "country": "KR", "staff": 9 } },
            { "id": "2", "weight": null, "size": size(4), "parts": [],
              "maker": { "__typename": "Person", "country": "FR", "age": 50 } },
        ],
    });
    let sum =
        |list: &Value| list.as_array().unwrap().iter().map(|it| number(&it["grams"])).sum::<i64>();
    vec![
        subgraph("product", product).field("Product.price", |it, arguments| {
            let base = if it["id"] == "1" { 100 } else { 200 };
            match arguments["currency"].as_str() {
                Some("USD") => base.into(),
                Some("KRW") => (base * 1000).into(),
                _ => (base - 10).into(),
            }
        }),
        subgraph("shipping", json!({}))
            .field("Product.shipping", |it, _| match &it["weight"] {
                Value::Null => Value::Null,
                weight => (number(&it["price"]) * number(weight)).into(),
            })
            .field("Product.volume", |it, _| {
                let size = &it["size"];
                let sides = number(&size["width"]) * number(&size["height"]);
                (sides * number(&size["unit"]["factor"])).into()
            })
            .field("Product.grams", move |it, _| sum(&it["parts"]).into())
            .field("Product.duty", |it, _| {
                let maker = &it["maker"];
                format!("{} {} {}", maker["country"], maker["staff"], maker["age"]).into()
            })
            .field("Product.quote", |it, _| it["price"].clone()),
        subgraph("tax", json!({})).field("Product.tax", |it, _| {
            (number(&it["shipping"]).max(0) + number(&it["volume"])).into()
        }),
        subgraph("invoice", json!({}))
            .field("Product.total", |it, _| (number(&it["tax"]) + number(&it["weight"])).into()),
    ]
}

#[tokio::test]
async fn required_fields_are_fetched_first_and_not_shown() {
    Stage::open("requires", products())
        .await
        .gives(
            "{ products { volume } }",
            json!({ "products": [{ "volume": 60 }, { "volume": 80 }] }),
        )
        .await;
}

#[tokio::test]
async fn a_requirement_of_null_is_sent_as_null() {
    Stage::open("requires", products())
        .await
        .gives(
            "{ products { shipping } }",
            json!({ "products": [{ "shipping": 200 }, { "shipping": null }] }),
        )
        .await;
}

#[tokio::test]
async fn a_required_argument_does_not_meet_the_clients() {
    let stage = Stage::open("requires", products()).await;
    stage
        .gives(
            "{ products { id price shipping } }",
            json!({ "products": [
                { "id": "1", "price": 90, "shipping": 200 },
                { "id": "2", "price": 190, "shipping": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ product(id: \"1\") { price(currency: \"KRW\") shipping eur: price } }",
            json!({ "product": { "price": 100_000, "shipping": 200, "eur": 90 } }),
        )
        .await;
}

#[tokio::test]
async fn two_fields_may_require_the_same_field_with_other_arguments() {
    Stage::open("requires", products())
        .await
        .gives(
            "{ product(id: \"1\") { shipping quote } }",
            json!({ "product": { "shipping": 200, "quote": 100_000 } }),
        )
        .await;
}

#[tokio::test]
async fn lists_and_fragments_can_be_required() {
    Stage::open("requires", products())
        .await
        .gives(
            "{ products { grams duty parts { code } } }",
            json!({ "products": [
                { "grams": 11, "duty": "\"KR\" 9 null", "parts": [{ "code": "a" }, { "code": "b" }] },
                { "grams": 0, "duty": "\"FR\" null 50", "parts": [] },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn requirements_of_requirements_chain() {
    let stage = Stage::open("requires", products()).await;
    stage
        .gives("{ products { tax } }", json!({ "products": [{ "tax": 260 }, { "tax": 80 }] }))
        .await;
    stage
        .gives("{ products { total } }", json!({ "products": [{ "total": 262 }, { "total": 79 }] }))
        .await;
}

#[tokio::test]
async fn the_client_may_alias_what_is_required() {
    Stage::open("requires", products())
        .await
        .gives(
            "{ products { weight: id size: volume price: weight s: size { height: width width: height } } }",
            json!({ "products": [
                { "weight": "1", "size": 60, "price": 2.0, "s": { "height": 3, "width": 2 } },
                { "weight": "2", "size": 80, "price": null, "s": { "height": 4, "width": 2 } },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn a_requirement_may_lead_in_a_circle() {
    let stage = Stage::open(
        "requires_circular",
        vec![
            subgraph("a", json!({ "Query": { "feed": [{ "id": "p1" }, { "id": "p2" }] } }))
                .field("Post.byExpert", |it, _| json!(it["byNovice"] == false)),
            subgraph(
                "b",
                json!({ "Post": [
                    { "id": "p1", "author": { "id": "a1" } },
                    { "id": "p2", "author": { "id": "a2" } },
                ] }),
            )
            .field("Post.byNovice", |it, _| json!(number(&it["author"]["years"]) < 3)),
            subgraph(
                "c",
                json!({ "Author": [
                    { "id": "a1", "name": "Ann", "years": 1 },
                    { "id": "a2", "name": "Bo", "years": 7 },
                ] }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ feed { byNovice } }",
            json!({ "feed": [{ "byNovice": true }, { "byNovice": false }] }),
        )
        .await;
    stage
        .gives(
            "{ feed { byExpert } }",
            json!({ "feed": [{ "byExpert": false }, { "byExpert": true }] }),
        )
        .await;
    stage
        .gives(
            "{ feed { id byExpert byNovice author { name } } }",
            json!({ "feed": [
                { "id": "p1", "byExpert": false, "byNovice": true, "author": { "name": "Ann" } },
                { "id": "p2", "byExpert": true, "byNovice": false, "author": { "name": "Bo" } },
            ] }),
        )
        .await;
}

async fn orders() -> Stage {
    let line = |count: i64, product: &str| json!({ "count": count, "product": { "id": product } });
    Stage::open(
        "requires_nested",
        vec![
            subgraph(
                "order",
                json!({ "Query": { "orders": { "$all": "Order" } }, "Order": [
                    { "id": "1", "lines": [line(2, "a"), line(1, "b")], "buyer": { "id": "u1" } },
                    { "id": "2", "lines": [line(3, "b")], "buyer": null },
                    { "id": "3", "lines": [], "buyer": { "id": "u2" } },
                ] }),
            ),
            subgraph(
                "catalog",
                json!({ "Product": [
                    { "id": "a", "cents": 100, "kind": "SOLID", "tags": ["x", "y"] },
                    { "id": "b", "cents": 10, "kind": "LIQUID", "tags": null },
                ] }),
            ),
            subgraph(
                "user",
                json!({ "User": [
                    { "id": "u1", "address": { "zip": "1", "city": { "code": "SEL" } } },
                    { "id": "u2", "address": null },
                ] }),
            ),
            subgraph("city", json!({ "City": [{ "code": "SEL", "rate": 7 }] })),
            subgraph("bill", json!({}))
                .field("Order.sum", |it, _| {
                    let lines = it["lines"].as_array().unwrap().iter();
                    let cents =
                        lines.map(|it| number(&it["count"]) * number(&it["product"]["cents"]));
                    cents.sum::<i64>().into()
                })
                .field("Order.kinds", |it, _| {
                    let lines = it["lines"].as_array().unwrap().iter();
                    let told = lines
                        .map(|it| format!("{} {}", it["product"]["kind"], it["product"]["tags"]));
                    told.collect::<Vec<_>>().into()
                })
                .field("Order.rate", |it, _| it["buyer"]["address"]["city"]["rate"].clone()),
        ],
    )
    .await
}

#[tokio::test]
async fn entities_inside_a_required_list_are_fetched_for_it() {
    let stage = orders().await;
    stage
        .gives(
            "{ orders { sum } }",
            json!({ "orders": [{ "sum": 210 }, { "sum": 30 }, { "sum": 0 }] }),
        )
        .await;
    stage
        .gives(
            "{ orders { kinds lines { product { id } } } }",
            json!({ "orders": [
                { "kinds": ["\"SOLID\" [\"x\",\"y\"]", "\"LIQUID\" null"],
                  "lines": [{ "product": { "id": "a" } }, { "product": { "id": "b" } }] },
                { "kinds": ["\"LIQUID\" null"], "lines": [{ "product": { "id": "b" } }] },
                { "kinds": [], "lines": [] },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn a_requirement_may_lie_behind_several_subgraphs() {
    orders()
        .await
        .gives(
            "{ orders { rate } }",
            json!({ "orders": [{ "rate": 7 }, { "rate": null }, { "rate": null }] }),
        )
        .await;
}
