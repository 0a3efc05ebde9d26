//! Demo data: two people and their meetings, made through the public API as a client would.
//!
//! Loading is idempotent: who is registered already is logged in, and each meeting has an idempotency key and a
//! look at what is there, so a start that died half-way is completed by the next one.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use std::time::Duration;

/// E-mail address of the demo login.
pub(crate) const EMAIL: &str = "demo@moim.local";
/// Password of the demo login, on machines for trying only.
pub(crate) const PASSWORD: &str = "moim-demo-2026";
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Loads the demo data if it isn't there yet.
///
/// # Errors
/// When the API refuses or doesn't answer.
pub(crate) async fn load(base: &str) -> Result<()> {
    let mut api = Api::new(base);
    let colleague = api.log_in("minji@moim.local", "김민지", "ko").await?;
    api.log_in(EMAIL, "Demo", "en").await?;
    let there = api.send("{ meetings(first: 20) { nodes { id } } }", Value::Null).await?;
    if there["meetings"]["nodes"].as_array().is_some_and(|nodes| nodes.len() >= MEETINGS.len()) {
        return Ok(());
    }
    for (key, title, agenda) in MEETINGS {
        let input = json!({
            "title": title, "agenda": agenda, "participantIds": [colleague],
            "scheduledAt": "2030-01-07T01:00:00Z", "idempotencyKey": format!("demo-{key}") });
        let made =
            api.mutate("createMeeting", "CreateMeetingInput", "meeting { id }", input).await?;
        if key == IN_PROGRESS {
            let input = json!({ "meetingId": made["meeting"]["id"] });
            api.mutate("startMeeting", "StartMeetingInput", "meeting { id }", input).await?;
        }
    }
    Ok(())
}

/// Key of the meeting that is started at once, so that a recording can be sent to it.
const IN_PROGRESS: &str = "in-progress";
/// Key, title and agenda of each demo meeting.
const MEETINGS: [(&str, &str, &str); 2] = [
    ("scheduled", "주간 회의", "지난주 결과, 이번 주 계획"),
    (IN_PROGRESS, "Product review", "What we learned, what is next"),
];

/// A client of the public endpoint.
struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: Option<String>,
}

impl Api {
    fn new(base: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, url: format!("{base}/graphql"), token: None }
    }

    /// Registers somebody, or logs in who is registered; further requests are theirs. Gives the user's id.
    async fn log_in(&mut self, email: &str, name: &str, locale: &str) -> Result<Value> {
        const SESSION: &str = "accessToken user { id }";
        self.token = None;
        let account = json!({ "email": email, "password": PASSWORD });
        let mut profile = account.clone();
        profile["name"] = json!(name);
        profile["locale"] = json!(locale);
        let session = match self.mutate("login", "LoginInput", SESSION, account).await {
            Ok(session) => session,
            Err(_) => self.mutate("register", "RegisterInput", SESSION, profile).await?,
        };
        self.token = session["accessToken"].as_str().map(str::to_owned);
        Ok(session["user"]["id"].clone())
    }

    async fn mutate(&self, name: &str, kind: &str, fields: &str, input: Value) -> Result<Value> {
        let query = format!(
            "mutation ($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code message }} }} }}"
        );
        let data = self.send(&query, json!({ "input": input })).await?;
        let payload = &data[name];
        match payload["userErrors"].get(0) {
            Some(error) => bail!("{name} was refused: {error}"),
            None => Ok(payload.clone()),
        }
    }

    async fn send(&self, query: &str, variables: Value) -> Result<Value> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut request = Request::post(&self.url).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answer = async {
            let response = self.http.request(request).await?;
            anyhow::Ok(response.into_body().collect().await?.to_bytes())
        };
        let body = tokio::time::timeout(REQUEST_TIMEOUT, answer).await.context("no answer")??;
        let mut answer: Value = serde_json::from_slice(&body)?;
        match answer["errors"].get(0) {
            Some(error) => bail!("refused: {}", error["message"]),
            None => Ok(answer["data"].take()),
        }
    }
}
