//! Which engine finds something in texts.

use std::sync::Arc;
use std::time::Duration;

use platform::config::{ConfigError, Source, parsed, required};
use secrecy::SecretString;
use text::{Engine, Extractive};
use url::Url;

use crate::client::Client;
use crate::engine::LanguageModel;

/// How long one answer may take, unless configured, in milliseconds.
pub const TIMEOUT_MS_DEFAULT: u64 = 60_000;
/// How long all answers about one meeting may take, unless configured, in milliseconds: less than the
/// shortest job (a schedule: 2 min) may run.
pub const DEADLINE_MS_DEFAULT: u64 = 100_000;
/// How much text is asked about at once, unless configured, in characters: some 4,000 tokens.
pub const PASSAGE_CHARS_DEFAULT: usize = 12_000;

/// A server and how it is asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the API; `/chat/completions` comes behind it.
    pub url: Url,
    /// Name of the model.
    pub model: String,
    /// Sent as a bearer token.
    pub key: Option<SecretString>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long all answers about one meeting may take.
    pub deadline: Duration,
    /// How much text is asked about at once, in characters.
    pub passage_chars: usize,
    /// Most tokens of an answer, as the server is told; `None` leaves it to the server.
    pub answer_tokens: Option<u32>,
}

impl Config {
    /// Reads `MOIM_AI_URL`, `MOIM_AI_MODEL`, `MOIM_AI_KEY` (default none), `MOIM_AI_TIMEOUT_MS`,
    /// `MOIM_AI_DEADLINE_MS`, `MOIM_AI_PASSAGE_CHARS` and `MOIM_AI_ANSWER_TOKENS` (default none).
    ///
    /// # Errors
    /// When one of the first two is missing, or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        const URL: &str = "MOIM_AI_URL";
        let help = "give the API's base URL, like http://127.0.0.1:8080/v1";
        let url: Url = required(source, URL, help)?
            .parse()
            .map_err(|error: url::ParseError| ConfigError::invalid(URL, error.to_string(), help))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(ConfigError::invalid(URL, "neither http nor https", help));
        }
        let model =
            required(source, "MOIM_AI_MODEL", "give the model's name as the server knows it")?;
        let milliseconds = |name: &str, default| {
            parsed(source, name, default, "give milliseconds, like 60000")
                .map(Duration::from_millis)
        };
        let name = "MOIM_AI_PASSAGE_CHARS";
        let help = "give characters, 500 at least, like 12000";
        let passage_chars = parsed(source, name, PASSAGE_CHARS_DEFAULT, help)?;
        if passage_chars < 500 {
            return Err(ConfigError::invalid(name, "too few to say anything", help));
        }
        let answer_tokens = match parsed(
            source,
            "MOIM_AI_ANSWER_TOKENS",
            0,
            "give the most tokens of an answer, like 2048; 0 leaves it to the server",
        )? {
            0 => None,
            tokens => Some(tokens),
        };
        Ok(Self {
            url,
            model,
            key: source.get("MOIM_AI_KEY").map(SecretString::from),
            timeout: milliseconds("MOIM_AI_TIMEOUT_MS", TIMEOUT_MS_DEFAULT)?,
            deadline: milliseconds("MOIM_AI_DEADLINE_MS", DEADLINE_MS_DEFAULT)?,
            passage_chars,
            answer_tokens,
        })
    }
}

/// The engine that `MOIM_AI_ENGINE` names: `builtin` (the default), or `openai` for [`Config`]'s server.
///
/// # Errors
/// When there is no such engine, or the server's configuration can't be used.
pub fn chosen(source: &dyn Source) -> Result<Arc<dyn Engine>, ConfigError> {
    const NAME: &str = "MOIM_AI_ENGINE";
    match source.get(NAME).as_deref() {
        None | Some("builtin") => Ok(Arc::new(Extractive)),
        Some("openai") => {
            let config = Config::from(source)?;
            let unusable = |error: reqwest::Error| {
                ConfigError::invalid(
                    "MOIM_AI_KEY",
                    error.to_string(),
                    "give a key in plain characters",
                )
            };
            let client = Client::new(&config).map_err(unusable)?;
            Ok(Arc::new(LanguageModel::new(client, config.passage_chars, config.deadline)))
        }
        Some(_) => {
            Err(ConfigError::invalid(NAME, "there is no such engine", "use builtin or openai"))
        }
    }
}
