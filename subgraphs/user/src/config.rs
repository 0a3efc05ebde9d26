//! Configuration of the user service.

use std::path::PathBuf;

use platform::config::{ConfigError, Source, parsed, required};

/// Who signs our tokens and whom they are for, unless configured.
pub const DEFAULT_ISSUER: &str = "moim";
/// How long an access token is good for, in seconds, unless configured.
pub const ACCESS_TOKEN_TTL_S: i32 = 15 * 60;
/// The longest that may be configured, in seconds: what a token says can't be taken back.
pub const ACCESS_TOKEN_TTL_MAX_S: i32 = 24 * 60 * 60;

/// What the user service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ed25519 private key in PKCS#8 PEM; made when it is missing and its folder is there.
    pub signing_key_file: PathBuf,
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
    /// How long an access token is good for, in seconds.
    pub access_token_ttl_s: i32,
}

impl Config {
    /// Reads `MOIM_USER_SIGNING_KEY_FILE`, `MOIM_USER_ISSUER` and `MOIM_USER_AUDIENCE`
    /// (both [`DEFAULT_ISSUER`] by default), and `MOIM_USER_ACCESS_TOKEN_SECONDS`
    /// ([`ACCESS_TOKEN_TTL_S`] by default).
    ///
    /// # Errors
    /// When the key file isn't named or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let help = "name a file for the key that signs access tokens, like \
                    /var/lib/moim/signing-key.pem; it is made when it is missing";
        let or_default = |name| source.get(name).unwrap_or_else(|| DEFAULT_ISSUER.to_owned());
        let name = "MOIM_USER_ACCESS_TOKEN_SECONDS";
        let ttl_help = "give whole seconds, from 1 to 86400";
        let access_token_ttl_s = parsed(source, name, ACCESS_TOKEN_TTL_S, ttl_help)?;
        if !(1..=ACCESS_TOKEN_TTL_MAX_S).contains(&access_token_ttl_s) {
            return Err(ConfigError::invalid(name, "it is out of range", ttl_help));
        }
        Ok(Self {
            signing_key_file: required(source, "MOIM_USER_SIGNING_KEY_FILE", help)?.into(),
            issuer: or_default("MOIM_USER_ISSUER"),
            audience: or_default("MOIM_USER_AUDIENCE"),
            access_token_ttl_s,
        })
    }
}
