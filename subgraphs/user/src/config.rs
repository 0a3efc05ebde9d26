//! Configuration of the user service.

use std::path::PathBuf;

use platform::config::{ConfigError, Source, required};

/// Who signs our tokens and whom they are for, unless configured.
pub const DEFAULT_ISSUER: &str = "moim";

/// What the user service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ed25519 private key in PKCS#8 PEM; made when it is missing and its folder is there.
    pub signing_key_file: PathBuf,
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
}

impl Config {
    /// Reads `MOIM_USER_SIGNING_KEY_FILE`, `MOIM_USER_ISSUER` and `MOIM_USER_AUDIENCE`
    /// (both [`DEFAULT_ISSUER`] by default).
    ///
    /// # Errors
    /// When the key file isn't named.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let help = "name a file for the key that signs access tokens, like \
                    /var/lib/moim/signing-key.pem; it is made when it is missing";
        let or_default =
            |name| source.get(name).unwrap_or_else(|| DEFAULT_ISSUER.to_owned());
        Ok(Self {
            signing_key_file: required(source, "MOIM_USER_SIGNING_KEY_FILE", help)?.into(),
            issuer: or_default("MOIM_USER_ISSUER"),
            audience: or_default("MOIM_USER_AUDIENCE"),
        })
    }
}
