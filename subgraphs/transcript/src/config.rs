//! Configuration of this service.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform::config::{ConfigError, Keys, Source, parsed};
use platform::health::Need;
use secrecy::{ExposeSecret as _, SecretString};
use speech::Engine;

/// Recordings that are recognised at once in this process, unless configured. A recognition takes
/// one core and about 400 MB.
pub const CONCURRENCY_DEFAULT: usize = 1;
/// Most recordings at once that can be configured.
pub const CONCURRENCY_MAX: usize = 64;
/// Largest recording that is taken, in bytes, unless configured: 2 GiB.
pub const RECORDING_MAX_BYTES_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;

/// Where clients reach the download route, unless configured.
pub const DOWNLOAD_BASE_URL_DEFAULT: &str = "http://127.0.0.1:4000";

/// What turns speech into text.
#[derive(Clone, Default)]
pub enum EngineChoice {
    /// The built-in recogniser, in a niced child process of this program.
    #[default]
    BuiltIn,
    /// A speech-to-text model behind an OpenAI-compatible server.
    Server(openai::Config),
    /// An engine that the program brings along.
    Given(Arc<dyn Engine>),
}

impl EngineChoice {
    /// Whether the built-in recogniser's weights are needed.
    #[must_use]
    pub fn needs_weights(&self) -> bool {
        matches!(self, Self::BuiltIn)
    }

    /// How much the service needs it: a server that is away delays recordings, which wait for it.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Self::Server(_) => Need::Degraded,
            Self::BuiltIn | Self::Given(_) => Need::Required,
        }
    }
}

impl fmt::Debug for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "BuiltIn",
            Self::Server(_) => "Server",
            Self::Given(_) => "Given",
        })
    }
}

/// How this service works.
#[derive(Debug, Clone)]
pub struct Config {
    /// What turns speech into text.
    pub engine: EngineChoice,
    /// Language of recordings whose meeting names none; `None`: find out.
    pub language: Option<String>,
    /// Recordings that are recognised at once in this process.
    pub concurrency: usize,
    /// Largest recording that is taken, in bytes.
    pub recording_max_bytes: u64,
    /// Folder for copies of recordings that aren't files of this machine; `None`: the system's.
    pub scratch: Option<PathBuf>,
    /// Address of the download route as clients see it, without a slash at its end.
    pub download_base_url: String,
    /// Secrets that download addresses are signed with: the first one signs, all of them verify. Without
    /// any, one is made up that lasts as long as the process.
    pub download_secrets: Vec<SecretString>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: EngineChoice::BuiltIn,
            language: None,
            concurrency: CONCURRENCY_DEFAULT,
            recording_max_bytes: RECORDING_MAX_BYTES_DEFAULT,
            scratch: None,
            download_base_url: DOWNLOAD_BASE_URL_DEFAULT.to_owned(),
            download_secrets: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `MOIM_TRANSCRIPT_ENGINE` (`builtin`, or `openai` for a server:
    /// `MOIM_TRANSCRIPT_ENGINE_URL`, `_MODEL`, `_KEY` and `_TIMEOUT_MS`, as [`openai::Config::from`] has
    /// them), `MOIM_TRANSCRIPT_LANGUAGE` (a two-letter tag),
    /// `MOIM_TRANSCRIPT_CONCURRENCY`, `MOIM_TRANSCRIPT_RECORDING_MAX_BYTES`,
    /// `MOIM_TRANSCRIPT_SCRATCH` (a folder) and `MOIM_TRANSCRIPT_DOWNLOAD_BASE_URL`. All have
    /// defaults. Own keys are derived from `MOIM_SIGNATURE_KEY` and its previous one; a process that is
    /// its own only peer has none: then download addresses end with the process.
    ///
    /// # Errors
    /// When a value can't be used; the error names the variable.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let engine = match source.get(ENGINE).as_deref() {
            None | Some("builtin") => EngineChoice::BuiltIn,
            Some("openai") => {
                let timeout = Duration::from_millis(stt::engine::TIMEOUT_MS_DEFAULT);
                EngineChoice::Server(openai::Config::from(source, ENGINE, timeout)?)
            }
            Some(_) => {
                let help = "use builtin or openai";
                return Err(ConfigError::invalid(ENGINE, "there is no such engine", help));
            }
        };
        let concurrency = parsed(source, CONCURRENCY, defaults.concurrency, CONCURRENCY_HELP)?;
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(ConfigError::invalid(CONCURRENCY, "out of range", CONCURRENCY_HELP));
        }
        Ok(Self {
            engine,
            language: source.get(LANGUAGE).map(|tag| language(&tag)).transpose()?,
            concurrency,
            recording_max_bytes: parsed(
                source,
                RECORDING_MAX_BYTES,
                defaults.recording_max_bytes,
                "give a number of bytes",
            )?,
            scratch: source.get(SCRATCH).map(PathBuf::from),
            download_base_url: download_base_url(source)?,
            download_secrets: match source.get("MOIM_SIGNATURE_KEY") {
                Some(_) => {
                    let keys = Keys::from(source)?;
                    std::iter::once(keys.current).chain(keys.previous).collect()
                }
                None => Vec::new(),
            },
        })
    }

    /// The secrets of download addresses as bytes.
    pub(crate) fn download_secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.download_secrets.iter().map(|secret| secret.expose_secret().as_bytes())
    }

    /// The same with an engine that the program brings along.
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = EngineChoice::Given(engine);
        self
    }
}

const ENGINE: &str = "MOIM_TRANSCRIPT_ENGINE";
const LANGUAGE: &str = "MOIM_TRANSCRIPT_LANGUAGE";
const CONCURRENCY: &str = "MOIM_TRANSCRIPT_CONCURRENCY";
const CONCURRENCY_HELP: &str = "give a number from 1 to 64: one core and 400 MB each";
const RECORDING_MAX_BYTES: &str = "MOIM_TRANSCRIPT_RECORDING_MAX_BYTES";
const DOWNLOAD_BASE_URL: &str = "MOIM_TRANSCRIPT_DOWNLOAD_BASE_URL";
const SCRATCH: &str = "MOIM_TRANSCRIPT_SCRATCH";

fn download_base_url(source: &dyn Source) -> Result<String, ConfigError> {
    let url = source.get(DOWNLOAD_BASE_URL).unwrap_or_else(|| DOWNLOAD_BASE_URL_DEFAULT.to_owned());
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let help =
            "give the address at which browsers reach this server, like https://moim.example";
        return Err(ConfigError::invalid(DOWNLOAD_BASE_URL, "not an HTTP address", help));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn language(tag: &str) -> Result<String, ConfigError> {
    let tag = tag.trim().to_lowercase();
    let usable = tag.len() == 2 && tag.bytes().all(|byte| byte.is_ascii_lowercase());
    if usable {
        Ok(tag)
    } else {
        Err(ConfigError::invalid(LANGUAGE, "not a tag of two letters", "give e.g. ko or en"))
    }
}

#[cfg(test)]
mod tests {
    use platform::config::Values;

    use super::*;

    #[test]
    fn everything_has_a_default() {
        let config = Config::from(&Values::new()).unwrap();
        assert_eq!(config.concurrency, 1);
        assert_eq!(config.language, None);
    }

    #[test]
    fn values_are_checked_and_named() {
        for (name, value) in [
            (ENGINE, "other"),
            (LANGUAGE, "korean"),
            (CONCURRENCY, "0"),
            (CONCURRENCY, "many"),
            (RECORDING_MAX_BYTES, "-1"),
            (DOWNLOAD_BASE_URL, "ftp://moim.example"),
        ] {
            let error = Config::from(&Values::new().with(name, value)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let config = Config::from(&Values::new().with(LANGUAGE, "KO")).unwrap();
        assert_eq!(config.language.as_deref(), Some("ko"));
        let server = Values::new().with(ENGINE, "openai");
        let error = Config::from(&server).unwrap_err();
        assert!(error.to_string().contains("MOIM_TRANSCRIPT_ENGINE_URL"), "{error}");
        let server = server
            .with("MOIM_TRANSCRIPT_ENGINE_URL", "http://127.0.0.1:8000/v1")
            .with("MOIM_TRANSCRIPT_ENGINE_MODEL", "whisper-1");
        assert!(matches!(Config::from(&server).unwrap().engine, EngineChoice::Server(_)));
    }
}
