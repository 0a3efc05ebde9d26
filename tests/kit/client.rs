//! A GraphQL client over real sockets.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use platform::{identity::Identity, signature::Keys};
use serde_json::{Value, json};

/// There was no whole answer.
pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// An answer to a GraphQL request over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// The value at a JSON pointer below `data`; fails the test when there is none.
    pub(crate) fn data(&self, pointer: &str) -> &Value {
        self.body["data"]
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
    }

    /// The string at a JSON pointer below `data`.
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.data(pointer)
            .as_str()
            .unwrap_or_else(|| panic!("{pointer} is no string in {}", self.body))
            .to_owned()
    }

    /// `extensions.code` of the first error.
    pub(crate) fn error_code(&self) -> Option<&str> {
        self.body.pointer("/errors/0/extensions/code")?.as_str()
    }

    /// Codes of the `userErrors` of the one mutation in the request.
    pub(crate) fn user_error_codes(&self) -> Vec<&str> {
        let payload = self.body["data"].as_object().and_then(|data| data.values().next());
        payload
            .and_then(|payload| payload["userErrors"].as_array())
            .into_iter()
            .flatten()
            .filter_map(|error| error["code"].as_str())
            .collect()
    }

    /// Fails the test if there are errors of either kind.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.body.get("errors").is_none(), "errors in {}", self.body);
        assert!(self.user_error_codes().is_empty(), "user errors in {}", self.body);
        self
    }
}

/// A client of one endpoint, with or without a token.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    traceparent: Option<String>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            base: base.to_owned(),
            token: None,
            traceparent: None,
        }
    }

    /// The same client with a bearer token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client, whose requests belong to a trace.
    pub(crate) fn traced(&self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self.clone() }
    }

    /// The same client and token at another address.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// Sends a GraphQL request by POST.
    pub(crate) async fn send(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.post_raw("/graphql", "application/json", body.into_bytes()).await
    }

    /// Sends a GraphQL request to a subgraph, signed as the router signs it for somebody.
    pub(crate) async fn send_signed(
        &self,
        (keys, subgraph, identity): (&Keys, &str, &Identity),
        query: &str,
        variables: Value,
    ) -> Answer {
        let body = json!({ "query": query, "variables": variables }).to_string().into_bytes();
        let mut headers = HeaderMap::new();
        keys.sign(subgraph, identity, &body, &mut headers);
        let mut request = self.post("/graphql", "application/json", body);
        request.headers_mut().extend(headers);
        self.request(request).await
    }

    /// The same as [`Client::send`], for a server that may be gone.
    pub(crate) async fn try_send(&self, query: &str, variables: Value) -> Result<Answer, Broken> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.try_request(self.post("/graphql", "application/json", body.into_bytes())).await
    }

    /// Sends any body by POST.
    pub(crate) async fn post_raw(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.request(self.post(path, content_type, body)).await
    }

    fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
        let mut request = Request::post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, content_type);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.body(Full::from(body)).expect("request")
    }

    /// Gets a path, as JSON or `null` when the body is none.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let (status, text) = self.get_text(path).await;
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    async fn fetch(&self, path: &str) -> hyper::Response<hyper::body::Incoming> {
        let mut request = Request::get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::default()).expect("request");
        self.http.request(request).await.unwrap_or_else(|e| panic!("GET {path}: {e:?}"))
    }

    /// Gets a path, as text.
    pub(crate) async fn get_text(&self, path: &str) -> (StatusCode, String) {
        let response = self.fetch(path).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    /// Uploads a body to an absolute URL with PUT.
    pub(crate) async fn put(&self, url: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.try_put(url, content_type, body).await.unwrap_or_else(|e| panic!("PUT {url}: {e:?}"))
    }

    /// The same as [`Client::put`], for a server that may be gone.
    pub(crate) async fn try_put(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Broken> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(url)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::from(body));
        self.try_request(request.expect("request")).await
    }

    async fn request(&self, request: Request<Full<Bytes>>) -> Answer {
        let what = format!("{} {}", request.method(), request.uri());
        self.try_request(request).await.unwrap_or_else(|e| panic!("{what}: {e:?}"))
    }

    async fn try_request(&self, request: Request<Full<Bytes>>) -> Result<Answer, Broken> {
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}
