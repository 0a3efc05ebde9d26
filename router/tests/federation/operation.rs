//! What operations ask for: `__typename`, conditions, enums, variables, inputs,
//! mutations, and errors on the way.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

async fn conditions() -> Stage {
    Stage::open(
        "condition",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "product": { "id": "1" }, "products": { "$all": "Product" }, "named": { "id": "2" } },
                    "Product": [{ "id": "1", "price": 5 }, { "id": "2", "price": 50 }],
                }),
            ),
            subgraph("b", json!({ "Query": { "hello": "hi" } }))
                .field("Product.cheap", |it, _| (it["price"].as_i64().unwrap() < 10).into())
                .field("Product.neverCalled", |_, _| json!({ "$error": "called" }))
                .field("Product.maker", |it, _| json!({ "id": format!("m{}", it["id"].as_str().unwrap()) })),
            subgraph("c", json!({ "Maker": [{ "id": "m1", "name": "Acme" }, { "id": "m2", "name": "Best" }] }))
                .field("Product.advice", |it, _| match &it["cheap"] {
                    Value::Bool(true) => "buy".into(),
                    Value::Bool(false) => "wait".into(),
                    _ => Value::Null,
                }),
        ],
    )
    .await
}

#[tokio::test]
async fn what_is_not_included_is_not_fetched() {
    let stage = conditions().await;
    for (query, expected) in [
        (
            "query($x: Boolean = false) { product { price neverCalled @include(if: $x) } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "query($y: Boolean = true) { product { price neverCalled @skip(if: $y) } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "query($x: Boolean = false) { product { price ... @include(if: $x) { neverCalled } } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "query($x: Boolean = false) { product { price ...F @include(if: $x) } } fragment F on Product { neverCalled maker { name } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "{ product { price neverCalled @include(if: false) } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "{ product { price ... on Product @skip(if: true) { neverCalled } } }",
            json!({ "product": { "price": 5 } }),
        ),
        (
            "query($x: Boolean = false) { product { neverCalled @include(if: $x) } }",
            json!({ "product": {} }),
        ),
        ("query($x: Boolean = false) { product @include(if: $x) { neverCalled } }", json!({})),
    ] {
        stage.gives(query, expected).await;
    }
    assert_eq!(stage.count("b"), 0);
}

#[tokio::test]
async fn conditions_by_variables_decide_each_time() {
    let stage = conditions().await;
    let query = "query($x: Boolean!, $y: Boolean!) { products { id ... on Product @include(if: $x) { cheap @skip(if: $y) price } \
                 advice @include(if: $y) maker @skip(if: $x) { name } } }";
    let product = |id: &str, more: Value| {
        let mut product = json!({ "id": id });
        for (name, value) in more.as_object().unwrap() {
            product[name] = value.clone();
        }
        product
    };
    let both =
        |one: Value, two: Value| json!({ "products": [product("1", one), product("2", two)] });
    let cases = [
        (
            true,
            true,
            both(json!({ "price": 5, "advice": "buy" }), json!({ "price": 50, "advice": "wait" })),
        ),
        (
            true,
            false,
            both(json!({ "cheap": true, "price": 5 }), json!({ "cheap": false, "price": 50 })),
        ),
        (
            false,
            true,
            both(
                json!({ "advice": "buy", "maker": { "name": "Acme" } }),
                json!({ "advice": "wait", "maker": { "name": "Best" } }),
            ),
        ),
        (
            false,
            false,
            both(json!({ "maker": { "name": "Acme" } }), json!({ "maker": { "name": "Best" } })),
        ),
    ];
    for (x, y, expected) in cases {
        stage.gives_with(query, json!({ "x": x, "y": y }), expected).await;
    }
}

#[tokio::test]
async fn a_field_asked_under_two_conditions_is_there_if_one_holds() {
    let stage = conditions().await;
    let query = "query($x: Boolean!, $y: Boolean!) { product { cheap @include(if: $x) cheap @include(if: $y) \
                 maker @include(if: $x) { id } maker @include(if: $y) { name } } }";
    for (x, y, expected) in [
        (true, true, json!({ "cheap": true, "maker": { "id": "m1", "name": "Acme" } })),
        (true, false, json!({ "cheap": true, "maker": { "id": "m1" } })),
        (false, true, json!({ "cheap": true, "maker": { "name": "Acme" } })),
        (false, false, json!({})),
    ] {
        stage.gives_with(query, json!({ "x": x, "y": y }), json!({ "product": expected })).await;
    }
}

#[tokio::test]
async fn a_skipped_field_that_another_one_requires_is_fetched_but_not_shown() {
    let stage = conditions().await;
    let query =
        "query($x: Boolean!) { product { price @include(if: $x) cheap @include(if: $x) advice } }";
    stage.gives_with(query, json!({ "x": false }), json!({ "product": { "advice": "buy" } })).await;
    stage
        .gives_with(
            query,
            json!({ "x": true }),
            json!({ "product": { "price": 5, "cheap": true, "advice": "buy" } }),
        )
        .await;
}

#[tokio::test]
async fn typename_is_there_wherever_it_is_asked_for() {
    let stage = conditions().await;
    stage.gives("{ __typename }", json!({ "__typename": "Query" })).await;
    stage.gives("{ a: __typename ... on Query { b: __typename ...Q } } fragment Q on Query { __typename }",
        json!({ "a": "Query", "b": "Query", "__typename": "Query" })).await;
    assert_eq!(stage.count("a") + stage.count("b") + stage.count("c"), 0);
    stage
        .gives(
            "{ t: __typename product { __typename a: __typename b: __typename } products { cheap c: __typename maker { __typename } } }",
            json!({
                "t": "Query",
                "product": { "__typename": "Product", "a": "Product", "b": "Product" },
                "products": [
                    { "cheap": true, "c": "Product", "maker": { "__typename": "Maker" } },
                    { "cheap": false, "c": "Product", "maker": { "__typename": "Maker" } },
                ],
            }),
        )
        .await;
    stage
        .gives_with(
            "query($x: Boolean!) { product { __typename @include(if: $x) id } __typename @skip(if: $x) }",
            json!({ "x": false }),
            json!({ "product": { "id": "1" }, "__typename": "Query" }),
        )
        .await;
    stage
        .gives(
            "{ product { price: __typename __typename: price id: price } }",
            json!({ "product": { "price": "Product", "__typename": 5, "id": 5 } }),
        )
        .await;
}

#[tokio::test]
async fn variables_go_only_where_they_are_used() {
    let stage = conditions().await;
    stage
        .gives_with(
            "query($name: String, $x: Boolean!) { named(name: $name) { cheap maker @include(if: $x) { name } } hello }",
            json!({ "name": "n", "x": true }),
            json!({ "named": { "cheap": false, "maker": { "name": "Best" } }, "hello": "hi" }),
        )
        .await;
    assert_eq!(stage.requests("a")[0].variables, json!({ "name": "n" }));
    for request in stage.requests("b").iter().chain(&stage.requests("c")) {
        assert_eq!(request.variables.get("name"), None, "{request:?}");
    }
}

async fn enums() -> Stage {
    let user = |id: &str, colour: &str, state: &str| json!({ "id": id, "colour": colour, "colours": [colour, null, "RED"], "must": [colour], "state": state });
    Stage::open(
        "enumeration",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "users": { "$all": "User" }, "paint": "RED", "byRole": [{ "id": "1" }], "byRoles": [{ "id": "2" }], "byState": [] },
                    "User": [user("1", "GREEN", "ON"), user("2", "RED", "HIDDEN"), user("3", "VIOLET", "OFF")],
                }),
            ),
            subgraph("b", json!({ "Query": { "hasRole": true }, "User": [
                { "id": "1", "other": "BLUE", "others": ["BLUE", "GREEN"] },
                { "id": "2", "other": null, "others": null },
                { "id": "3", "other": "GREEN", "others": [] },
            ] })),
        ],
    )
    .await
}

#[tokio::test]
async fn an_output_enum_has_the_values_of_all_subgraphs() {
    let stage = enums().await;
    stage.gives("{ paint }", json!({ "paint": "RED" })).await;
    stage
        .gives(
            "{ users { other others } __type(name: \"Colour\") { enumValues { name } } }",
            json!({
                "users": [{ "other": "BLUE", "others": ["BLUE", "GREEN"] }, { "other": null, "others": null }, { "other": "GREEN", "others": [] }],
                "__type": { "enumValues": [{ "name": "RED" }, { "name": "GREEN" }, { "name": "BLUE" }] },
            }),
        )
        .await;
}

#[tokio::test]
async fn an_input_enum_has_the_values_that_all_subgraphs_know() {
    let stage = enums().await;
    stage
        .gives(
            "{ byRole(role: MEMBER) { id } byRoles { id } hasRole(role: ADMIN) }",
            json!({ "byRole": [{ "id": "1" }], "byRoles": [{ "id": "2" }], "hasRole": true }),
        )
        .await;
    stage.refuses("{ byRole(role: ROOT) { id } }").await;
    stage.refuses("{ hasRole(role: VISITOR) }").await;
    stage.refuses("{ byState(state: HIDDEN) { id } }").await;
    let query = "query($r: Role!) { byRole(role: $r) { id } }";
    let response = stage.ask_with(query, json!({ "r": "ROOT" })).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    stage.gives_with(query, json!({ "r": "ADMIN" }), json!({ "byRole": [{ "id": "1" }] })).await;
}

#[tokio::test]
async fn an_inaccessible_value_is_null_with_an_error() {
    enums()
        .await
        .fails(
            "{ users { id state } }",
            json!({ "users": [{ "id": "1", "state": "ON" }, { "id": "2", "state": null }, { "id": "3", "state": "OFF" }] }),
            json!([["users", 1, "state"]]),
        )
        .await;
}

#[tokio::test]
async fn a_subgraphs_error_inside_a_list_keeps_its_path() {
    enums()
        .await
        .fails(
            "{ people: users { c: colour must } }",
            json!({ "people": [
                { "c": "GREEN", "must": ["GREEN"] }, { "c": "RED", "must": ["RED"] }, { "c": null, "must": null },
            ] }),
            json!([["people", 2, "c"], ["people", 2, "must", 0]]),
        )
        .await;
}

#[tokio::test]
async fn mutations_run_one_after_the_other() {
    let product = |id: i64, price: &Value| json!({ "id": id.to_string(), "name": "n", "price": price, "tags": null });
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let note = |log: &Arc<Mutex<Vec<String>>>, what: &str| {
        let mut log = log.lock().unwrap();
        log.push(what.to_owned());
        log.len()
    };
    let logs: Vec<_> = (0..6).map(|_| Arc::clone(&log)).collect();
    let [one, two, three, four, five, six] = logs.try_into().unwrap();
    let stage = Stage::open(
        "mutation",
        vec![
            subgraph("product", json!({}))
                .field("Mutation.addProduct", move |_, arguments| {
                    note(&one, "add");
                    product(1, &arguments["input"]["price"])
                })
                .field("Mutation.setPrice", move |_, arguments| {
                    note(&two, "set");
                    product(1, &arguments["price"])
                })
                .field("Mutation.count", move |_, _| note(&three, "count").into())
                .field("Mutation.fail", move |_, _| {
                    note(&four, "fail");
                    json!({ "$error": "failed" })
                }),
            subgraph("shipping", json!({}))
                .field("Mutation.ping", move |_, _| note(&five, "ping").into())
                .field("Product.stock", move |_, _| note(&six, "stock").into())
                .field("Product.expensive", |it, _| (it["price"].as_i64().unwrap() > 100).into()),
        ],
    )
    .await;
    stage
        .gives(
            "mutation { a: count b: ping c: count d: ping e: count }",
            json!({ "a": 1, "b": 2, "c": 3, "d": 4, "e": 5 }),
        )
        .await;
    log.lock().unwrap().clear();
    stage
        .gives_with(
            "mutation($i: AddProduct!) { x: addProduct(input: $i) { price expensive stock } ping \
             y: setPrice(id: 1, price: 500) { expensive stock } z: ping __typename }",
            json!({ "i": { "name": "n", "price": 5 } }),
            json!({
                "x": { "price": 5, "expensive": false, "stock": 2 },
                "ping": 3,
                "y": { "expensive": true, "stock": 5 },
                "z": 6,
                "__typename": "Mutation",
            }),
        )
        .await;
    assert_eq!(*log.lock().unwrap(), ["add", "stock", "ping", "set", "stock", "ping"]);
    log.lock().unwrap().clear();
    stage.fails("mutation { a: ping fail b: ping }", Value::Null, json!([["fail"]])).await;
}

/// `hint` requires `warm`, which requires `touched`: over three subgraphs, so that the
/// planner finds no way for it from the root.
#[tokio::test]
async fn a_mutation_that_is_cut_stays_serial() {
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let note = |what: &'static str| {
        let log = Arc::clone(&log);
        move |told: &Value| log.lock().unwrap().push(format!("{what} {told}"))
    };
    let (touch, warm, hint, wipe) = (note("touch"), note("warm"), note("hint"), note("wipe"));
    let touched = Arc::new(move |_: &Value, arguments: &Value| {
        touch(&arguments["id"]);
        json!({ "id": arguments["id"] })
    });
    let touched_by = || {
        let touched = Arc::clone(&touched);
        move |it: &Value, arguments: &Value| touched(it, arguments)
    };
    let stage = Stage::open(
        "mutation_share",
        vec![
            subgraph("a", json!({ "Thing": [{ "id": "1", "touched": 5 }, { "id": "2", "touched": 0 }] }))
                .field("Mutation.touch", touched_by()),
            subgraph("b", json!({ "Thing": [{ "id": "1", "name": "One" }, { "id": "2", "name": null }] }))
                .field("Mutation.touch", touched_by())
                .field("Mutation.wipe", move |_, _| {
                    wipe(&Value::Null);
                    json!([{ "id": "2" }, null])
                })
                .field("Thing.warm", move |it, _| {
                    warm(&it["id"]);
                    (it["touched"].as_i64().unwrap() > 0).into()
                }),
            subgraph("c", json!({ "Thing": [{ "id": "1", "parent": { "id": "2" } }, { "id": "2", "parent": null }] }))
                .field("Thing.hint", move |it, _| {
                    hint(&it["id"]);
                    format!("warm: {}", it["warm"]).into()
                }),
        ],
    )
    .await;
    stage
        .gives(
            "mutation { one: touch(id: \"1\") { hint parent { name touched } } wipe { hint } two: touch(id: \"2\") { warm hint } }",
            json!({
                "one": { "hint": "warm: true", "parent": { "name": null, "touched": 0 } },
                "wipe": [{ "hint": "warm: false" }, null],
                "two": { "warm": false, "hint": "warm: false" },
            }),
        )
        .await;
    let told = log.lock().unwrap().clone();
    let roots: Vec<_> =
        told.iter().filter(|it| it.starts_with("touch") || it.starts_with("wipe")).collect();
    assert_eq!(roots, ["touch \"1\"", "wipe null", "touch \"2\""], "each once, in order");
    let at = |what: &str| told.iter().position(|it| it == what).unwrap();
    assert!(
        at("hint \"1\"") < at("wipe null"),
        "what is below a field comes before the next: {told:?}"
    );
    assert!(at("hint \"2\"") < at("touch \"2\""), "{told:?}");
}

async fn inputs() -> Stage {
    let told = |name: &'static str| {
        move |_: &Value, arguments: &Value| format!("{name} {arguments}").into()
    };
    Stage::open(
        "input",
        vec![
            subgraph(
                "a",
                json!({ "Query": { "items": [{ "id": "1" }] }, "Item": [{ "id": "1" }] }),
            )
            .field("Query.echo", told("echo"))
            .field("Item.label", told("label")),
            subgraph("b", json!({ "Item": [{ "id": "1" }] }))
                .field("Query.other", told("other"))
                .field("Item.score", told("score"))
                .field("Item.note", told("note")),
        ],
    )
    .await
}

#[tokio::test]
async fn defaults_of_arguments_and_variables() {
    let stage = inputs().await;
    stage.gives("{ echo }", json!({ "echo": "echo {\"n\":5}" })).await;
    stage.gives("{ echo(n: null) }", json!({ "echo": "echo {\"n\":null}" })).await;
    let query = "query($n: Int) { echo(n: $n) }";
    stage.gives_with(query, json!({}), json!({ "echo": "echo {\"n\":5}" })).await;
    stage.gives_with(query, json!({ "n": null }), json!({ "echo": "echo {\"n\":null}" })).await;
    let query = "query($n: Int = 7) { echo(n: $n) }";
    stage.gives_with(query, json!({}), json!({ "echo": "echo {\"n\":7}" })).await;
    stage.gives_with(query, json!({ "n": 8 }), json!({ "echo": "echo {\"n\":8}" })).await;
    stage
        .gives(
            "{ items(filter: { text: \"t\" }) { label score ko: label(locale: \"ko\") } }",
            json!({ "items": [{
                "label": "label {\"locale\":\"en\"}",
                "score": "score {\"weight\":1.5}",
                "ko": "label {\"locale\":\"ko\"}",
            }] }),
        )
        .await;
}

#[tokio::test]
async fn an_input_has_the_fields_that_all_subgraphs_know() {
    let stage = inputs().await;
    stage.refuses("{ echo(filter: { text: \"t\", only: \"x\" }) }").await;
    stage.refuses("{ echo(filter: { first: 1 }) }").await;
    let response = stage
        .ask_with(
            "query($f: Filter) { echo(filter: $f) }",
            json!({ "f": { "text": "t", "only": 1 } }),
        )
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn lists_objects_and_scalars_are_passed_on_as_they_are() {
    let stage = inputs().await;
    let query = "query($f: Filter, $t: String!, $w: Stamp, $l: [[Int!]]) { echo(filter: $f, list: $l, when: $w) \
                 items(filter: { text: $t, tags: [\"a\", $t], nested: { text: \"n\" } }) { note(text: $t) score(weight: 2, filter: { text: $t }) } }";
    let variables = json!({
        "f": { "text": "x", "tags": "one", "nested": { "text": "y", "first": null } },
        "t": "T \"q\" \u{1F600}", "w": { "any": [1, { "thing": null }] }, "l": [1, null, [2, 3]],
    });
    let mut variables = variables;
    variables["f"]["nested"]["first"] = 3.into();
    stage
        .gives_with(
            query,
            variables,
            json!({
                "echo": format!("echo {}", json!({
                    "filter": { "text": "x", "tags": ["one"], "nested": { "text": "y", "first": 3 } },
                    "list": [[1], null, [2, 3]], "when": { "any": [1, { "thing": null }] }, "n": 5,
                })),
                "items": [{
                    "note": format!("note {}", json!({ "text": "T \"q\" \u{1F600}" })),
                    "score": format!("score {}", json!({ "weight": 2, "filter": { "text": "T \"q\" \u{1F600}" } })),
                }],
            }),
        )
        .await;
}
