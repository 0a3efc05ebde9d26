//! Limits on what clients may ask for, as clients meet them.

use std::sync::OnceLock;

use http::{Method, StatusCode};
use proptest::prelude::*;
use router::Config;
use serde_json::{Value, json};

use crate::{
    http::{Reply, send},
    shop::{Shop, serve},
};

const JSON: (&str, &str) = ("content-type", "application/json");
const GRAPHQL: (&str, &str) = ("accept", "application/graphql-response+json");

async fn endpoint(shop: &Shop, change: impl FnOnce(&mut Config)) -> String {
    let mut config = shop.config();
    change(&mut config);
    let router = shop.router_with(config).await;
    format!("{}/graphql", serve(router.routes()).await)
}

async fn ask(url: &str, body: &Value) -> Reply {
    send(Method::POST, url, &[JSON], &body.to_string()).await
}

/// The first error's code, value and limit.
fn refusal(reply: &Reply) -> (String, u64, u64) {
    let answer = reply.json();
    let extensions = &answer["errors"][0]["extensions"];
    let number = |name: &str| extensions[name].as_u64().unwrap_or_default();
    let code = extensions["code"].as_str().unwrap_or_default().to_owned();
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    if extensions.get("limit").is_some() {
        assert!(message.contains(&number("value").to_string()), "{message}");
        assert!(message.contains(&number("limit").to_string()), "{message}");
    }
    (code, number("value"), number("limit"))
}

/// `{ me { me { … } } }`, so many fields deep. What is too deep is refused before
/// it is found that it doesn't fit the schema.
fn deep(levels: usize) -> String {
    format!("{{ {} x {} }}", "me { ".repeat(levels - 1), "}".repeat(levels - 1))
}

#[tokio::test]
async fn every_limit_is_on_and_says_what_it_is() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let many = |count: usize, field: &dyn Fn(usize) -> String| {
        let fields: Vec<_> = (0..count).map(field).collect();
        format!("{{ {} }}", fields.join(" "))
    };
    let nested = "fragment F on User { id ...G ...G } fragment G on User { ...H ...H ...H ...H } \
                  fragment H on User { id id id id id id id id id id }";
    for (document, refused) in [
        (deep(15), ("GRAPHQL_VALIDATION_FAILED", 0, 0)),
        (deep(16), ("DEPTH_LIMIT_EXCEEDED", 16, 15)),
        (deep(1_000), ("DEPTH_LIMIT_EXCEEDED", 1_000, 200)),
        (many(101, &|n| format!("a{n}: __typename")), ("ALIAS_LIMIT_EXCEEDED", 101, 100)),
        (many(51, &|_| "__typename".into()), ("ROOT_FIELD_LIMIT_EXCEEDED", 51, 50)),
        (
            many(101, &|_| "me @include(if: true) { id }".into()),
            ("DIRECTIVE_LIMIT_EXCEEDED", 101, 100),
        ),
        (many(15_000, &|_| "me".into()), ("TOKEN_LIMIT_EXCEEDED", 15_002, 15_000)),
        (
            format!("{{ me {{ {} }} }} {nested}", "...F ".repeat(60)),
            ("FIELD_LIMIT_EXCEEDED", 60 * (1 + 1 + 2 * (1 + 4 * 11)) + 1, 5_000),
        ),
    ] {
        let (code, value, limit) = refused;
        let reply = ask(&url, &json!({ "query": document })).await;
        assert_eq!(refusal(&reply), (code.to_owned(), value, limit));
        let body = json!({ "query": document }).to_string();
        let reply = send(Method::POST, &url, &[JSON, GRAPHQL], &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }
    let large = json!({ "query": "{ me { id } }", "x": "x".repeat(1024 * 1024) }).to_string();
    let reply = send(Method::POST, &url, &[JSON], &large).await;
    let length = large.len() as u64;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refusal(&reply), ("BODY_LIMIT_EXCEEDED".to_owned(), length, 1024 * 1024));
    assert_eq!(shop.count("user") + shop.count("product"), 0);
}

#[tokio::test]
async fn limits_are_configured_and_switched_off() {
    let shop = Shop::open().await;
    let limits = "limits: { depth: 2, aliases: 1, root_fields: null, cost: null }";
    let config = Config::from_yaml(limits).unwrap();
    let url = endpoint(&shop, |it| it.limits = config.limits).await;
    let reply = ask(&url, &json!({ "query": deep(3) })).await;
    assert_eq!(refusal(&reply), ("DEPTH_LIMIT_EXCEEDED".to_owned(), 3, 2));
    let reply = ask(&url, &json!({ "query": "{ a: me { id } b: me { id } }" })).await;
    assert_eq!(refusal(&reply), ("ALIAS_LIMIT_EXCEEDED".to_owned(), 2, 1));
    let reply = ask(&url, &json!({ "query": format!("{{ {} }}", "__typename ".repeat(99)) })).await;
    assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }));
    assert!(Config::from_yaml("limits: { deepness: 2 }").is_err());
}

#[tokio::test]
async fn introspection_as_graphiql_sends_it_passes_and_no_deeper_one() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let of_type = |levels: usize| {
        format!(
            "{}{}",
            "kind name ofType { ".repeat(levels),
            "name }".to_owned() + &" }".repeat(levels - 1)
        )
    };
    let graphiql = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name kind }} mutationType {{ name }} \
           types {{ ...FullType }} directives {{ name locations args {{ ...InputValue }} }} }} }} \
         fragment FullType on __Type {{ kind name description fields(includeDeprecated: true) {{ \
           name args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }} }} \
           inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }} enumValues {{ name }} \
           possibleTypes {{ ...TypeRef }} }} \
         fragment InputValue on __InputValue {{ name type {{ ...TypeRef }} defaultValue }} \
         fragment TypeRef on __Type {{ {} }}",
        of_type(9)
    );
    let reply = ask(&url, &json!({ "query": graphiql })).await;
    assert_eq!(reply.json().get("errors"), None);
    let round =
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    let reply = ask(&url, &json!({ "query": round })).await;
    assert_eq!(refusal(&reply), ("DEPTH_LIMIT_EXCEEDED".to_owned(), 3, 2));
    let deep = format!("{{ __schema {{ types {{ {} }} }} }}", of_type(25));
    let reply = ask(&url, &json!({ "query": deep })).await;
    assert_eq!(refusal(&reply), ("DEPTH_LIMIT_EXCEEDED".to_owned(), 27, 20));
}

#[tokio::test]
async fn the_cost_is_told_when_asked_for() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |config| config.limits.cost = Some(30)).await;
    let query = "{ products { upc reviews { body } } }";
    let reply = ask(&url, &json!({ "query": query, "extensions": { "cost": true } })).await.json();
    assert_eq!(reply["extensions"], json!({ "cost": { "value": 30, "limit": 30 } }));
    assert!(reply["data"]["products"][0]["upc"].is_string());
    let reply = ask(&url, &json!({ "query": "{ me { id } }" })).await;
    assert_eq!(reply.json(), json!({ "data": { "me": { "id": "u1" } } }));
    let reply =
        ask(&url, &json!({ "query": "{ products { upc reviews { body } } me { id } }" })).await;
    assert_eq!(refusal(&reply), ("COST_LIMIT_EXCEEDED".to_owned(), 31, 30));
    assert_eq!(shop.count("product"), 1);
}

#[tokio::test]
async fn the_cost_follows_what_variables_say() {
    let sdl = include_str!("fixtures/shop.graphql");
    let sliced = sdl.replace("  products: [", "  products(first: Int): [");
    assert_ne!(sdl, sliced);
    let router = router::Router::builder(sliced, Config::default()).build().await.unwrap();
    let url = format!("{}/graphql", serve(router.routes()).await);
    let query = "query($n: Int) { products(first: $n) { upc } }";
    let with = |n: u64| json!({ "query": query, "variables": { "n": n } });
    assert_eq!(refusal(&ask(&url, &with(10_000)).await).0, "SUBREQUEST_HTTP_ERROR");
    let refused = ("COST_LIMIT_EXCEEDED".to_owned(), 10_001, 10_000);
    assert_eq!(refusal(&ask(&url, &with(10_001)).await), refused);
    let literal = json!({ "query": "{ products(first: 10001) { upc } }" });
    assert_eq!(refusal(&ask(&url, &literal).await), refused);
    // Streams have the same limit.
    let stream = ("accept", "text/event-stream");
    let reply = send(Method::POST, &url, &[JSON, stream], &with(10_001).to_string()).await;
    assert!(String::from_utf8_lossy(&reply.body).contains("COST_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn a_batch_is_answered_in_order_up_to_its_bound() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let batch = json!([
        { "query": "{ me { id } }" },
        { "query": "{ nope }" },
        7,
        { "query": "query($u: ID!) { product(upc: $u) { upc } }", "variables": { "u": "1" } },
    ]);
    let reply = ask(&url, &batch).await;
    assert_eq!(reply.status, StatusCode::OK);
    let answers = reply.json();
    assert_eq!(answers[0], json!({ "data": { "me": { "id": "u1" } } }));
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(answers[3], json!({ "data": { "product": { "upc": "1" } } }));
    assert_eq!(answers.as_array().map(Vec::len), Some(4));
    let of = |count: usize| Value::from(vec![json!({ "query": "{ __typename }" }); count]);
    let reply = ask(&url, &of(10)).await;
    assert_eq!(reply.json().as_array().map(Vec::len), Some(10));
    let reply = ask(&url, &of(11)).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(&reply), ("BATCH_LIMIT_EXCEEDED".to_owned(), 11, 10));
    let stream = ("accept", "text/event-stream");
    let reply = send(Method::POST, &url, &[JSON, stream], &of(2).to_string()).await;
    assert_eq!(refusal(&reply).0, "BAD_REQUEST");
    let url = endpoint(&shop, |config| config.limits.batch = 0).await;
    assert_eq!(refusal(&ask(&url, &of(1)).await), ("BATCH_LIMIT_EXCEEDED".to_owned(), 1, 0));
}

/// One router for all cases of the properties below.
fn prepare(document: &str) {
    static ENGINE: OnceLock<(tokio::runtime::Runtime, std::sync::Arc<router::Engine>)> =
        OnceLock::new();
    let (runtime, engine) = ENGINE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sdl = include_str!("fixtures/shop.graphql");
        let router = router::Router::builder(sdl, Config::default());
        let engine = runtime.block_on(router.build()).unwrap().engine();
        (runtime, engine)
    });
    let prepared = runtime.block_on(engine.prepare(document, None));
    if let Ok(prepared) = prepared {
        prepared.cost(&router::Variables::default());
    }
}

/// Documents that are nearly GraphQL.
fn document() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "...",
        "...F",
        "...G",
        "on",
        "User",
        "Product",
        "Query",
        "fragment F on User",
        "fragment G on Product",
        "query",
        "mutation",
        "subscription",
        "me",
        "id",
        "topProducts",
        "first",
        ":",
        "1",
        "-1",
        "1e9",
        "$n",
        "$",
        "@include",
        "if",
        "true",
        "null",
        "\"",
        "\"\"\"",
        "\\",
        "#",
        "\n",
        "reviews",
        "__typename",
        "__schema",
        "types",
        "fields",
        "type",
        "a:",
        "=",
        "!",
        "(first: 3)",
        "(first: $n)",
        "query($n: Int)",
    ]);
    prop::collection::vec(word, 0..120).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_document_panics(text in document()) {
        prepare(&text);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        prepare(&text);
    }

    #[test]
    fn no_nesting_panics(open in prop::sample::select(vec!["{ me ", "{ ... ", "(a: [", "{ ...F } fragment F on User "]), levels in 0_usize..6_000) {
        prepare(&open.repeat(levels));
    }
}
