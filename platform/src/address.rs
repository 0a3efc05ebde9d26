//! Signed addresses: whoever has one may do what it says until it ends.
//!
//! What an address covers (the method, what it leads to, for whom, until when) is text that the service
//! puts together; two texts that mean different things must never be the same.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs and checks addresses of one purpose: the current key signs, all of them verify.
#[derive(Clone)]
pub struct AddressKeys {
    current: Hmac<Sha256>,
    previous: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for AddressKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressKeys")
            .field("previous", &self.previous.len())
            .finish_non_exhaustive()
    }
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forgery {
    /// The signature isn't ours.
    #[error("the address isn't ours")]
    Signature,
    /// It was ours, but its time is over.
    #[error("the address has ended")]
    Expired,
}

impl AddressKeys {
    /// Keys for this purpose alone, derived from secrets that serve others too. Without any, one is made
    /// up that lasts as long as the process.
    #[must_use]
    pub fn derive<'s>(purpose: &str, secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let derive = |secret: &[u8]| {
            let derived = keyed(secret).chain_update(purpose).finalize();
            keyed(&derived.into_bytes())
        };
        let mut secrets = secrets.into_iter();
        let current = match secrets.next() {
            Some(secret) => derive(secret),
            None => derive(&rand::random::<[u8; 32]>()),
        };
        Self { current, previous: secrets.map(derive).collect() }
    }

    /// The signature (hex) of an address that covers this.
    #[must_use]
    pub fn sign(&self, covered: &str) -> String {
        let mac = self.current.clone().chain_update(covered).finalize().into_bytes();
        mac.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What only these keys make of a text, for a secret that can be made again: always the same under the
    /// current key.
    #[must_use]
    pub fn digest(&self, text: &str) -> [u8; 32] {
        self.current.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Checks an address that covers this and ends at `expires`, at the time `now` (Unix seconds).
    ///
    /// # Errors
    /// [`Forgery`]; the signature is judged first, in constant time.
    pub fn check(
        &self,
        covered: &str,
        expires: i64,
        signature: &str,
        now: i64,
    ) -> Result<(), Forgery> {
        let bytes = from_hex(signature).ok_or(Forgery::Signature)?;
        let fits =
            |key: &Hmac<Sha256>| key.clone().chain_update(covered).verify_slice(&bytes).is_ok();
        if !fits(&self.current) && !self.previous.iter().any(fits) {
            return Err(Forgery::Signature);
        }
        if now < expires { Ok(()) } else { Err(Forgery::Expired) }
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_for_what_it_covers_until_it_ends() {
        let keys = AddressKeys::derive("downloads", [b"secret".as_slice()]);
        let signature = keys.sign("GET a 100");
        assert_eq!(keys.check("GET a 100", 100, &signature, 99), Ok(()));
        assert_eq!(keys.check("GET a 100", 100, &signature, 100), Err(Forgery::Expired));
        assert_eq!(keys.check("GET b 100", 100, &signature, 99), Err(Forgery::Signature));
        for forged in ["", "0", "zz", "00", &signature[2..]] {
            assert_eq!(keys.check("GET a 100", 100, forged, 99), Err(Forgery::Signature));
        }
    }

    #[test]
    fn keys_are_changed_without_an_outage_and_serve_one_purpose() {
        let old = AddressKeys::derive("downloads", [b"old".as_slice()]);
        let signature = old.sign("a");
        let both = AddressKeys::derive("downloads", [b"new".as_slice(), b"old"]);
        assert_eq!(both.check("a", 1, &signature, 0), Ok(()));
        assert_eq!(old.check("a", 1, &both.sign("a"), 0), Err(Forgery::Signature));
        let other = AddressKeys::derive("uploads", [b"old".as_slice()]);
        assert_eq!(other.check("a", 1, &signature, 0), Err(Forgery::Signature));
        // Made up, each for itself
        let none = || AddressKeys::derive("downloads", []);
        assert_eq!(none().check("a", 1, &none().sign("a"), 0), Err(Forgery::Signature));
    }
}
