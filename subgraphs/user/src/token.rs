//! Signs access tokens, publishes the key that checks them, and makes refresh tokens.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::domain::session::{Claims, REFRESH_TOKEN_BYTES};

/// Why a token or key could not be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The key file can't be read or written.
    #[error("the signing key file {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error("{path} is not an Ed25519 private key in PKCS#8 PEM: {source}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        source: ed25519_dalek::pkcs8::Error,
    },
    /// The key can't be encoded.
    #[error("encoding the signing key: {0}")]
    Encode(#[from] ed25519_dalek::pkcs8::Error),
    /// The system's random source failed.
    #[error("the random source failed: {0}")]
    Random(#[from] rand::rand_core::OsError),
    /// Signing failed.
    #[error("signing an access token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// The key pair that signs access tokens; cheap to clone.
#[derive(Clone)]
pub struct Signer {
    header: Header,
    key: EncodingKey,
    jwks: Arc<str>,
}

impl Signer {
    /// Reads the PKCS#8 PEM file at `path`; makes a key and writes it there
    /// (mode 0600) when the file is absent and its folder exists.
    ///
    /// # Errors
    /// [`TokenError`] naming the file.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        match fs::read_to_string(path) {
            Ok(pem) => Self::from_pem(path, &pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create_file(path),
            Err(source) => Err(TokenError::File { path: path.to_owned(), source }),
        }
    }

    /// A key that lives as long as this process.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn ephemeral() -> Result<Self, TokenError> {
        Self::from_key(&random_key()?)
    }

    fn from_pem(path: &Path, pem: &str) -> Result<Self, TokenError> {
        let key = SigningKey::from_pkcs8_pem(pem)
            .map_err(|source| TokenError::Key { path: path.to_owned(), source })?;
        Self::from_key(&key)
    }

    fn create_file(path: &Path) -> Result<Self, TokenError> {
        let file_error = |source| TokenError::File { path: path.to_owned(), source };
        let key = random_key()?;
        let pem = key.to_pkcs8_pem(LineEnding::LF)?;
        match write_new(path, pem.as_bytes()) {
            Ok(()) => Self::from_key(&key),
            // Another copy of us was faster: its key is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let pem = fs::read_to_string(path).map_err(file_error)?;
                Self::from_pem(path, &pem)
            }
            Err(source) => Err(file_error(source)),
        }
    }

    fn from_key(key: &SigningKey) -> Result<Self, TokenError> {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        // RFC 7638: the id of a key is the hash of its public members in this order.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        let jwks = serde_json::json!({
            "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x }]
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid);
        Ok(Self {
            header,
            key: EncodingKey::from_ed_der(key.to_pkcs8_der()?.as_bytes()),
            jwks: jwks.to_string().into(),
        })
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// [`TokenError::Sign`].
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        Ok(jsonwebtoken::encode(&self.header, claims, &self.key)?)
    }

    /// The JSON Web Key Set that checks our tokens.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }
}

/// Writes a file that only we can read, whole or not at all.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let linked = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link doesn't replace what is there.
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    linked
}

fn random_key() -> Result<SigningKey, TokenError> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// A new opaque refresh token, base64url.
///
/// # Errors
/// When the random source fails.
pub fn new_refresh_token() -> Result<String, TokenError> {
    let mut bytes = [0; REFRESH_TOKEN_BYTES];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a refresh token. It is random and long, so a plain hash is enough.
#[must_use]
pub fn refresh_token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
