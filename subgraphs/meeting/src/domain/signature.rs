//! Signed upload addresses: whoever has one may upload one file until it expires.

use platform::address::AddressKeys;
use uuid::Uuid;

pub use platform::address::Forgery;

/// How long an upload address can be used, in seconds.
pub const UPLOAD_URL_TTL_S: i64 = 60 * 60;
/// What the keys of these addresses are for.
const PURPOSE: &str = "moim upload address v1";

/// Signs and checks upload addresses: the current key signs, all of them verify.
#[derive(Clone)]
pub struct UploadKeys(AddressKeys);

impl UploadKeys {
    /// Keys for this purpose alone, derived from secrets that serve others too. Without any, one is made
    /// up that lasts as long as the process.
    #[must_use]
    pub fn derive<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        Self(AddressKeys::derive(PURPOSE, secrets))
    }

    /// The signature (hex) of the address of `recording` that ends at `expires` (Unix seconds).
    #[must_use]
    pub fn sign(&self, recording: Uuid, expires: i64) -> String {
        self.0.sign(&covered(recording, expires))
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
        self.0.check(&covered(recording, expires), expires, signature, now)
    }
}

fn covered(recording: Uuid, expires: i64) -> String {
    format!("v1\nPUT\n{recording}\n{expires}")
}
