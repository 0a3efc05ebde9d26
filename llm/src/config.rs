//! Which engine finds something in texts.

use std::sync::Arc;
use std::time::Duration;

use openai::Server;
use platform::config::{ConfigError, Source, parsed};
use text::{Engine, Extractive};

use crate::client::Client;
use crate::engine::LanguageModel;

/// Which engine it is, and what the names of the server's variables begin with.
const NAME: &str = "MOIM_AI_ENGINE";
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
    /// Where it is.
    pub server: openai::Config,
    /// How long all answers about one meeting may take.
    pub deadline: Duration,
    /// How much text is asked about at once, in characters.
    pub passage_chars: usize,
    /// Most tokens of an answer, as the server is told; `None` leaves it to the server.
    pub answer_tokens: Option<u32>,
}

impl Config {
    /// Reads `MOIM_AI_ENGINE_URL`, `_MODEL`, `_KEY` and `_TIMEOUT_MS` ([`openai::Config::from`]), and
    /// `MOIM_AI_ENGINE_DEADLINE_MS`, `MOIM_AI_ENGINE_PASSAGE_CHARS` and `MOIM_AI_ENGINE_ANSWER_TOKENS`
    /// (default none).
    ///
    /// # Errors
    /// When one of the first two is missing, or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let timeout = Duration::from_millis(TIMEOUT_MS_DEFAULT);
        let server = openai::Config::from(source, NAME, timeout)?;
        let help = "give milliseconds, like 100000";
        let deadline = parsed(source, "MOIM_AI_ENGINE_DEADLINE_MS", DEADLINE_MS_DEFAULT, help)?;
        let name = "MOIM_AI_ENGINE_PASSAGE_CHARS";
        let help = "give characters, 500 at least, like 12000";
        let passage_chars = parsed(source, name, PASSAGE_CHARS_DEFAULT, help)?;
        if passage_chars < 500 {
            return Err(ConfigError::invalid(name, "too few to say anything", help));
        }
        let answer_tokens = match parsed(
            source,
            "MOIM_AI_ENGINE_ANSWER_TOKENS",
            0,
            "give the most tokens of an answer, like 2048; 0 leaves it to the server",
        )? {
            0 => None,
            tokens => Some(tokens),
        };
        Ok(Self { server, deadline: Duration::from_millis(deadline), passage_chars, answer_tokens })
    }
}

/// The engine that `MOIM_AI_ENGINE` names: `builtin` (the default), or `openai` for [`Config`]'s server.
///
/// # Errors
/// When there is no such engine, or the server's configuration can't be used.
pub fn chosen(source: &dyn Source) -> Result<Arc<dyn Engine>, ConfigError> {
    match source.get(NAME).as_deref() {
        None | Some("builtin") => Ok(Arc::new(Extractive)),
        Some("openai") => {
            let config = Config::from(source)?;
            let server = Server::new(&config.server).map_err(|error| {
                let help = "see which certificates this machine trusts";
                ConfigError::invalid("MOIM_AI_ENGINE_URL", platform::error::chain(&error), help)
            })?;
            let client = Client::new(server, &config);
            Ok(Arc::new(LanguageModel::new(client, config.passage_chars, config.deadline)))
        }
        Some(_) => {
            Err(ConfigError::invalid(NAME, "there is no such engine", "use builtin or openai"))
        }
    }
}
