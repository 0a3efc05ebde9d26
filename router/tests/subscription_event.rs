//! The steps after a subscription's event.

use platform::identity::Identity;
use router::{RequestContext, Variables, engine::Argument};
use serde_json::{Value, json};

use crate::shop::Shop;

async fn event(shop: &Shop, query: &str, root: Value) -> Value {
    let engine = shop.router().await.engine();
    let prepared = engine.prepare(query, None).await.expect("it is planned");
    let variables = Variables::from_json(json!({ "upc": "1" })).unwrap();
    let ctx = RequestContext::new(Identity::Anonymous);
    let root = serde_json::to_vec(&root).unwrap();
    let body = engine.execute_event(&prepared, &variables, &ctx, root).await;
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn an_event_is_completed_by_entity_fetches() {
    let shop = Shop::open().await;
    let query = "subscription($upc: ID!) { u: productUpdated(upc: $upc) { at: cursor product { n: name inStock upc } } }";
    let by_name = json!({ "productUpdated": { "cursor": "c", "product": { "__typename": "Product", "upc": "1" } } });
    let by_alias =
        json!({ "u": { "at": "c", "product": { "__typename": "Product", "upc": "1" } } });
    for root in [by_name, by_alias] {
        assert_eq!(
            event(&shop, query, root).await,
            json!({ "data": { "u": { "at": "c", "product": { "n": "Table", "inStock": true, "upc": "1" } } } })
        );
    }
}

#[tokio::test]
async fn the_plan_tells_field_and_arguments() {
    let shop = Shop::open().await;
    let engine = shop.router().await.engine();
    let query =
        "subscription($upc: ID! = \"9\") { u: productUpdated(upc: $upc, after: \"x\") { cursor } }";
    let prepared = engine.prepare(query, None).await.unwrap();
    let plan = prepared.subscription().unwrap();
    assert_eq!(
        (&*plan.field_name, &*plan.response_key, &*plan.subgraph),
        ("productUpdated", "u", "events")
    );
    let after = plan.arguments.iter().find(|(name, _)| name == "after").unwrap();
    assert_eq!(after.1, Argument::Constant(json!("x")));
    let arguments = plan.arguments(&Variables::default());
    assert_eq!(Value::Object(arguments), json!({ "upc": "9", "after": "x" }));
}

#[tokio::test]
async fn queries_have_no_subscription_and_subscriptions_are_not_executed() {
    let shop = Shop::open().await;
    let engine = shop.router().await.engine();
    let query = engine.prepare("{ me { id } }", None).await.unwrap();
    assert!(query.subscription().is_none());
    let subscription = "subscription { productUpdated(upc: \"1\") { cursor } }";
    let prepared = engine.prepare(subscription, None).await.unwrap();
    let ctx = RequestContext::new(Identity::Anonymous);
    let body = engine.execute(&prepared, &Variables::default(), &ctx).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
}
