//! What production does not show.

use http::{Method, StatusCode};
use router::{Config, mode::Mode};
use serde_json::{Value, json};

use crate::{
    http::{Reply, send},
    shop::{Fault, Shop, serve},
};

const JSON: (&str, &str) = ("content-type", "application/json");
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn endpoint(shop: &Shop, change: impl FnOnce(&mut Config)) -> String {
    let mut config = shop.config();
    change(&mut config);
    format!("{}/graphql", serve(shop.router_with(config).await.routes()).await)
}

async fn ask(url: &str, query: &str) -> Reply {
    let body = json!({ "query": query }).to_string();
    send(Method::POST, url, &[JSON, ("traceparent", TRACE)], &body).await
}

fn fault() -> Fault {
    let error = json!({
        "message": "column \"x\" of relation \"secrets\" does not exist",
        "extensions": { "exception": { "stacktrace": ["at db.rs"] } },
    });
    let refusal = json!({
        "message": "Not yours.", "extensions": { "code": "FORBIDDEN", "table": "users" },
    });
    let body = json!({ "data": { "me": null }, "errors": [error, refusal] });
    Fault::Answer(StatusCode::OK, body.to_string())
}

#[tokio::test]
async fn production_shows_nothing_of_the_inside() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |config| config.mode = Mode::Production).await;
    let reply = ask(&url, "{ __schema { types { name } } }").await;
    assert_eq!(reply.json()["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    let page = send(Method::GET, &url.replace("/graphql", "/graphiql"), &[], "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    for query in ["{ me }", "{ product(upd: 1) { upc } }", "{ mee { id } }"] {
        let errors = ask(&url, query).await.json()["errors"].to_string();
        assert!(!errors.contains("Did you mean"), "{errors}");
    }
    shop.fault("user", fault());
    let errors = ask(&url, "{ me { id } }").await.json()["errors"].clone();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(errors[0]["message"], "Internal server error.");
    let code = json!({ "code": "INTERNAL_SERVER_ERROR", "traceId": trace });
    assert_eq!(errors[0]["extensions"], code);
    // What is meant for clients is told as it is.
    assert_eq!(errors[1]["message"], "Not yours.");
    assert_eq!(errors[1]["extensions"], json!({ "code": "FORBIDDEN", "traceId": trace }));
    shop.fault("user", Fault::Answer(StatusCode::BAD_GATEWAY, String::new()));
    let errors = ask(&url, "{ me { id } }").await.json()["errors"].to_string();
    assert!(!errors.contains("user"), "{errors}");
}

#[tokio::test]
async fn development_shows_it_and_each_can_be_set_apart() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    shop.fault("user", fault());
    let errors = ask(&url, "{ me { id } }").await.json()["errors"].clone();
    assert!(errors[0]["message"].as_str().unwrap().contains("secrets"));
    assert_eq!(errors[0]["extensions"]["service"], "user");
    assert!(ask(&url, "{ me }").await.json()["errors"].to_string().contains("Did you mean"));
    let url = endpoint(&shop, |config| {
        config.mode = Mode::Production;
        config.introspection = Some(true);
        config.errors.mask = Some(false);
    })
    .await;
    let reply = ask(&url, "{ __schema { queryType { name } } }").await;
    assert_eq!(reply.json()["data"]["__schema"]["queryType"]["name"], "Query");
    let errors = ask(&url, "{ me { id } }").await.json()["errors"].clone();
    assert!(errors[0]["message"].as_str().unwrap().contains("secrets"));
}

#[tokio::test]
async fn errors_name_the_trace() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    for query in ["{", "{ nope }"] {
        let reply = ask(&url, query).await.json();
        assert_eq!(reply["errors"][0]["extensions"]["traceId"], "0af7651916cd43dd8448eb211c80319c");
    }
    // Without one of the client's, there is a new one.
    let reply = send(Method::POST, &url, &[JSON], "nonsense").await.json();
    let trace: &Value = &reply["errors"][0]["extensions"]["traceId"];
    assert_eq!(trace.as_str().map(str::len), Some(32));
}
