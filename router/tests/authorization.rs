//! What the supergraph allows whom, checked before anything is asked.

use std::sync::{Arc, Mutex};

use axum::{Json, routing::post};
use http::{Method, StatusCode};
use router::{Config, Router, authorization::Unauthorized};
use serde_json::{Value, json};

use crate::{
    authentication::{claims_with, issuer_of},
    http::send,
    shop::serve,
};

const SUPERGRAPH: &str = include_str!("fixtures/authorization.graphql");

/// What a subgraph answers to a document.
type Script = fn(&str) -> Value;
/// What subgraphs were asked: name and document.
type Log = Arc<Mutex<Vec<(&'static str, String)>>>;

/// Answers everything that could be asked, whoever asks.
fn people(query: &str) -> Value {
    let person = |id: &str| json!({ "__typename": "Person", "id": id, "name": "Ann", "nick": "A", "email": "a@b" });
    let safe = json!({ "__typename": "Safe", "name": "vault", "nick": "v", "gold": 9 });
    let all = json!({
        "people": [person("1"), person("2")], "me": person("1"), "files": [person("1"), safe],
        "safe": safe, "named": [person("1"), safe], "fire": true, "greet": true,
    });
    // Only what was asked for.
    let asked = all.as_object().unwrap().iter().filter(|(key, _)| query.contains(key.as_str()));
    let data: serde_json::Map<_, _> =
        asked.map(|(key, value)| (key.clone(), value.clone())).collect();
    json!({ "data": data })
}

fn wages(_: &str) -> Value {
    json!({ "data": { "_entities": [{ "wage": 1_000 }, { "wage": 2_000 }] } })
}

struct Office {
    url: String,
    log: Log,
}

impl Office {
    /// A router whose clients may have what `scope` and `roles` say; answers a token of theirs too.
    async fn open(unauthorized: Unauthorized, scope: &str, roles: &[&str]) -> (Self, String) {
        let log = Log::default();
        let mut config = Config::default();
        let subgraphs: [(&str, Script); 2] = [("people", people), ("wages", wages)];
        for (name, script) in subgraphs {
            let log = Arc::clone(&log);
            let answer = move |Json(body): Json<Value>| async move {
                let query = body["query"].as_str().unwrap().to_owned();
                let answer = script(&query);
                log.lock().unwrap().push((name, query));
                Json(answer)
            };
            let url = serve(axum::Router::new().route("/graphql", post(answer))).await;
            let settings = router::config::Subgraph {
                url: Some(format!("{url}/graphql")),
                ..Default::default()
            };
            config.subgraphs.insert(name.to_owned(), settings);
        }
        let (issuer, token) = issuer_of(&claims_with(scope, roles));
        config.authentication.issuers = vec![issuer];
        config.authorization.unauthorized = unauthorized;
        let router = Router::builder(SUPERGRAPH, config).build().await.unwrap();
        let url = format!("{}/graphql", serve(router.routes()).await);
        (Self { url, log }, format!("Bearer {token}"))
    }

    async fn ask(&self, token: Option<&str>, query: &str) -> Value {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(token.map(|token| ("authorization", token)));
        let body = json!({ "query": query }).to_string();
        let reply = send(Method::POST, &self.url, &headers, &body).await;
        assert_eq!(reply.status, StatusCode::OK);
        reply.json()
    }

    fn asked(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

fn denied(response: &Value) -> Vec<Value> {
    let errors = response["errors"].as_array().cloned().unwrap_or_default();
    let code = |error: &Value| error["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE";
    assert!(errors.iter().all(code), "{response}");
    errors.iter().map(|error| error["path"].clone()).collect()
}

#[tokio::test]
async fn fields_that_are_not_allowed_are_null_and_nobody_is_asked_for_them() {
    let (office, token) = Office::open(Unauthorized::Mask, "email read", &[]).await;
    let query = "{ people { id name wage } }";
    let response = office.ask(None, query).await;
    let people = json!([{"id":"1","name":"Ann","wage":null},{"id":"2","name":"Ann","wage":null}]);
    assert_eq!(response["data"]["people"], people);
    assert_eq!(denied(&response), [json!(["people", 0, "wage"]), json!(["people", 1, "wage"])]);
    let asked = office.asked();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].1.contains("wage"), "{asked:?}");
    // A null where none may be goes up, as always.
    let response = office.ask(None, "{ people { id email } }").await;
    assert_eq!(response["data"], Value::Null);
    assert!(!office.asked()[0].1.contains("email"));
    // Who has all scopes of one of the sets sees it, by the same document.
    let response = office.ask(Some(&token), "{ people { id email } }").await;
    assert_eq!(response["data"]["people"][0]["email"], "a@b");
    assert_eq!(denied(&response), [] as [Value; 0]);
    let response = office.ask(None, "{ people { id email } }").await;
    assert_eq!(response["data"], Value::Null);
}

#[tokio::test]
async fn who_has_the_scope_gets_all_of_it() {
    let (office, token) = Office::open(Unauthorized::Mask, "wage admin nick", &[]).await;
    let query = "{ people { wage } me { nick } safe { gold } files { ... on Safe { gold } } }";
    let response = office.ask(Some(&token), query).await;
    let data = json!({
        "people": [{ "wage": 1000 }, { "wage": 2000 }], "me": { "nick": "A" },
        "safe": { "gold": 9 }, "files": [{}, { "gold": 9 }],
    });
    assert_eq!(response, json!({ "data": data }));
}

#[tokio::test]
async fn a_login_is_required_where_it_says_so() {
    let (office, token) = Office::open(Unauthorized::Mask, "", &[]).await;
    let response = office.ask(None, "{ me { id } }").await;
    assert_eq!(response["data"], json!({ "me": null }));
    assert_eq!(denied(&response), [json!(["me"])]);
    assert_eq!(office.asked(), []);
    let response = office.ask(Some(&token), "{ me { id } }").await;
    assert_eq!(response, json!({ "data": { "me": { "id": "1" } } }));
}

#[tokio::test]
async fn a_type_is_denied_wherever_it_appears() {
    let (office, token) = Office::open(Unauthorized::Mask, "nick", &[]).await;
    let response = office.ask(None, "{ safe { __typename gold } }").await;
    assert_eq!(response["data"], json!({ "safe": null }));
    assert_eq!(office.asked(), []);
    // As a member of a union or interface it is nulled by itself; what may not be null goes up.
    let query = "query($w: Boolean = true) { files { __typename ...G @include(if: $w) ... on Person { name } } }
                 fragment G on Safe { gold }";
    let response = office.ask(None, query).await;
    assert_eq!(response["data"], json!({ "files": null }));
    assert_eq!(denied(&response), [json!(["files", 1])]);
    assert!(!office.asked()[0].1.contains("gold"));
    // What an interface's field requires holds for its objects too.
    let response = office.ask(None, "{ people { nick } }").await;
    assert_eq!(response["data"]["people"][0], json!({ "nick": null }));
    let response = office.ask(Some(&token), "{ people { nick } }").await;
    assert_eq!(response["data"]["people"][0], json!({ "nick": "A" }));
}

#[tokio::test]
async fn mutations_that_are_not_allowed_do_not_happen() {
    let (office, token) = Office::open(Unauthorized::Mask, "", &["boss", "human"]).await;
    let query = "mutation { fire(id: 1) greet(id: 2) }";
    let response = office.ask(None, query).await;
    assert_eq!(response["data"], json!({ "fire": null, "greet": true }));
    assert_eq!(denied(&response), [json!(["fire"])]);
    assert!(office.asked().iter().all(|(_, query)| !query.contains("fire")));
    let response = office.ask(Some(&token), query).await;
    assert_eq!(response, json!({ "data": { "fire": true, "greet": true } }));
}

#[tokio::test]
async fn the_whole_request_is_refused_where_that_is_wanted() {
    let (office, token) = Office::open(Unauthorized::Refuse, "wage", &[]).await;
    let response = office.ask(None, "{ people { id wage } }").await;
    assert_eq!(response.get("data"), None);
    assert_eq!(denied(&response).len(), 1);
    assert_eq!(office.asked(), []);
    let response = office.ask(Some(&token), "{ people { id wage } }").await;
    assert_eq!(response["data"]["people"][0], json!({ "id": "1", "wage": 1000 }));
}
