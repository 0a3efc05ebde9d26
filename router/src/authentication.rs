//! Who asks, proved by a JSON Web Token.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::Utc;
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm},
};
use platform::identity::{Identity, Viewer};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use crate::{
    config::{self, Jwks, Trust},
    error::{GraphQLError, code},
    fetch,
};

/// How far clocks may differ unless configured, in seconds.
pub const LEEWAY_S: u64 = 5;
/// Longest token that is looked at, in bytes.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;
/// Shortest pause between two readings of a key set unless configured, in milliseconds:
/// unknown keys in forged tokens must not make the router hammer an issuer.
pub const JWKS_PAUSE_MS: u64 = 10_000;
/// Longest life of a key set before it is read again, in milliseconds.
pub const JWKS_MAX_AGE_MS: u64 = 600_000;
/// Longest wait for a key set, in milliseconds.
pub const JWKS_TIMEOUT_MS: u64 = 5_000;
/// Largest key set, in bytes.
pub const JWKS_MAX_BYTES: usize = 256 * 1024;

/// Whether the proof of an identity has ended meanwhile.
pub(crate) fn has_expired(identity: &Identity) -> bool {
    matches!(identity, Identity::Viewer(viewer) if viewer.expires_at <= Utc::now().timestamp())
}

/// Why a proof of identity is not accepted. Clients are told no more than that.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The `authorization` header is not `Bearer …`.
    #[error("the authorization is not a bearer token")]
    NotBearer,
    /// The token is no JWT, or of an algorithm that is not allowed.
    #[error("the token is malformed")]
    Malformed,
    /// Nobody known has issued the token.
    #[error("the token's issuer is unknown")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// Signature, time, issuer or audience are wrong.
    #[error("the token is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
}

impl AuthenticationError {
    /// The error for the client.
    pub fn public(&self) -> GraphQLError {
        GraphQLError::new(
            code::UNAUTHENTICATED,
            "The access token is missing, expired or not valid.",
        )
    }
}

/// Why the authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The key set cannot be read.
    #[error("the key set file cannot be read")]
    File(#[from] std::io::Error),
    /// The key set is no JWKS.
    #[error("the key set is not valid")]
    Json(#[from] serde_json::Error),
    /// The key set cannot be fetched.
    #[error("the key set cannot be fetched")]
    Fetch(#[from] fetch::FetchError),
}

/// Checks tokens. Shared by all requests.
pub struct Authenticator {
    issuers: Vec<Issuer>,
}

struct Issuer {
    name: String,
    audience: Option<String>,
    trust: Trust,
    /// What an outside issuer may give.
    scopes: Vec<String>,
    roles: Vec<String>,
    jwks: Jwks,
    keys: RwLock<KeySet>,
    /// Held while the key set is being read; the time of the last reading.
    reading: Mutex<Option<Instant>>,
    leeway_s: u64,
    pause: Duration,
}

#[derive(Default)]
struct KeySet {
    by_id: HashMap<String, Arc<Key>>,
    only: Option<Arc<Key>>,
    read_at: Option<Instant>,
}

struct Key {
    algorithm: Algorithm,
    decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

impl Authenticator {
    /// Knows the configured issuers. Inline key sets and files are read now;
    /// URLs when the first token needs them, as the issuer may start later.
    ///
    /// # Errors
    /// Where a file or inline key set cannot be read.
    pub fn new(config: &config::Authentication) -> Result<Self, JwksError> {
        let issuers = config.issuers.iter().map(|issuer| {
            let keys = match &issuer.jwks {
                Jwks::Inline(text) => KeySet::parse(text.as_bytes())?,
                Jwks::File(path) => KeySet::parse(&std::fs::read(path)?)?,
                Jwks::Url(_) => KeySet::default(),
            };
            Ok(Issuer {
                name: issuer.issuer.clone(),
                audience: issuer.audience.clone(),
                trust: issuer.trust,
                scopes: issuer.scopes.clone(),
                roles: issuer.roles.clone(),
                jwks: issuer.jwks.clone(),
                keys: RwLock::new(keys),
                reading: Mutex::new(None),
                leeway_s: config.leeway_s,
                pause: Duration::from_millis(config.jwks_pause_ms),
            })
        });
        let issuers = issuers.collect::<Result<_, JwksError>>()?;
        Ok(Self { issuers })
    }

    /// Who sends a request: anonymous without an `authorization` header, and
    /// always where no issuer is configured.
    ///
    /// # Errors
    /// Where there is a token and it is not valid.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthenticationError> {
        match headers.get(AUTHORIZATION) {
            None => Ok(Identity::Anonymous),
            Some(_) if self.issuers.is_empty() => Ok(Identity::Anonymous),
            Some(value) => {
                let text = value.to_str().map_err(|_| AuthenticationError::NotBearer)?;
                self.authenticate(bearer(text).ok_or(AuthenticationError::NotBearer)?).await
            }
        }
    }

    /// Checks a token, with or without `Bearer ` before it.
    ///
    /// # Errors
    /// Where it is not valid.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthenticationError> {
        if self.issuers.is_empty() {
            return Ok(Identity::Anonymous);
        }
        let token = bearer(token).unwrap_or(token).trim();
        if token.len() > TOKEN_MAX_BYTES {
            return Err(AuthenticationError::Malformed);
        }
        let header = decode_header(token).map_err(|_| AuthenticationError::Malformed)?;
        // Read without trust, only to know whose key to check with.
        let issued: Issued = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| AuthenticationError::Malformed)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.name == issued.iss)
            .ok_or(AuthenticationError::UnknownIssuer)?;
        let key = issuer.key(header.kid.as_deref()).await?;
        issuer.check(token, &key)
    }
}

/// The token of an `authorization` value.
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Issuer {
    fn check(&self, token: &str, key: &Key) -> Result<Identity, AuthenticationError> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.leeway_s;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.name]);
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
            }
            None => {
                validation.validate_aud = false;
                validation.set_required_spec_claims(&["exp", "iss", "sub"]);
            }
        }
        let claims = decode::<Claims>(token, &key.decoding, &validation)
            .map_err(AuthenticationError::Invalid)?
            .claims;
        Ok(Identity::Viewer(self.viewer(claims)))
    }

    /// Who it is, as far as the issuer is believed.
    fn viewer(&self, claims: Claims) -> Viewer {
        let Claims { sub, exp, scope, mut scopes, mut roles } = claims;
        let listed = scope.as_deref().unwrap_or_default();
        scopes.extend(listed.split_ascii_whitespace().map(str::to_owned));
        let id = match self.trust {
            Trust::Own => sub.parse().unwrap_or_else(|_| stranger(&self.name, &sub)),
            Trust::Outside => {
                scopes.retain(|scope| self.scopes.contains(scope));
                roles.retain(|role| self.roles.contains(role));
                stranger(&self.name, &sub)
            }
        };
        Viewer { id, scopes, roles, expires_at: exp }
    }

    async fn key(&self, id: Option<&str>) -> Result<Arc<Key>, AuthenticationError> {
        if let Some(key) = self.known(id, true) {
            return Ok(key);
        }
        let mut last = match self.reading.try_lock() {
            Ok(last) => last,
            // While somebody reads it anew, an old key does for the others.
            Err(_) => match self.known(id, false) {
                Some(key) => return Ok(key),
                None => self.reading.lock().await,
            },
        };
        // Another request may have read it while this one waited.
        if last.is_none_or(|last| last.elapsed() >= self.pause) {
            *last = Some(Instant::now());
            match self.read().await {
                Ok(keys) => {
                    *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                }
                Err(error) => {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(issuer = self.name, error, "a key set cannot be read");
                }
            }
        }
        drop(last);
        // An old key set is better than none.
        self.known(id, false).ok_or(AuthenticationError::UnknownKey)
    }

    fn known(&self, id: Option<&str>, fresh: bool) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let max_age = Duration::from_millis(JWKS_MAX_AGE_MS);
        let is_old = keys.read_at.is_some_and(|at| at.elapsed() > max_age);
        if fresh && is_old && matches!(self.jwks, Jwks::Url(_)) {
            return None;
        }
        match id {
            Some(id) => keys.by_id.get(id).cloned(),
            None => keys.only.clone(),
        }
    }

    async fn read(&self) -> Result<KeySet, JwksError> {
        match &self.jwks {
            Jwks::Inline(text) => Ok(KeySet::parse(text.as_bytes())?),
            Jwks::File(path) => Ok(KeySet::parse(&tokio::fs::read(path).await?)?),
            Jwks::Url(url) => {
                let timeout = Duration::from_millis(JWKS_TIMEOUT_MS);
                let text = fetch::get(url, timeout, JWKS_MAX_BYTES).await?;
                Ok(KeySet::parse(&text)?)
            }
        }
    }
}

impl KeySet {
    fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let set: JwkSet = serde_json::from_slice(text)?;
        let mut keys = Self { read_at: Some(Instant::now()), ..Self::default() };
        let mut all = Vec::new();
        for jwk in &set.keys {
            let (Some(algorithm), Ok(decoding)) = (algorithm(jwk), DecodingKey::from_jwk(jwk))
            else {
                continue;
            };
            let key = Arc::new(Key { algorithm, decoding });
            if let Some(id) = &jwk.common.key_id {
                keys.by_id.insert(id.clone(), Arc::clone(&key));
            }
            all.push(key);
        }
        if let [only] = all.as_slice() {
            keys.only = Some(Arc::clone(only));
        }
        Ok(keys)
    }
}

/// The one algorithm that a key is for; None for those that are not accepted.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let by_type = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let told = match jwk.common.key_algorithm {
        None => by_type,
        Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(_) => return None,
    };
    (told == by_type).then_some(by_type)
}

/// The id of a subject that is no user's: made of issuer and subject, always the same for the same
/// person. It is a UUID of version 8, which no user's id is (those have version 7), so that no subject
/// can be made up whose id is a user's.
fn stranger(issuer: &str, subject: &str) -> Uuid {
    let mut hash = Sha256::new();
    // The length keeps two pairs apart whose texts run together to the same.
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer.as_bytes());
    hash.update(subject.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
