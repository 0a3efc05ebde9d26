//! One request, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::config::Config;

/// Most bytes of an answer that are read.
pub const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// How long connecting may take, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// How long a server may take to show that it is there, in milliseconds: less than health waits.
pub const REACH_TIMEOUT_MS: u64 = 1_500;
/// How long connecting may take meanwhile, in milliseconds.
const REACH_CONNECT_TIMEOUT_MS: u64 = 1_000;
/// Most characters of a server's own words that are logged.
const REASON_MAX_CHARS: usize = 200;

/// A server that is asked.
#[derive(Debug, Clone)]
pub struct Server {
    http: reqwest::Client,
    probe: reqwest::Client,
    url: Url,
    key: Option<SecretString>,
}

/// What the server answered, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// When to ask again, if it says so (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the same request may go better later: the server is in trouble, or has too much to do.
    #[must_use]
    pub fn is_away(&self) -> bool {
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
        self.status.is_server_error() || later.contains(&self.status)
    }

    /// Its status and what the server says about it, for the log: as OpenAI (`error.message`), or FastAPI
    /// (`detail`) tells errors. Who isn't let in is told nothing more: it may be about the key.
    #[must_use]
    pub fn reason(&self) -> String {
        let status = self.status;
        let said = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => None,
            _ => said(&self.body),
        };
        match said {
            Some(said) => format!("the server answers with status {status}: {said}"),
            None => format!("the server answers with status {status}"),
        }
    }

    /// Whether the server doesn't take a parameter of the request, so that it may do without.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
    }
}

/// What the body of an error says, shortened and on one line.
fn said(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let said = ["/error/message", "/error", "/detail", "/message"]
        .into_iter()
        .find_map(|place| body.pointer(place)?.as_str())?;
    let line = said.chars().map(|c| if c.is_control() { ' ' } else { c });
    Some(line.take(REASON_MAX_CHARS).collect())
}

/// HTTPS can't be set up, as on a machine that trusts no certificates.
#[derive(Debug, thiserror::Error)]
#[error("HTTPS can't be set up")]
pub struct SetupError(#[from] reqwest::Error);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The server can't be reached, or doesn't answer in time.
    #[error("the server can't be reached")]
    Away(#[source] reqwest::Error),
    /// The key isn't one that it takes.
    #[error("the server doesn't let us in: status {0}")]
    Refused(StatusCode),
    /// It says more than is read.
    #[error("the answer is longer than {ANSWER_MAX_BYTES} bytes")]
    TooLong,
}

impl AskError {
    /// Whether the time for an answer was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Away(error) if error.is_timeout() && !error.is_connect())
    }
}

impl From<reqwest::Error> for AskError {
    fn from(error: reqwest::Error) -> Self {
        // Its text may hold the URL, and a URL a password.
        Self::Away(error.without_url())
    }
}

impl Server {
    /// A client of the server; nothing is sent yet.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        platform::tls::choose();
        let client = |timeout, connect_timeout_ms| {
            reqwest::Client::builder()
                .timeout(timeout)
                .connect_timeout(Duration::from_millis(connect_timeout_ms))
                // A redirect would take the key along.
                .redirect(reqwest::redirect::Policy::none())
                .build()
        };
        let http = client(config.timeout, CONNECT_TIMEOUT_MS)?;
        let probe = client(Duration::from_millis(REACH_TIMEOUT_MS), REACH_CONNECT_TIMEOUT_MS)?;
        Ok(Self { http, probe, url: config.url.clone(), key: config.key.clone() })
    }

    /// Whether the server is there and lets us in: it is asked for its models, and any answer will do that
    /// isn't about who we are (not every server lists its models). None will do too where somebody took the
    /// connection: servers that compute and answer in one thread say nothing while they do.
    ///
    /// # Errors
    /// [`AskError::Away`], [`AskError::Refused`].
    pub async fn reach(&self) -> Result<(), AskError> {
        let asked = self.signed(self.probe.get(self.at("models"))).send().await;
        let status = match asked.map_err(AskError::from) {
            Ok(answer) => answer.status(),
            Err(busy) if busy.is_timeout() => return Ok(()),
            Err(error) => return Err(error),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AskError::Refused(status)),
            _ => Ok(()),
        }
    }

    /// Posts `body` to `path` (behind the base URL, without a slash at its beginning).
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Answer, AskError> {
        let asked = self.http.post(self.at(path)).header(header::CONTENT_TYPE, content_type);
        let mut response = self.signed(asked.body(body)).send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_MAX_BYTES {
                return Err(AskError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Ok(Answer { status: response.status(), retry_after, body })
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        url
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn what_the_server_says_is_told_shortened_and_never_about_the_key() {
        let bad = StatusCode::BAD_REQUEST;
        let status = "the server answers with status 400 Bad Request";
        for body in [
            r#"{"error":{"message":"no such\nmodel"}}"#,
            r#"{"error":"no such\nmodel"}"#,
            r#"{"detail":"no such\nmodel"}"#,
        ] {
            assert_eq!(answer(bad, body).reason(), format!("{status}: no such model"));
        }
        for body in ["<html>", r#"{"detail":[{"loc":["body"]}]}"#, "{}"] {
            assert_eq!(answer(bad, body).reason(), status);
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(1_000));
        assert_eq!(answer(bad, &long).reason().len(), status.len() + 2 + REASON_MAX_CHARS);
        let key = r#"{"error":{"message":"Incorrect API key provided: sk-abc"}}"#;
        let told = answer(StatusCode::UNAUTHORIZED, key).reason();
        assert_eq!(told, "the server answers with status 401 Unauthorized");
    }
}
