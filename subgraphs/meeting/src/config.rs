//! Configuration of the meeting service.

use std::fmt;

use platform::config::{ConfigError, Keys, Source};
use secrecy::{ExposeSecret as _, SecretString};

/// Where clients reach the upload route, unless configured.
pub const DEFAULT_UPLOAD_BASE_URL: &str = "http://127.0.0.1:4000";

/// What the meeting service needs to know.
#[derive(Clone)]
pub struct Config {
    /// Address of the upload route as clients see it, without a slash at its end.
    pub upload_base_url: String,
    /// Secrets that upload addresses are signed with: the first one signs, all of them verify.
    /// Without any, one is made up that lasts as long as the process.
    pub upload_secrets: Vec<SecretString>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("upload_base_url", &self.upload_base_url)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads `MOIM_MEETING_UPLOAD_BASE_URL` (default [`DEFAULT_UPLOAD_BASE_URL`]), and
    /// `MOIM_SIGNATURE_KEY` with its previous one, from which own keys are derived. A
    /// process that is its own only peer has no `MOIM_SIGNATURE_KEY`: then upload addresses
    /// end with the process.
    ///
    /// # Errors
    /// When the address isn't one of HTTP, or the key is too short.
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
        Ok(Self { upload_base_url: url.trim_end_matches('/').to_owned(), upload_secrets })
    }

    /// The secrets as bytes.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.upload_secrets.iter().map(|secret| secret.expose_secret().as_bytes())
    }
}
