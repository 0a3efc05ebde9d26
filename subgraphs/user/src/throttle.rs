//! Slows down who guesses passwords, by account and by address, and who registers again and again.
//!
//! Whether an account exists makes no difference: what was typed is counted.

use platform::{cache::Cache, identity::ClientAddress, throttle::Throttle};
use sha2::{Digest as _, Sha256};

use crate::{config::Throttles, error::AccountError};

/// The attempts of this service; cheap to clone.
#[derive(Debug, Clone)]
pub struct Attempts {
    account: Throttle,
    address: Throttle,
    registration: Throttle,
}

/// A log-in that was counted and not judged yet.
#[must_use]
pub struct LogIn<'a> {
    attempts: &'a Attempts,
    account: String,
    address: Option<String>,
}

impl Attempts {
    /// Counts in this cache.
    #[must_use]
    pub fn new(cache: &Cache, throttles: &Throttles) -> Self {
        let throttle = |kind, policy| Throttle::new(cache.clone(), kind, policy);
        Self {
            account: throttle("user.account", throttles.account),
            address: throttle("user.address", throttles.address),
            registration: throttle("user.registration", throttles.registration),
        }
    }

    /// Counts a log-in to what was typed as email address.
    ///
    /// # Errors
    /// [`AccountError::Throttled`]: it must not be judged.
    pub async fn log_in(
        &self,
        email: &str,
        client: Option<ClientAddress>,
    ) -> Result<LogIn<'_>, AccountError> {
        let address = client.map(|client| client.network().to_string());
        // The address first: one that is shut out can't shut others out of their accounts.
        if let Some(address) = &address {
            self.address.attempt(address).await?;
        }
        let account = account(email);
        self.account.attempt(&account).await?;
        Ok(LogIn { attempts: self, account, address })
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// [`AccountError::Throttled`]: it must not be made.
    pub async fn register(&self, client: Option<ClientAddress>) -> Result<(), AccountError> {
        match client {
            Some(client) => Ok(self.registration.attempt(&client.network().to_string()).await?),
            None => Ok(()),
        }
    }
}

impl LogIn<'_> {
    /// The password was right.
    pub async fn succeeded(self) {
        self.attempts.account.forget(&self.account).await;
        self.take_back_address().await;
    }

    /// Something of ours failed, so that nobody knows.
    pub async fn unknown(self) {
        self.attempts.account.take_back(&self.account).await;
        self.take_back_address().await;
    }

    async fn take_back_address(&self) {
        if let Some(address) = &self.address {
            self.attempts.address.take_back(address).await;
        }
    }
}

/// What stands for an account in keys: no email address lies about in Redis.
fn account(email: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::with_capacity(64);
    for byte in Sha256::digest(email.trim().to_lowercase().as_bytes()) {
        // Writing to a string doesn't fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn however_an_address_is_typed_it_is_one_account() {
        assert_eq!(account(" Ada@Example.com"), account("ada@example.COM "));
        assert_ne!(account("ada@example.com"), account("bob@example.com"));
    }
}
