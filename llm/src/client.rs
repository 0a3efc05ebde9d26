//! The server: one question, one answer, bounded in time and size.

use std::time::Duration;

use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use text::EngineError;
use url::Url;

use crate::config::Config;

/// Most bytes of an answer that are read.
pub const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// How long connecting may take, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// A message of the conversation.
#[derive(Debug, Clone)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// A model behind a server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    model: String,
    key: Option<SecretString>,
    answer_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        platform::tls::choose();
        let http = reqwest::Client::builder()
            .timeout(config.timeout)
            .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            // A redirect would take the key along.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let mut url = config.url.clone();
        url.set_path(&format!("{}/chat/completions", url.path().trim_end_matches('/')));
        let (model, key) = (config.model.clone(), config.key.clone());
        Ok(Self { http, url, model, key, answer_tokens: config.answer_tokens })
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether anybody listens there.
    ///
    /// # Errors
    /// [`EngineError::Away`].
    pub async fn reach(&self) -> Result<(), EngineError> {
        // Any answer will do, also that this needs a POST.
        self.http.get(self.url.clone()).send().await.map(drop).map_err(away)
    }

    /// Asks, and gives the text of the answer, which should fit `schema`: servers that don't know
    /// structured output pass it over, and one that refuses it is asked again without.
    ///
    /// # Errors
    /// [`EngineError::Away`] when it may go better later, [`EngineError::Unusable`] when it won't.
    pub async fn ask(&self, messages: &[Message], schema: &Value) -> Result<String, EngineError> {
        let format = json!({
            "type": "json_schema",
            "json_schema": { "name": "answer", "strict": true, "schema": schema },
        });
        let (status, body) = self.post(messages, Some(format)).await?;
        let (status, body) = match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                self.post(messages, None).await?
            }
            _ => (status, body),
        };
        if status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        {
            return Err(EngineError::Away(format!("status {status}").into()));
        }
        if !status.is_success() {
            return Err(EngineError::Unusable(format!("the server answers with status {status}")));
        }
        let completion: Completion = serde_json::from_slice(&body)
            .map_err(|error| EngineError::Unusable(format!("no chat completion: {error}")))?;
        let content =
            completion.choices.into_iter().next().and_then(|choice| choice.message.content);
        content.ok_or_else(|| EngineError::Unusable("the model says nothing".to_owned()))
    }

    async fn post(
        &self,
        messages: &[Message],
        format: Option<Value>,
    ) -> Result<(StatusCode, Vec<u8>), EngineError> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| json!({ "role": message.role, "content": message.content }))
            .collect();
        let mut body = json!({ "model": self.model, "messages": messages, "temperature": 0 });
        if let Some(tokens) = self.answer_tokens {
            body["max_tokens"] = tokens.into();
        }
        if let Some(format) = format {
            body["response_format"] = format;
        }
        let mut request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut response = request.send().await.map_err(away)?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if answer.len() + chunk.len() > ANSWER_MAX_BYTES {
                let reason = format!("the answer is longer than {ANSWER_MAX_BYTES} bytes");
                return Err(EngineError::Unusable(reason));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((response.status(), answer))
    }
}

fn away(error: reqwest::Error) -> EngineError {
    // Its text may hold the URL, and a URL a password.
    EngineError::Away(error.without_url().into())
}
