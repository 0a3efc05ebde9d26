//! The server: one question, one answer.

use openai::{Answer, AskError, Server};
use serde::Deserialize;
use serde_json::{Value, json};
use text::EngineError;

use crate::config::Config;

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
    server: Server,
    model: String,
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
    #[must_use]
    pub fn new(server: Server, config: &Config) -> Self {
        Self { server, model: config.server.model.clone(), answer_tokens: config.answer_tokens }
    }

    /// Whether the server is there and lets us in.
    ///
    /// # Errors
    /// [`EngineError::Away`].
    pub async fn reach(&self) -> Result<(), EngineError> {
        self.server.reach().await.map_err(|error| EngineError::Away(error.into()))
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
        let mut answer = self.post(messages, Some(format)).await?;
        if answer.is_refusal() {
            answer = self.post(messages, None).await?;
        }
        if answer.is_away() {
            return Err(EngineError::Away(answer.reason().into()));
        }
        if !answer.status.is_success() {
            return Err(EngineError::Unusable(answer.reason()));
        }
        let completion: Completion = serde_json::from_slice(&answer.body)
            .map_err(|error| EngineError::Unusable(format!("no chat completion: {error}")))?;
        let content =
            completion.choices.into_iter().next().and_then(|choice| choice.message.content);
        content.ok_or_else(|| EngineError::Unusable("the model says nothing".to_owned()))
    }

    async fn post(
        &self,
        messages: &[Message],
        format: Option<Value>,
    ) -> Result<Answer, EngineError> {
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
        let body = body.to_string().into();
        self.server.post("chat/completions", "application/json", body).await.map_err(|error| {
            match error {
                AskError::TooLong => EngineError::Unusable(error.to_string()),
                away => EngineError::Away(away.into()),
            }
        })
    }
}
