//! Where the server is.

use std::time::Duration;

use platform::config::{ConfigError, Source, parsed, required};
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use url::Url;

/// A server, and the model of it that is asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the API; paths come behind it.
    pub url: Url,
    /// Name of the model.
    pub model: String,
    /// Sent as a bearer token.
    pub key: Option<SecretString>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads `<prefix>_URL`, `<prefix>_MODEL`, `<prefix>_KEY` (default none) and `<prefix>_TIMEOUT_MS`
    /// (milliseconds; `timeout` unless set).
    ///
    /// # Errors
    /// When one of the first two is missing, or a value can't be used; the error names the variable.
    pub fn from(source: &dyn Source, prefix: &str, timeout: Duration) -> Result<Self, ConfigError> {
        let name = format!("{prefix}_URL");
        let help = "give the API's base URL, like http://127.0.0.1:8080/v1";
        let url: Url =
            required(source, &name, help)?.parse().map_err(|error: url::ParseError| {
                ConfigError::invalid(&name, error.to_string(), help)
            })?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(ConfigError::invalid(name, "neither http nor https", help));
        }
        let help = "give the model's name as the server knows it";
        let model = required(source, &format!("{prefix}_MODEL"), help)?;
        let name = format!("{prefix}_KEY");
        let key = source.get(&name);
        if key.as_ref().is_some_and(|key| HeaderValue::from_str(key).is_err()) {
            let help = "give a key in plain characters";
            return Err(ConfigError::invalid(name, "it can't be sent in a header", help));
        }
        let name = format!("{prefix}_TIMEOUT_MS");
        let help = "give milliseconds, 1 at least, like 60000";
        let default = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let timeout = Duration::from_millis(parsed(source, &name, default, help)?);
        if timeout.is_zero() {
            return Err(ConfigError::invalid(name, "nobody answers at once", help));
        }
        Ok(Self { url, model, key: key.map(SecretString::from), timeout })
    }
}

#[cfg(test)]
mod tests {
    use platform::config::Values;

    use super::*;

    fn read(values: &Values) -> Result<Config, ConfigError> {
        Config::from(values, "MOIM_X", Duration::from_secs(60))
    }

    #[test]
    fn reads_what_is_set() {
        let least =
            Values::new().with("MOIM_X_URL", "https://ai.example/v1").with("MOIM_X_MODEL", "m");
        let config = read(&least).unwrap();
        assert_eq!(config.url.as_str(), "https://ai.example/v1");
        assert_eq!(config.timeout, Duration::from_secs(60));
        assert!(config.key.is_none());
        let config = read(&least.with("MOIM_X_KEY", "k").with("MOIM_X_TIMEOUT_MS", "250")).unwrap();
        assert_eq!(config.timeout, Duration::from_millis(250));
        assert!(config.key.is_some());
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_and_a_key_is_not_repeated() {
        let least = || Values::new().with("MOIM_X_URL", "http://h/v1").with("MOIM_X_MODEL", "m");
        for (name, value) in [
            ("MOIM_X_URL", "ftp://h/v1"),
            ("MOIM_X_URL", "v1"),
            ("MOIM_X_KEY", "se\ncret"),
            ("MOIM_X_TIMEOUT_MS", "0"),
            ("MOIM_X_TIMEOUT_MS", "soon"),
        ] {
            let error = read(&least().with(name, value)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("cret"), "{error}");
        }
        for name in ["MOIM_X_URL", "MOIM_X_MODEL"] {
            let values = ["MOIM_X_URL", "MOIM_X_MODEL"].into_iter().filter(|other| *other != name);
            let values = values.fold(Values::new(), |all, name| all.with(name, "http://h"));
            assert!(read(&values).unwrap_err().to_string().contains(name));
        }
    }
}
