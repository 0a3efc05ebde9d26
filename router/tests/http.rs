//! GraphQL over HTTP, as clients meet it.

use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use router::Config;
use serde_json::{Value, json};

use crate::shop::{Shop, serve};

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the reply is JSON")
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.to_owned())).unwrap();
    let response = client.request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const GRAPHQL: (&str, &str) = ("accept", "application/graphql-response+json");

async fn endpoint(shop: &Shop, change: impl FnOnce(&mut Config)) -> String {
    let mut config = shop.config();
    change(&mut config);
    let router = shop.router_with(config).await;
    format!("{}/graphql", serve(router.routes()).await)
}

#[tokio::test]
async fn a_post_is_answered_in_the_type_that_the_client_wants() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let body = json!({ "query": "query($u: ID!) { product(upc: $u) { upc } }",
                       "variables": { "u": "1" } })
    .to_string();
    let reply = send(Method::POST, &url, &[JSON], &body).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(reply.json(), json!({ "data": { "product": { "upc": "1" } } }));
    let reply = send(Method::POST, &url, &[JSON, GRAPHQL], &body).await;
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with(GRAPHQL.1));
    let html = ("accept", "text/html");
    let reply = send(Method::POST, &url, &[JSON, html], &body).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn request_errors_have_the_status_of_their_media_type() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    for (query, variables, code) in [
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("query($u: ID!) { product(upc: $u) { upc } }", json!({}), "BAD_USER_INPUT"),
    ] {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let reply = send(Method::POST, &url, &[JSON, GRAPHQL], &body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, code.to_owned()));
        let reply = send(Method::POST, &url, &[JSON], &body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::OK, code.to_owned()));
        assert_eq!(reply.json().get("data"), None);
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_is_refused() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    for body in [
        "",
        "nonsense",
        "{}",
        "[]",
        "{\"query\":1}",
        "{\"query\":\"{me{id}}\",\"variables\":[]}",
        "{\"query\":\"{me{id}}\"",
        "null",
    ] {
        let reply = send(Method::POST, &url, &[JSON], body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            "{body}"
        );
    }
    let body = "{\"query\":\"{me{id}}\"}";
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let reply = send(Method::POST, &url, &[("content-type", content_type)], body).await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let large = json!({ "query": "{ me { id } }", "padding": "x".repeat(1024 * 1024) }).to_string();
    let reply = send(Method::POST, &url, &[JSON], &large).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let large = json!({ "query": "{ me { id } }", "padding": "x".repeat(1024 * 1000) }).to_string();
    let reply = send(Method::POST, &url, &[JSON], &large).await;
    assert_eq!(reply.status, StatusCode::OK);
    let deep =
        json!({ "query": format!("{}{}", "{me".repeat(20_000), "}".repeat(20_000)) }).to_string();
    let reply = send(Method::POST, &url, &[JSON], &deep).await;
    assert_eq!(reply.code(), "TOKEN_LIMIT_EXCEEDED");
    let apq = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "x" } } });
    let reply = send(Method::POST, &url, &[JSON], &apq.to_string()).await;
    assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn get_is_for_queries_that_no_foreign_page_can_send() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let query = format!(
        "{url}?query=query(%24u:ID!)%7Bproduct(upc:%24u)%7Bupc%7D%7D&variables=%7B%22u%22:%222%22%7D"
    );
    let preflight = ("apollo-require-preflight", "1");
    let reply = send(Method::GET, &query, &[preflight], "").await;
    assert_eq!(reply.json(), json!({ "data": { "product": { "upc": "2" } } }));
    let reply = send(Method::GET, &query, &[], "").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
    let mutation = format!("{url}?query=mutation%7Bping%7D");
    let reply = send(Method::GET, &mutation, &[preflight], "").await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "POST");
    assert_eq!(shop.count("product"), 1);
    let reply = send(Method::GET, &url, &[("accept", "text/html")], "").await;
    assert_eq!(reply.headers["location"], "/graphiql");
}

#[tokio::test]
async fn several_operations_need_a_name() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let query = "query A { me { id } } query B { __typename }";
    let send_with = async |name: Value| {
        let body = json!({ "query": query, "operationName": name }).to_string();
        send(Method::POST, &url, &[JSON], &body).await
    };
    assert_eq!(send_with(json!("B")).await.json(), json!({ "data": { "__typename": "Query" } }));
    assert_eq!(send_with(json!("A")).await.json(), json!({ "data": { "me": { "id": "u1" } } }));
    assert_eq!(send_with(json!("C")).await.code(), "BAD_REQUEST");
    assert_eq!(send_with(Value::Null).await.code(), "BAD_REQUEST");
}

#[tokio::test]
async fn clients_cannot_send_internal_headers_on() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |config| {
        config.headers.propagate =
            ["x-tenant", "moim-identity", "connection"].map(Into::into).into();
    })
    .await;
    let headers = [
        JSON,
        ("x-tenant", "t"),
        ("x-other", "o"),
        ("moim-identity", "forged"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let reply = send(Method::POST, &url, &headers, "{\"query\":\"{me{id}}\"}").await;
    assert_eq!(reply.json(), json!({ "data": { "me": { "id": "u1" } } }));
    let sent = shop.seen("user")[0].headers.clone();
    assert_eq!(sent["x-tenant"], "t");
    assert!(!sent.contains_key("x-other"));
    assert_eq!(sent.get_all("moim-identity").iter().count(), 1);
    assert_ne!(sent["moim-identity"], "forged");
    assert!(sent["traceparent"].to_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test]
async fn other_origins_only_where_configured() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |config| {
        config.http.cors.origins = vec!["https://app.example.org".to_owned()];
    })
    .await;
    let ask = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,authorization"),
        ];
        send(Method::OPTIONS, &url, &headers, "").await
    };
    let reply = ask("https://app.example.org").await;
    assert_eq!(reply.headers["access-control-allow-origin"], "https://app.example.org");
    let reply = ask("https://evil.example.org").await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn other_origins_may_send_the_headers_that_go_on_and_read_what_they_need() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |config| {
        config.http.cors.origins = vec!["https://app.example.org".to_owned()];
        config.headers.propagate.push("x-tenant".to_owned());
    })
    .await;
    let headers = [
        ("origin", "https://app.example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-tenant,accept-language"),
    ];
    let reply = send(Method::OPTIONS, &url, &headers, "").await;
    let allowed = reply.headers["access-control-allow-headers"].to_str().unwrap().to_owned();
    for name in ["content-type", "authorization", "x-tenant", "accept-language", "last-event-id"] {
        assert!(allowed.contains(name), "{name} isn't in {allowed}");
    }
    assert!(!allowed.contains("moim-"), "{allowed}");
    let query = "{\"query\":\"{me{id}}\"}";
    let reply = send(Method::POST, &url, &[JSON, headers[0]], query).await;
    let exposed = reply.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("retry-after") && exposed.contains("ratelimit"), "{exposed}");
}

#[tokio::test]
async fn it_speaks_http_2() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let mut client = Client::builder(TokioExecutor::new());
    let client = client.http2_only(true).build_http::<Full<bytes::Bytes>>();
    let asks = (0..20).map(|_| {
        let request = http::Request::post(&url)
            .header(JSON.0, JSON.1)
            .body(Full::from("{\"query\":\"{me{id}}\"}"));
        client.request(request.unwrap())
    });
    for response in futures::future::join_all(asks).await {
        let response = response.unwrap();
        assert_eq!(
            (response.status(), response.version()),
            (StatusCode::OK, http::Version::HTTP_2)
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"{\"data\":{\"me\":{\"id\":\"u1\"}}}");
    }
}

#[tokio::test]
async fn large_responses_are_compressed_for_those_who_want_it() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let body = json!({ "query": "{ __schema { types { name description } } }" }).to_string();
    let gzip = ("accept-encoding", "gzip");
    let reply = send(Method::POST, &url, &[JSON, gzip], &body).await;
    assert_eq!(reply.headers["content-encoding"], "gzip");
    let reply = send(Method::POST, &url, &[JSON], &body).await;
    assert!(!reply.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn health_and_explorer_are_served() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, |_| {}).await;
    let base = url.trim_end_matches("/graphql");
    let reply = send(Method::GET, &format!("{base}/health/live"), &[], "").await;
    assert_eq!(reply.status, StatusCode::OK);
    let reply = send(Method::GET, &format!("{base}/health/ready"), &[], "").await;
    assert_eq!(reply.status, StatusCode::OK);
    let reply = send(Method::GET, &format!("{base}/graphiql"), &[], "").await;
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let reply = send(Method::GET, &format!("{base}/graphiql/../Cargo.toml"), &[], "").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}
