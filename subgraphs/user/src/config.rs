//! Configuration of the user service.

use std::path::PathBuf;

use platform::{
    config::{ConfigError, Source, parsed, required},
    throttle::Policy,
};

/// Who signs our tokens and whom they are for, unless configured.
pub const DEFAULT_ISSUER: &str = "moim";
/// How long an access token is good for, in seconds, unless configured.
pub const ACCESS_TOKEN_TTL_S: i32 = 15 * 60;
/// The longest that may be configured, in seconds: what a token says can't be taken back.
pub const ACCESS_TOKEN_TTL_MAX_S: i32 = 24 * 60 * 60;

/// Wrong log-ins for one account that cost nothing, unless configured.
pub const FAILURES_PER_ACCOUNT: u32 = 5;
/// Wrong log-ins from one address that cost nothing, unless configured: a whole office may have one.
pub const FAILURES_PER_ADDRESS: u32 = 20;
/// Registrations from one address that cost nothing, unless configured.
pub const REGISTRATIONS_PER_ADDRESS: u32 = 20;
/// The longest pause between two attempts, in seconds, unless configured.
pub const PAUSE_MAX_S: u32 = 300;
/// The longest that may be configured, in seconds.
pub const PAUSE_MAX_MAX_S: u32 = 24 * 60 * 60;
/// The first pause, in milliseconds; each further attempt doubles it.
pub const PAUSE_MS: u32 = 1_000;
/// After how long without a wrong log-in, beside the pauses, all are forgotten, in milliseconds.
pub const FORGET_MS: u32 = 15 * 60 * 1_000;

/// How those who try and try are slowed down.
#[derive(Debug, Clone, Copy)]
pub struct Throttles {
    /// Wrong log-ins for one account, wherever they come from.
    pub account: Policy,
    /// Wrong log-ins from one address, for whichever account.
    pub address: Policy,
    /// Registrations from one address.
    pub registration: Policy,
}

impl Throttles {
    fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let name = "MOIM_USER_THROTTLE_MAX_SECONDS";
        let help = "give whole seconds, from 1 to 86400";
        let pause_max_s = parsed(source, name, PAUSE_MAX_S, help)?;
        if !(1..=PAUSE_MAX_MAX_S).contains(&pause_max_s) {
            return Err(ConfigError::invalid(name, "it is out of range", help));
        }
        let policy = |name, default| {
            let free = parsed(source, name, default, "give a number; 0 for no throttle")?;
            Ok(Policy {
                free,
                pause_ms: PAUSE_MS,
                pause_max_ms: pause_max_s * 1_000,
                forget_ms: FORGET_MS,
            })
        };
        Ok(Self {
            account: policy("MOIM_USER_FAILURES_PER_ACCOUNT", FAILURES_PER_ACCOUNT)?,
            address: policy("MOIM_USER_FAILURES_PER_ADDRESS", FAILURES_PER_ADDRESS)?,
            registration: policy("MOIM_USER_REGISTRATIONS_PER_ADDRESS", REGISTRATIONS_PER_ADDRESS)?,
        })
    }
}

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
    /// How log-ins and registrations are slowed down.
    pub throttles: Throttles,
}

impl Config {
    /// Reads `MOIM_USER_SIGNING_KEY_FILE`, `MOIM_USER_ISSUER` and `MOIM_USER_AUDIENCE`
    /// (both [`DEFAULT_ISSUER`] by default), and `MOIM_USER_ACCESS_TOKEN_SECONDS`
    /// ([`ACCESS_TOKEN_TTL_S`] by default), and of the throttles `MOIM_USER_FAILURES_PER_ACCOUNT`,
    /// `MOIM_USER_FAILURES_PER_ADDRESS`, `MOIM_USER_REGISTRATIONS_PER_ADDRESS` and
    /// `MOIM_USER_THROTTLE_MAX_SECONDS`.
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
            throttles: Throttles::from(source)?,
        })
    }
}
