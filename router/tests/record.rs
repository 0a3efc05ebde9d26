//! The line of the log that each operation has, by HTTP and in a batch. Those on WebSockets are tested with
//! the sockets.

use http::Method;
use platform::telemetry::TraceContext;
use serde_json::{Value, json};

use crate::{
    authentication,
    http::send,
    log,
    shop::{Shop, serve},
};

const USER: &str = "0192e4a0-0000-7000-8000-000000000001";
const SECRET: &str = "the-secret-of-a-variable";

/// What a POST of this body left in the log, after its answer.
async fn told(body: &Value, authorization: &str) -> Vec<Value> {
    log::keep();
    let shop = Shop::open().await;
    let mut config = shop.config();
    config.authentication.issuers = vec![authentication::issuer().0];
    let url = format!("{}/graphql", serve(shop.router_with(config).await.routes()).await);
    let trace = TraceContext::new();
    let traceparent = trace.to_string();
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization),
        ("traceparent", &traceparent),
    ];
    send(Method::POST, &url, &headers, &body.to_string()).await;
    let lines = log::lines("trace_id", &trace.trace_id());
    assert!(!lines.iter().any(|line| line.to_string().contains(SECRET)), "{lines:?}");
    lines.into_iter().filter(|line| !line["way"].is_null()).collect()
}

fn query(document: &str) -> Value {
    json!({ "query": document, "variables": { "secret": SECRET } })
}

#[tokio::test]
async fn a_request_has_one_line_that_says_who_what_and_how_it_went() {
    let bearer = format!("Bearer {}", authentication::issuer().1);
    let lines = told(&query("query Mine { me { id } }"), &bearer).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    for (field, value) in [
        ("message", json!("request")),
        ("operation", json!("Mine")),
        ("kind", json!("query")),
        ("way", json!("http")),
        ("viewer", json!(USER)),
        ("status", json!(200)),
        ("errors", json!(0)),
        ("cost", json!(1)),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert!(line["duration_ms"].as_f64().is_some_and(|took| took > 0.0), "{line}");
    assert_ne!(line["hash"], "0000000000000000");
    // What is refused has its line as well
    let lines = told(&query("query Mine { me { id } }"), "Bearer nonsense").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["status"], &line["errors"]), (&json!(401), &json!(1)), "{line}");
}

#[tokio::test]
async fn each_request_of_a_batch_has_a_line_of_its_own() {
    let bearer = format!("Bearer {}", authentication::issuer().1);
    let body = json!([query("query First { me { id } }"), query("query Wrong { nothing }"), 7]);
    let lines = told(&body, &bearer).await;
    let (parts, whole): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["way"] == "batch");
    assert_eq!((parts.len(), whole.len()), (3, 1), "{lines:?}");
    let first = parts.iter().find(|line| line["operation"] == "First").expect("its line");
    assert_eq!((&first["message"], &first["status"]), (&json!("operation"), &json!(200)));
    assert_eq!((&first["viewer"], &first["cost"]), (&json!(USER), &json!(1)));
    let refused = parts.iter().filter(|line| line["status"] == 400 && line["errors"] == 1);
    assert_eq!(refused.count(), 2, "{parts:?}");
    let (kind, status, errors) = (&whole[0]["kind"], &whole[0]["status"], &whole[0]["errors"]);
    assert_eq!((kind, status, errors), (&json!("batch"), &json!(200), &json!(2)));
}
