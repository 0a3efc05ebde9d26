//! Proof that a request comes from the router or a service of ours: an HMAC over the receiving
//! subgraph's name, the time, the identity and the body.
//!
//! | header | value |
//! |---|---|
//! | [`IDENTITY`] | base64url of the identity's JSON, with the client's `address` where it is told |
//! | [`TIMESTAMP`] | seconds since 1970 |
//! | [`SIGNATURE`] | `v1=` and the hex HMAC-SHA256 of `v1\n{subgraph}\n{timestamp}\n{identity}\n{hex SHA-256 of the body}` |

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config;
use crate::identity::{ClientAddress, Identity};

/// Header with the identity.
pub const IDENTITY: HeaderName = HeaderName::from_static("moim-identity");
/// Header with the time of signing.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("moim-timestamp");
/// Header with the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("moim-signature");
/// Headers that only we may set: an edge removes them from what clients send.
pub const HEADERS: [HeaderName; 3] = [IDENTITY, TIMESTAMP, SIGNATURE];
/// How far the clocks of two processes may differ, and how long a signature holds, in seconds.
pub const TOLERANCE_S: u64 = 60;
/// Longest identity header that is looked at.
pub const IDENTITY_MAX_BYTES: usize = 8 * 1024;

/// Why a request isn't trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A header isn't there, or is there twice.
    #[error("header {0} isn't there exactly once")]
    Missing(HeaderName),
    /// A header can't be read.
    #[error("header {0} can't be read")]
    Malformed(HeaderName),
    /// Signed too long ago, or in the future.
    #[error("signed {0} s away from now")]
    Stale(u64),
    /// Not made with a key of ours for this request and this subgraph.
    #[error("the signature doesn't fit")]
    Wrong,
    /// Rightly signed, but not an identity.
    #[error("the identity can't be read")]
    Identity(#[source] serde_json::Error),
}

/// The keys that requests are signed with. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Pair>);

struct Pair {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("previous", &self.0.previous.is_some()).finish_non_exhaustive()
    }
}

impl From<&config::Keys> for Keys {
    fn from(keys: &config::Keys) -> Self {
        let current = keys.current.expose_secret().as_bytes();
        Self::new(current, keys.previous.as_ref().map(|key| key.expose_secret().as_bytes()))
    }
}

impl Keys {
    /// Signs with `current`; verifies with both, so that keys can be changed without an outage.
    #[must_use]
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Self {
        Self(Arc::new(Pair { current: mac(current), previous: previous.map(mac) }))
    }

    /// Keys that no other process has: for a process that is its own only peer.
    #[must_use]
    pub fn random() -> Self {
        Self::new(&rand::random::<[u8; 32]>(), None)
    }

    /// Sets the headers that let `subgraph` trust this request.
    pub fn sign(&self, subgraph: &str, identity: &Identity, body: &[u8], headers: &mut HeaderMap) {
        self.sign_for(subgraph, identity, None, body, headers);
    }

    /// The same for a client at a known address.
    pub fn sign_for(
        &self,
        subgraph: &str,
        identity: &Identity,
        client: Option<ClientAddress>,
        body: &[u8],
        headers: &mut HeaderMap,
    ) {
        self.sign_at(now_s(), subgraph, (identity, client), body, headers);
    }

    /// Checks a request that has reached `subgraph`, and tells who it is made for and from where.
    ///
    /// # Errors
    /// When it isn't signed by a key of ours, for this subgraph, this body, and this minute.
    pub fn verify(
        &self,
        subgraph: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Identity, Option<ClientAddress>), SignatureError> {
        self.verify_at(now_s(), subgraph, headers, body)
    }

    fn sign_at(
        &self,
        now_s: u64,
        subgraph: &str,
        (identity, client): (&Identity, Option<ClientAddress>),
        body: &[u8],
        headers: &mut HeaderMap,
    ) {
        let told = Told { identity, address: client.map(|client| client.0) };
        // Strings, numbers and a UUID: serde can't fail on them. Were it to, the empty identity
        // wouldn't be accepted anywhere.
        let json = serde_json::to_vec(&told).unwrap_or_default();
        let identity = URL_SAFE_NO_PAD.encode(json);
        let timestamp = now_s.to_string();
        let mac = covered(&self.0.current, subgraph, &timestamp, &identity, body);
        let signature = format!("v1={}", Hex(&mac.finalize().into_bytes()));
        for (name, value) in [(IDENTITY, identity), (TIMESTAMP, timestamp), (SIGNATURE, signature)]
        {
            // All three are plain ASCII.
            if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
                headers.insert(name, value);
            }
        }
    }

    fn verify_at(
        &self,
        now_s: u64,
        subgraph: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Identity, Option<ClientAddress>), SignatureError> {
        let identity = once(headers, IDENTITY)?;
        let timestamp = once(headers, TIMESTAMP)?;
        let signature = once(headers, SIGNATURE)?;
        if identity.len() > IDENTITY_MAX_BYTES {
            return Err(SignatureError::Malformed(IDENTITY));
        }
        let signature = signature
            .strip_prefix("v1=")
            .and_then(unhex)
            .ok_or(SignatureError::Malformed(SIGNATURE))?;
        let signed_s: u64 = timestamp.parse().map_err(|_| SignatureError::Malformed(TIMESTAMP))?;
        let away_s = now_s.abs_diff(signed_s);
        if away_s > TOLERANCE_S {
            return Err(SignatureError::Stale(away_s));
        }
        let fits = |key: &Hmac<Sha256>| {
            // Takes the same time wherever the first difference is.
            covered(key, subgraph, timestamp, identity, body).verify_slice(&signature).is_ok()
        };
        if !fits(&self.0.current) && !self.0.previous.as_ref().is_some_and(fits) {
            return Err(SignatureError::Wrong);
        }
        let json =
            URL_SAFE_NO_PAD.decode(identity).map_err(|_| SignatureError::Malformed(IDENTITY))?;
        let told: Told<Identity> =
            serde_json::from_slice(&json).map_err(SignatureError::Identity)?;
        Ok((told.identity, told.address.map(ClientAddress)))
    }
}

/// What the identity's header tells.
#[derive(Serialize, Deserialize)]
struct Told<I> {
    #[serde(flatten)]
    identity: I,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the fallback is there only to have no panic in the code.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

/// What the signature is made over. The lengths are unambiguous: none of the parts before the last
/// can hold a line break (header values can't, names of subgraphs don't).
fn covered(
    key: &Hmac<Sha256>,
    subgraph: &str,
    timestamp: &str,
    identity: &str,
    body: &[u8],
) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in ["v1", subgraph, timestamp, identity] {
        mac.update(part.as_bytes());
        mac.update(b"\n");
    }
    mac.update(Hex(&Sha256::digest(body)).to_string().as_bytes());
    mac
}

fn once(headers: &HeaderMap, name: HeaderName) -> Result<&str, SignatureError> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| SignatureError::Malformed(name)),
        _ => Err(SignatureError::Missing(name)),
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "signature_test.rs"]
mod tests;
