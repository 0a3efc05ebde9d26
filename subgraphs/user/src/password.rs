//! Hashes passwords with Argon2id off the async threads, a few at a time.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many passwords are hashed at once; each needs 19 MiB and one core.
pub const MAX_CONCURRENT_HASHES: usize = 2;
/// How long a log-in waits for its turn before it is told to come back, in ms.
pub const MAX_HASH_WAIT_MS: u64 = 10_000;

/// Why a password could not be hashed or checked.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Too many log-ins at once.
    #[error("no turn for hashing a password within {MAX_HASH_WAIT_MS} ms")]
    Busy,
    /// A stored hash is damaged, or the random source failed.
    #[error("hashing failed: {0}")]
    Hash(argon2::password_hash::Error),
    /// A stored hash can't be read.
    #[error("a stored password hash can't be read: {0}")]
    Stored(argon2::password_hash::phc::Error),
    /// The hashing thread panicked or the runtime is going down.
    #[error("the hashing thread ended early")]
    Thread(#[from] tokio::task::JoinError),
}

/// Hashes and checks passwords; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Checked when the account doesn't exist, so that the answer takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    /// Prepares the hasher.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn new() -> Result<Self, PasswordError> {
        let decoy = hash_now("not the password of anybody")?;
        Ok(Self { turns: Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES)), decoy: decoy.into() })
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// [`PasswordError`]; the password isn't part of it.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let turn = self.turn().await?;
        tokio::task::spawn_blocking(move || {
            let hash = hash_now(&password);
            drop(turn);
            hash
        })
        .await?
    }

    /// Is it the password of the stored hash? Without a hash (no such account)
    /// the answer is no, after the same work.
    ///
    /// # Errors
    /// [`PasswordError`]; the password isn't part of it.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let turn = self.turn().await?;
        let decoy = Arc::clone(&self.decoy);
        tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(&decoy))
                .map_err(PasswordError::Stored)?;
            let right = match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => true,
                Err(argon2::password_hash::Error::PasswordInvalid) => false,
                Err(error) => return Err(PasswordError::Hash(error)),
            };
            drop(turn);
            Ok(right && stored.is_some())
        })
        .await?
    }

    /// The permit moves into the thread: a client that goes away mid-hash
    /// doesn't let another one in beside it.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, PasswordError> {
        let wait = Duration::from_millis(MAX_HASH_WAIT_MS);
        match tokio::time::timeout(wait, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(PasswordError::Busy),
        }
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}
