//! `@requires` of fields with arguments: every requirement and the client may
//! want other ones.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

async fn products() -> Stage {
    let product = |id: &str, cents: i64, maker: Value| json!({ "id": id, "cents": cents, "own": format!("p{id}"), "maker": maker });
    let firm = json!({ "__typename": "Firm" });
    let person = json!({ "__typename": "Person", "age": 5 });
    let title = |name: &'static str| {
        move |_: &Value, arguments: &Value| match arguments["short"] == true {
            true => name[..1].into(),
            false => name.into(),
        }
    };
    Stage::open(
        "argument",
        vec![
            subgraph(
                "product",
                json!({
                    "Query": { "products": { "$all": "Product" }, "product": { "$find": "Product" } },
                    "Product": [product("1", 100, firm), product("2", 7, person)],
                }),
            )
            .field("Product.price", |it, arguments| {
                let factor = match arguments["currency"].as_str() {
                    Some("USD") => 2,
                    Some("KRW") => 1000,
                    Some("EUR") => 1,
                    _ => 0,
                };
                (it["cents"].as_i64().unwrap() * factor).into()
            })
            .field("Product.name", |it, arguments| {
                let style = &arguments["style"];
                let name = match style["upper"] == true {
                    true => text(&it["own"]).to_uppercase(),
                    false => text(&it["own"]).to_owned(),
                };
                format!("{name}{}", style["suffix"].as_str().unwrap_or_default()).into()
            })
            .field("Product.parts", |it, arguments| {
                let first = arguments["first"].as_i64().unwrap_or(0).min(3);
                (0..first).map(|part| json!({ "id": format!("{}{part}", text(&it["id"])) })).collect()
            })
            .field("Firm.title", title("Firm"))
            .field("Person.title", title("Person")),
            subgraph("shipping", json!({}))
                .field("Product.usd", |it, _| it["price"].clone())
                .field("Product.eur", |it, _| it["price"].clone())
                .field("Product.default", |it, _| it["price"].clone()),
            subgraph("tax", json!({})).field("Product.sum", |it, _| {
                (it["usd"].as_i64().unwrap() + it["price"].as_i64().unwrap()).into()
            }),
            subgraph("text", json!({}))
                .field("Product.loud", |it, _| format!("{} {}", text(&it["name"]), it["sum"]).into())
                .field("Product.quiet", |it, _| {
                    format!("{} {}", text(&it["name"]), text(&it["maker"]["title"])).into()
                })
                .field("Product.two", |it, _| it["parts"].to_string().into())
                .field("Product.one", |it, _| format!("{} {}", it["parts"], it["price"]).into()),
            subgraph("part", json!({})).field("Part.weight", |it, arguments| {
                let grams = text(&it["id"]).parse::<i64>().unwrap() * 1000;
                match arguments["unit"] == "kg" {
                    true => (grams / 1000).into(),
                    false => grams.into(),
                }
            }),
        ],
    )
    .await
}

#[tokio::test]
async fn a_chain_requires_the_same_field_with_several_arguments() {
    let stage = products().await;
    stage
        .gives(
            "{ products { usd eur default } }",
            json!({ "products": [
                { "usd": 200, "eur": 100, "default": 100 }, { "usd": 14, "eur": 7, "default": 7 },
            ] }),
        )
        .await;
    stage.gives("{ product(id: \"1\") { sum } }", json!({ "product": { "sum": 100_200 } })).await;
    stage
        .gives(
            "{ product(id: \"1\") { sum usd eur default } }",
            json!({ "product": { "sum": 100_200, "usd": 200, "eur": 100, "default": 100 } }),
        )
        .await;
}

#[tokio::test]
async fn the_clients_arguments_and_aliases_do_not_meet_those_required() {
    let stage = products().await;
    stage
        .gives(
            "{ product(id: \"1\") { price(currency: KRW) eur usd sum loud } }",
            json!({ "product": { "price": 100_000, "eur": 100, "usd": 200, "sum": 100_200, "loud": "P1! 100200" } }),
        )
        .await;
    stage
        .gives(
            "{ product(id: \"1\") { usd: price(currency: EUR) price: usd eur: sum sum: price } }",
            json!({ "product": { "usd": 100, "price": 200, "eur": 100_200, "sum": 100 } }),
        )
        .await;
    stage
        .gives_with(
            "query ($c: Currency!) { products { p: price(currency: $c) price(currency: $c) name: sum own: name(style: { suffix: \"?\" }) } }",
            json!({ "c": "USD" }),
            json!({ "products": [
                { "p": 200, "price": 200, "name": 100_200, "own": "p1?" },
                { "p": 14, "price": 14, "name": 7_014, "own": "p2?" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn objects_lists_and_members_are_required_with_arguments() {
    let stage = products().await;
    stage
        .gives(
            "{ products { loud quiet name maker { title ... on Person { age } } } }",
            json!({ "products": [
                { "loud": "P1! 100200", "quiet": "p1 F", "name": "p1", "maker": { "title": "Firm" } },
                { "loud": "P2! 7014", "quiet": "p2 P", "name": "p2", "maker": { "title": "Person", "age": 5 } },
            ] }),
        )
        .await;
    let two = r#"[{"__typename":"Part","id":"10","weight":10000},{"__typename":"Part","id":"11","weight":11000}]"#;
    let one = r#"[{"__typename":"Part","weight":10}]"#;
    stage
        .gives(
            "{ product(id: \"1\") { two one parts(first: 3) { id weight(unit: \"kg\") } } }",
            json!({ "product": {
                "two": two.replace("\"__typename\":\"Part\",", ""),
                "one": format!("{} 100", one.replace("\"__typename\":\"Part\",", "")),
                "parts": [{ "id": "10", "weight": 10 }, { "id": "11", "weight": 11 }, { "id": "12", "weight": 12 }],
            } }),
        )
        .await;
}
