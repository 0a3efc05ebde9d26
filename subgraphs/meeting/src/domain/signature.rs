//! Signed upload addresses: whoever has one may upload one file until it expires.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

/// How long an upload address can be used, in seconds.
pub const UPLOAD_URL_TTL_S: i64 = 60 * 60;

/// Signs and checks upload addresses: the current key signs, all of them verify.
#[derive(Clone)]
pub struct UploadKeys {
    current: Hmac<Sha256>,
    previous: Vec<Hmac<Sha256>>,
}

/// Why an upload address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// The signature isn't ours.
    Signature,
    /// It was ours, but its time is over.
    Expired,
}

impl UploadKeys {
    /// Keys for this purpose alone, derived from secrets that serve others too.
    #[must_use]
    pub fn derive(current: &[u8], previous: &[&[u8]]) -> Self {
        let derive = |secret: &[u8]| {
            let derived = keyed(secret).chain_update(b"moim upload address v1").finalize();
            keyed(&derived.into_bytes())
        };
        Self { current: derive(current), previous: previous.iter().map(|s| derive(s)).collect() }
    }

    /// The signature (hex) of the address of `recording` that ends at `expires` (Unix seconds).
    #[must_use]
    pub fn sign(&self, recording: Uuid, expires: i64) -> String {
        let mac = covered(&self.current, recording, expires).finalize().into_bytes();
        mac.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks an address at the time `now` (Unix seconds).
    ///
    /// # Errors
    /// [`Forgery`]; the signature is judged first, in constant time.
    pub fn check(
        &self,
        recording: Uuid,
        expires: i64,
        signature: &str,
        now: i64,
    ) -> Result<(), Forgery> {
        let bytes = from_hex(signature).ok_or(Forgery::Signature)?;
        let fits = |key| covered(key, recording, expires).verify_slice(&bytes).is_ok();
        if !fits(&self.current) && !self.previous.iter().any(fits) {
            return Err(Forgery::Signature);
        }
        if now < expires { Ok(()) } else { Err(Forgery::Expired) }
    }
}

fn covered(key: &Hmac<Sha256>, recording: Uuid, expires: i64) -> Hmac<Sha256> {
    key.clone().chain_update(format!("v1\nPUT\n{recording}\n{expires}"))
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
