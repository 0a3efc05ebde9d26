//! A client of the public endpoint.

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

use super::PASSWORD;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of the public endpoint.
#[derive(Clone)]
pub(super) struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: Option<String>,
}

impl Api {
    pub(super) fn new(base: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, url: format!("{base}/graphql"), token: None }
    }

    /// Registers somebody, or logs in who is registered: a client of theirs, and their id.
    pub(super) async fn log_in(
        &self,
        email: &str,
        name: &str,
        locale: &str,
    ) -> Result<(Self, Value)> {
        const SESSION: &str = "accessToken user { id }";
        let account = json!({ "email": email, "password": PASSWORD });
        let mut profile = account.clone();
        profile["name"] = json!(name);
        profile["locale"] = json!(locale);
        let session = match self.mutate("login", SESSION, account).await {
            Ok(session) => session,
            Err(_) => self.mutate("register", SESSION, profile).await?,
        };
        let token = session["accessToken"].as_str().map(str::to_owned);
        Ok((Self { token, ..self.clone() }, session["user"]["id"].clone()))
    }

    /// Runs a mutation, whose input type is named after it; a user error is an error.
    pub(super) async fn mutate(&self, name: &str, fields: &str, input: Value) -> Result<Value> {
        let (first, rest) = name.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
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

    /// Runs an operation; gives its data.
    pub(super) async fn send(&self, query: &str, variables: Value) -> Result<Value> {
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
