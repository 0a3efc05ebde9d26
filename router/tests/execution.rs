//! Queries and mutations over the shop: what is asked of whom, and what comes out.

use serde_json::{Value, json};

use crate::shop::{Fault, Shop, ask, ask_with};

/// Every operation here must not have errors.
fn data(mut response: Value) -> Value {
    assert_eq!(response.get("errors"), None, "{response:#}");
    response["data"].take()
}

#[tokio::test]
async fn entities_in_lists_are_fetched_in_one_request_and_each_once() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = ask(&router, "{ reviews { id author { id email age } } }").await;
    let authors: Vec<_> = response["data"]["reviews"].as_array().map_or(vec![], Clone::clone);
    // u2 has no email, and it may not be null: only that error and its place are lost.
    assert_eq!(authors.len(), 0);
    let response = data(ask(&router, "{ reviews { id author { id age } } }").await);
    assert_eq!(
        response,
        json!({ "reviews": [
            { "id": "r1", "author": { "id": "u1", "age": 42 } },
            { "id": "r2", "author": { "id": "u2", "age": 42 } },
            { "id": "r3", "author": { "id": "u1", "age": 42 } },
        ] })
    );
    let seen = shop.seen("user");
    assert_eq!(seen.len(), 2);
    // u1 appears twice and is asked for once, in the order of appearance.
    assert_eq!(
        seen[1].variables["representations"],
        json!([{ "__typename": "User", "id": "u1" }, { "__typename": "User", "id": "u2" }])
    );
}

#[tokio::test]
async fn nested_entities_follow_each_other() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query =
        "{ products { upc reviews { id author { age reviews { id product { name } } } } } }";
    let response = data(ask(&router, query).await);
    assert_eq!(
        response["products"][1]["reviews"],
        json!([{ "id": "r3", "author": { "age": 42, "reviews": [
            { "id": "r1", "product": { "name": "Table" } },
            { "id": "r3", "product": { "name": "Chair" } },
        ] } }])
    );
    assert_eq!(response["products"][2], json!({ "upc": "3", "reviews": [] }));
}

#[tokio::test]
async fn requires_brings_fields_of_another_subgraph_along() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = data(ask(&router, "{ products { shippingEstimate inStock } }").await);
    assert_eq!(
        response,
        json!({ "products": [
            { "shippingEstimate": 0, "inStock": true },
            { "shippingEstimate": 10, "inStock": false },
            { "shippingEstimate": null, "inStock": true },
        ] })
    );
    let sent = &shop.seen("inventory")[0].variables["representations"][0];
    assert_eq!((&sent["price"], &sent["weight"]), (&json!(900), &json!(100)));
    assert_eq!(shop.count("inventory"), 1);
}

#[tokio::test]
async fn provided_fields_need_no_further_fetch() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = data(ask(&router, "{ reviews { author { username } } }").await);
    assert_eq!(response["reviews"][0], json!({ "author": { "username": "provided-u1" } }));
    assert_eq!(shop.count("user"), 0);
}

#[tokio::test]
async fn interfaces_and_unions_are_told_apart() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = "{ nodes { t: __typename id ... on Product { inStock label: name } ... on Book { isbn label } \
                   ... on Disc { label } } }";
    let response = ask(&router, query).await;
    // `label` has three types here: GraphQL forbids that.
    assert_eq!(response["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    let query = "{ nodes { t: __typename id ... on Product { inStock } ... on Book { isbn labels: label } } }";
    let response = data(ask(&router, query).await);
    assert_eq!(
        response["nodes"],
        json!([
            { "t": "Product", "id": "p1", "inStock": true },
            { "t": "Book", "id": "b1", "isbn": "978", "labels": ["x", "y"] },
            { "t": "Disc", "id": "d1" },
        ])
    );
    let query = "query($f: Filter!) { search(filter: $f) { __typename ... on User { age } ...p } } \
                 fragment p on Product { reviews { id } }";
    let response = data(ask_with(&router, query, json!({ "f": { "text": "a" } })).await);
    assert_eq!(
        response["search"],
        json!([
            { "__typename": "Product", "reviews": [{ "id": "r1" }, { "id": "r2" }] },
            { "__typename": "Book" },
            { "__typename": "User", "age": 42 },
        ])
    );
}

#[tokio::test]
async fn aliases_never_clash() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = r#"{
        a: product(upc: "1") { name: title(upper: true) low: title price: upc name2: name shippingEstimate }
        b: product(upc: "2") { name shippingEstimate }
    }"#;
    let response = data(ask(&router, query).await);
    assert_eq!(
        response,
        json!({
            "a": { "name": "TABLE", "low": "Table", "price": "1", "name2": "Table", "shippingEstimate": 0 },
            "b": { "name": "Chair", "shippingEstimate": 10 },
        })
    );
}

#[tokio::test]
async fn fragments_and_conditions_decide_per_request() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = "query($yes: Boolean!, $no: Boolean = false) {
        product(upc: \"1\") {
            upc @skip(if: $no)
            name @include(if: $yes)
            inStock @include(if: $no)
            ...more @include(if: $yes)
            ... @skip(if: $yes) { price }
        }
        reviews @include(if: $no) { id }
    }
    fragment more on Product { weight reviews @skip(if: $no) { id } }";
    let response = data(ask_with(&router, query, json!({ "yes": true })).await);
    assert_eq!(
        response,
        json!({ "product": { "upc": "1", "name": "Table", "weight": 100,
                             "reviews": [{ "id": "r1" }, { "id": "r2" }] } })
    );
    assert_eq!(shop.count("inventory"), 0, "what is not included is not fetched");
    let variables = json!({ "yes": false, "no": true });
    let response = data(ask_with(&router, query, variables).await);
    assert_eq!(response["product"], json!({ "inStock": true, "price": 900 }));
    assert_eq!(response["reviews"][2]["id"], "r3");
}

#[tokio::test]
async fn the_response_keeps_the_order_of_the_query() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let engine = router.engine();
    let query =
        "{ product(upc: \"1\") { reviews { id } weight inStock name __typename upc } me { id } }";
    let prepared = engine.prepare(query, None).await.unwrap();
    let ctx = router::RequestContext::new(platform::identity::Identity::Anonymous);
    let body = engine.execute(&prepared, &router::Variables::default(), &ctx).await;
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"data":{"product":{"reviews":[{"id":"r1"},{"id":"r2"}],"weight":100,"inStock":true,"name":"Table","__typename":"Product","upc":"1"},"me":{"id":"u1"}}}"#
    );
}

#[tokio::test]
async fn leaves_are_passed_on_as_they_came() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response =
        data(ask(&router, "{ product(upc: \"1\") { size { unit height } tags } }").await);
    assert_eq!(
        response["product"],
        json!({ "size": { "unit": "cm \"metric\" 가", "height": 70 }, "tags": ["a", null] })
    );
}

#[tokio::test]
async fn an_enum_value_that_is_not_public_is_null() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = ask(&router, "{ products { status } }").await;
    assert_eq!(
        response["data"]["products"],
        json!([{ "status": "ACTIVE" }, { "status": "RETIRED" }, { "status": null }])
    );
    assert_eq!(response["errors"][0]["path"], json!(["products", 2, "status"]));
    assert!(!response["errors"][0]["message"].as_str().unwrap().contains("HIDDEN"));
}

#[tokio::test]
async fn errors_of_entities_have_the_clients_paths() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = ask(&router, "{ d: doubled { upc w: warehouse } }").await;
    // `warehouse` may not be null, so the product becomes null.
    assert_eq!(
        response["data"],
        json!({ "d": [{ "upc": "1", "w": "w1" }, null, null, { "upc": "1", "w": "w1" }] })
    );
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["path"], json!(["d", 1, "w"]));
    assert_eq!(errors[0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
    assert_eq!(errors[0]["extensions"]["service"], "inventory");
    assert_eq!(shop.count("inventory"), 1);
    let sent = shop.seen("inventory")[0].variables["representations"].clone();
    assert_eq!(sent.as_array().unwrap().len(), 2, "equal ones are sent once");
}

#[tokio::test]
async fn the_code_of_a_subgraphs_error_is_kept() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = ask(&router, "{ x: broken me { id } }").await;
    assert_eq!(response["data"], json!({ "x": null, "me": { "id": "u1" } }));
    assert_eq!(
        response["errors"],
        json!([{ "message": "it is broken", "path": ["x"],
                 "extensions": { "code": "BROKEN", "service": "product" } }])
    );
}

#[tokio::test]
async fn null_propagates_through_lists_to_the_nearest_nullable() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    // email! of author! of [Review!]! of Query: nothing is left.
    let response = ask(&router, "{ reviews { author { email } } }").await;
    assert_eq!(response["data"], Value::Null);
    let paths: Vec<_> =
        response["errors"].as_array().unwrap().iter().map(|e| e["path"].clone()).collect();
    assert_eq!(paths, [json!(["reviews", 1, "author", "email"])]);
}

#[tokio::test]
async fn an_entity_that_is_not_found_leaves_null_fields() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let response = ask(&router, "{ reviews { reader { id age } } }").await;
    assert_eq!(
        response["data"]["reviews"][0]["reader"],
        json!({ "id": "u1-unknown", "age": null })
    );
    assert_eq!(response.get("errors"), None);
}

#[tokio::test]
async fn mutations_are_strictly_serial_even_across_subgraphs() {
    let shop = Shop::open().await;
    shop.fault("inventory", Fault::Delay(std::time::Duration::from_millis(150)));
    let router = shop.router().await;
    let query = "mutation { a: setPrice(upc: \"1\", price: 5) { shippingEstimate } ping \
                 addReview(upc: \"1\", body: \"b\") { id } b: setPrice(upc: \"2\", price: 7) { upc } priced }";
    let response = data(ask(&router, query).await);
    assert_eq!(
        response,
        json!({ "a": { "shippingEstimate": 50 }, "ping": "pong", "addReview": { "id": "new" },
                "b": { "upc": "2" }, "priced": ["1", "2"] })
    );
    let product = shop.seen("product");
    let inventory = shop.seen("inventory");
    let review = shop.seen("review");
    let ping = product.iter().find(|seen| seen.query.contains("ping")).unwrap();
    let second = product
        .iter()
        .find(|seen| seen.query.contains("b: setPrice") || seen.query.contains("b:setPrice"))
        .unwrap();
    assert!(inventory[0].ended < ping.began, "a's estimate comes before ping");
    assert!(ping.ended < review[0].began, "ping comes before addReview");
    assert!(review[0].ended < second.began, "addReview comes before b");
}

#[tokio::test]
async fn mutations_of_one_subgraph_are_one_request() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = "mutation { b: setPrice(upc: \"2\", price: 1) { upc } a: setPrice(upc: \"1\", price: 1) { upc } priced }";
    let response = data(ask(&router, query).await);
    assert_eq!(response["priced"], json!(["2", "1"]));
    assert_eq!(shop.count("product"), 1);
}

#[tokio::test]
async fn a_subgraph_that_is_down_costs_only_its_own_fields() {
    let shop = Shop::open().await;
    let mut config = shop.config();
    // Nobody listens there.
    config.subgraphs.get_mut("inventory").unwrap().url = Some("http://127.0.0.1:1/".into());
    let router = shop.router_with(config).await;
    let response =
        ask(&router, "{ product(upc: \"1\") { name shippingEstimate } me { id } }").await;
    assert_eq!(
        response["data"],
        json!({ "product": { "name": "Table", "shippingEstimate": null }, "me": { "id": "u1" } })
    );
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["path"], json!(["product"]));
    assert_eq!(
        errors[0]["extensions"],
        json!({ "code": "SUBREQUEST_HTTP_ERROR", "service": "inventory" })
    );
}

#[tokio::test]
async fn transport_failures_have_clear_codes() {
    let failure = async |fault: Fault| {
        let shop = Shop::open().await;
        shop.fault("user", fault);
        let mut config = shop.config();
        config.subgraphs.get_mut("user").unwrap().timeout_ms = 300;
        let router = shop.router_with(config).await;
        let response = ask(&router, "{ me { id } products { upc } }").await;
        assert_eq!(response["data"]["me"], Value::Null);
        assert_eq!(response["data"]["products"][0]["upc"], "1");
        let errors = response["errors"].as_array().unwrap().clone();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["path"], json!(["me"]));
        errors[0]["extensions"]["code"].as_str().unwrap().to_owned()
    };
    use http::StatusCode;
    let answer = |status, body: &str| Fault::Answer(status, body.to_owned());
    assert_eq!(failure(Fault::Hang).await, "SUBREQUEST_TIMEOUT");
    assert_eq!(failure(answer(StatusCode::BAD_GATEWAY, "<html>")).await, "SUBREQUEST_HTTP_ERROR");
    for body in ["<html>", "", "[]", "{}", "{\"data\":null}", "{\"data\":{\"me\":", "\u{0}"] {
        let code = failure(answer(StatusCode::OK, body)).await;
        assert_eq!(code, "SUBREQUEST_MALFORMED_RESPONSE", "{body:?}");
    }
}

#[tokio::test]
async fn only_used_variables_are_sent_on() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = "query($upc: ID!, $upper: Boolean, $other: ID!) { \
                 product(upc: $upc) { title(upper: $upper) inStock } two: product(upc: $other) { upc } }";
    let variables = json!({ "upc": 1, "other": "2", "unknown": "x", "upper": true });
    let response = data(ask_with(&router, query, variables).await);
    assert_eq!(response["product"], json!({ "title": "TABLE", "inStock": true }));
    assert_eq!(
        shop.seen("product")[0].variables,
        json!({ "upc": "1", "other": "2", "upper": true })
    );
    let sent = shop.seen("inventory")[0].variables.clone();
    assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["representations"]);
}

#[tokio::test]
async fn bad_variables_are_told_and_nothing_is_sent() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let query = "query($f: Filter!, $n: Boolean) { search(filter: $f) @skip(if: false) { __typename } \
                 product(upc: \"1\") { title(upper: $n) } }";
    for (variables, what) in [
        (json!({}), "not provided"),
        (json!({ "f": null }), "non-null"),
        (json!({ "f": { "limit": 1 } }), "\"text\""),
        (json!({ "f": { "text": "secret-value", "limit": 1.5 } }), "limit"),
        (json!({ "f": { "text": "secret-value", "what": 1 } }), "what"),
        (json!({ "f": { "text": "x" }, "n": "secret-value" }), "Boolean"),
    ] {
        let response = ask_with(&router, query, variables).await;
        assert_eq!(response.get("data"), None);
        let error = &response["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(what), "{message}");
        assert!(!message.contains("secret-value"), "{message}");
    }
    assert_eq!(shop.count("product"), 0);
}

#[tokio::test]
async fn both_transports_give_the_same_answers() {
    let shop = Shop::open().await;
    let (http, local) = (shop.router().await, shop.router_in_process().await);
    for query in [
        "{ products { upc name price status size { unit } reviews { id author { username age } } } }",
        "{ products { shippingEstimate inStock } nodes { __typename id } broken }",
        "{ reviews { author { email } product { warehouse } } }",
        "{ doubled { upc warehouse } }",
        "mutation { addReview(upc: \"1\", body: \"x\") { body product { name } } ping }",
    ] {
        let (mut one, mut other) = (ask(&http, query).await, ask(&local, query).await);
        for response in [&mut one, &mut other] {
            for error in response["errors"].as_array_mut().into_iter().flatten() {
                error["extensions"].as_object_mut().unwrap().remove("traceId");
            }
        }
        assert_eq!(one, other, "{query}");
    }
}

#[tokio::test]
async fn requests_to_subgraphs_are_signed_and_traced() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    data(ask(&router, "{ me { id } }").await);
    let headers = shop.seen("user")[0].headers.clone();
    for name in ["moim-identity", "moim-signature", "moim-timestamp", "traceparent"] {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn federations_own_fields_are_not_public() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    for query in [
        "{ _service { sdl } }",
        "{ s: _service { sdl } me { id } }",
        "{ _entities(representations: []) { __typename } }",
        "{ e: _entities(representations: [{ __typename: \"User\", id: \"u1\" }]) { ... on User { id } } }",
        "{ ...f } fragment f on Query { _entities(representations: []) { __typename } }",
        "query($r: [_Any!]!) { ... on Query { _entities(representations: $r) { __typename } } }",
        "{ __type(name: \"_Entity\") { name } }",
        "{ __type(name: \"_Any\") { name } }",
        "{ __type(name: \"_Service\") { name } }",
        "{ __type(name: \"join__Graph\") { name } }",
    ] {
        let response = ask(&router, query).await;
        match response.get("errors") {
            Some(errors) => {
                assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
            }
            None => assert_eq!(response["data"], json!({ "__type": null })),
        }
    }
    assert_eq!(shop.count("user"), 0, "nobody was asked");
    let response = ask(&router, "{ __schema { queryType { fields { name } } } }").await;
    assert!(!response.to_string().contains(":\"_"), "{response}");
}
