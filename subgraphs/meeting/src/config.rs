//! Configuration of the meeting service.

use std::fmt;

use platform::config::{ConfigError, Keys, Source};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::retention::Retention;

/// Where clients reach the upload route, unless configured.
pub const DEFAULT_UPLOAD_BASE_URL: &str = "http://127.0.0.1:4000";

const RETENTION: &str = "MOIM_RECORDINGS_RETENTION";
const RETENTION_HELP: &str = "give keep, or hours or days from 1h to 3650d, like 30d";

/// What the meeting service needs to know.
#[derive(Clone)]
pub struct Config {
    /// Address of the upload route as clients see it, without a slash at its end.
    pub upload_base_url: String,
    /// Secrets that upload addresses are signed with: the first one signs, all of them verify.
    /// Without any, one is made up that lasts as long as the process.
    pub upload_secrets: Vec<SecretString>,
    /// How long the files of recordings are kept after their meeting's end.
    pub retention: Retention,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("upload_base_url", &self.upload_base_url)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads `MOIM_MEETING_UPLOAD_BASE_URL` (default [`DEFAULT_UPLOAD_BASE_URL`]),
    /// `MOIM_RECORDINGS_RETENTION` (default: kept), and `MOIM_SIGNATURE_KEY` with its previous one, from which own keys are derived. A
    /// process that is its own only peer has no `MOIM_SIGNATURE_KEY`: then upload addresses
    /// end with the process.
    ///
    /// # Errors
    /// When the address isn't one of HTTP, the time isn't one, or the key is too short.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let name = "MOIM_MEETING_UPLOAD_BASE_URL";
        let url = source.get(name).unwrap_or_else(|| DEFAULT_UPLOAD_BASE_URL.to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let help =
                "give the address at which browsers reach this server, like https://moim.example";
            return Err(ConfigError::invalid(name, "not an HTTP address", help));
        }
        let mut upload_secrets = Vec::new();
        if source.get("MOIM_SIGNATURE_KEY").is_some() {
            let keys = Keys::from(source)?;
            upload_secrets.push(keys.current);
            upload_secrets.extend(keys.previous);
        }
        let retention = match source.get(RETENTION) {
            None => Retention::default(),
            Some(text) => Retention::parse(&text)
                .ok_or_else(|| ConfigError::invalid(RETENTION, "not a time", RETENTION_HELP))?,
        };
        let upload_base_url = url.trim_end_matches('/').to_owned();
        Ok(Self { upload_base_url, upload_secrets, retention })
    }

    /// The secrets as bytes.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.upload_secrets.iter().map(|secret| secret.expose_secret().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use platform::config::Values;

    use super::*;

    #[test]
    fn a_retention_that_is_none_is_named() {
        for wrong in ["30", "0d", "a month", "-1d", "30m", "99999d"] {
            let error = Config::from(&Values::new().with(RETENTION, wrong)).unwrap_err();
            assert!(error.to_string().contains(RETENTION), "{error}");
        }
        assert_eq!(Config::from(&Values::new()).unwrap().retention, Retention::default());
    }
}
