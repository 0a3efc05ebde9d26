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

/// `catalog` has titles and weights by id, `stock` loads by serial: only `register`
/// knows both keys.
async fn items() -> Stage {
    let serial = |number: i64| json!({ "series": "s", "number": number });
    let item = |id: i64| json!({ "id": id.to_string() });
    Stage::open(
        "requires_hops",
        vec![
            subgraph(
                "catalog",
                json!({
                    "Query": { "items": { "$all": "Item" }, "boxes": { "$all": "Box" } },
                    "Item": [
                        { "id": "1", "title": "Lamp", "weight": 4 },
                        { "id": "2", "title": "Sofa", "weight": null },
                        { "id": "3", "title": "Rug", "weight": 7 },
                    ],
                    "Box": [{ "code": "x", "items": [item(3), item(1)] }, { "code": "y", "items": [] }],
                }),
            ),
            subgraph(
                "register",
                json!({ "Query": { "serials": [item(3), null, item(1)] }, "Item": [
                    { "id": "1", "serial": serial(10) },
                    { "id": "2", "serial": serial(20) },
                    { "id": "3", "serial": serial(30) },
                ] }),
            ),
            subgraph(
                "stock",
                json!({ "Query": { "stored": [{ "serial": serial(30) }] }, "Item": [
                    { "serial": serial(10), "shelf": { "place": "a" } },
                    { "serial": serial(20), "shelf": null },
                    { "serial": serial(30), "shelf": { "place": "b" } },
                ] }),
            )
            .field("Item.load", |it, _| (number(&it["weight"]) * 2).into())
            .field("Item.label", |it, _| format!("{} {}", it["title"], it["weight"]).into()),
            subgraph(
                "plan",
                json!({ "Item": [
                    { "id": "1", "weight2": 40 }, { "id": "2", "weight2": null }, { "id": "3", "weight2": 70 },
                ] }),
            )
            .field("Item.effort", |it, _| (number(&it["load"]) + 1).into())
            .field("Item.route", |it, _| {
                let shelf = &it["shelf"];
                format!("{} {} {}", it["load"], shelf["place"], shelf["floor"]).into()
            })
            .field("Box.sum", |it, _| {
                let items = it["items"].as_array().unwrap().iter();
                items.map(|it| number(&it["load"]) + number(&it["weight2"])).sum::<i64>().into()
            }),
            subgraph(
                "building",
                json!({ "Shelf": [
                    { "place": "a", "floor": 1, "top": { "serial": serial(30) } },
                    { "place": "b", "floor": null, "top": null },
                ] }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn a_requirement_is_met_over_the_key_of_a_third_subgraph() {
    let stage = items().await;
    stage
        .gives(
            "{ items { label load } }",
            json!({ "items": [
                { "label": "\"Lamp\" 4", "load": 8 },
                { "label": "\"Sofa\" null", "load": -2 },
                { "label": "\"Rug\" 7", "load": 14 },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ stored { load title } serials { label } }",
            json!({
                "stored": [{ "load": 14, "title": "Rug" }],
                "serials": [{ "label": "\"Rug\" 7" }, null, { "label": "\"Lamp\" 4" }],
            }),
        )
        .await;
}

#[tokio::test]
async fn a_chain_of_requirements_crosses_a_third_subgraph_twice() {
    let stage = items().await;
    stage
        .gives(
            "{ items { effort } stored { effort id } }",
            json!({
                "items": [{ "effort": 9 }, { "effort": -1 }, { "effort": 15 }],
                "stored": [{ "effort": 15, "id": "3" }],
            }),
        )
        .await;
    stage
        .gives(
            "{ items { route shelf { top { label effort } } } }",
            json!({ "items": [
                { "route": "8 \"a\" 1", "shelf": { "top": { "label": "\"Rug\" 7", "effort": 15 } } },
                { "route": "-2 null null", "shelf": null },
                { "route": "14 \"b\" null", "shelf": { "top": null } },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn a_list_is_required_whose_items_require_in_turn() {
    items()
        .await
        .gives(
            "{ boxes { code sum items { load } } }",
            json!({ "boxes": [
                { "code": "x", "sum": 132, "items": [{ "load": 14 }, { "load": 8 }] },
                { "code": "y", "sum": 0, "items": [] },
            ] }),
        )
        .await;
}

async fn deliveries() -> Stage {
    Stage::open(
        "requires_condition",
        vec![
            subgraph(
                "order",
                json!({
                    "Query": { "orders": { "$all": "Order" }, "order": { "$find": "Order" } },
                    "Order": [
                        { "id": "1", "total": 5, "buyer": { "tier": 2, "name": "Ann" },
                          "gift": { "__typename": "Card", "id": "c", "text": "Hi" } },
                        { "id": "2", "total": 7, "buyer": null,
                          "gift": { "__typename": "Box", "id": "b", "size": 3 } },
                    ],
                }),
            ),
            subgraph("shipping", json!({}))
                .field("Order.delivery", |it, _| {
                    let fee = number(&it["total"]) * 10 + number(&it["buyer"]["tier"]);
                    json!({ "fee": fee, "label": format!("<{fee}>"), "carrier": { "code": "dhl" } })
                })
                .field("Order.wrapping", |it, _| {
                    format!("{} {}", it["gift"]["text"], it["gift"]["size"]).into()
                }),
            subgraph("carrier", json!({ "Carrier": [{ "code": "dhl", "name": "DHL" }] }))
                .field("Order.days", |it, _| (number(&it["delivery"]["fee"]) + 1).into()),
            subgraph(
                "shop",
                json!({
                    "Card": [{ "id": "c", "price": 1 }],
                    "Box": [{ "id": "b", "price": 9, "material": "wood" }],
                }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn conditions_inside_a_field_that_requires() {
    let stage = deliveries().await;
    let query = "query($x: Boolean!, $y: Boolean!) { order(id: \"1\") { days @include(if: $y) delivery { \
                 fee @include(if: $x) ... @skip(if: $x) { label } carrier @include(if: $y) { name @skip(if: $x) code } } } }";
    for (x, y, expected) in [
        (
            true,
            true,
            json!({ "days": 53, "delivery": { "fee": 52, "carrier": { "code": "dhl" } } }),
        ),
        (true, false, json!({ "delivery": { "fee": 52 } })),
        (
            false,
            true,
            json!({ "days": 53, "delivery": { "label": "<52>", "carrier": { "name": "DHL", "code": "dhl" } } }),
        ),
        (false, false, json!({ "delivery": { "label": "<52>" } })),
    ] {
        stage.gives_with(query, json!({ "x": x, "y": y }), json!({ "order": expected })).await;
    }
}

#[tokio::test]
async fn conditions_inside_what_is_required() {
    let stage = deliveries().await;
    let query = "query($x: Boolean!) { orders { buyer @include(if: $x) { tier @skip(if: $x) name } total @skip(if: $x) \
                 wrapping gift { ... on Card @include(if: $x) { text } ... on Box { size @skip(if: $x) price } } days } }";
    stage
        .gives_with(
            query,
            json!({ "x": true }),
            json!({ "orders": [
                { "buyer": { "name": "Ann" }, "wrapping": "\"Hi\" null", "gift": { "text": "Hi" }, "days": 53 },
                { "buyer": null, "wrapping": "null 3", "gift": { "price": 9 }, "days": 70 },
            ] }),
        )
        .await;
    stage
        .gives_with(
            query,
            json!({ "x": false }),
            json!({ "orders": [
                { "total": 5, "wrapping": "\"Hi\" null", "gift": {}, "days": 53 },
                { "total": 7, "wrapping": "null 3", "gift": { "size": 3, "price": 9 }, "days": 70 },
            ] }),
        )
        .await;
}
