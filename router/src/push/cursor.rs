//! Cursors: positions in the event stream as clients see them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The layout written today. A cursor of another version is refused, not guessed.
const VERSION: u8 = 1;
/// version + epoch + sequence + check.
const LENGTH_BYTES: usize = 1 + 8 + 8 + 4;

/// A position in one incarnation of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// When the stream was created, in nanoseconds since 1970. A recreated
    /// stream counts from 1 again, so sequences of two epochs don't compare.
    pub epoch_ns: u64,
    /// Everything up to and including this sequence has been seen.
    pub sequence: u64,
}

/// The text is not a cursor that this router (or another of its kind) gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid cursor")]
pub struct InvalidCursor;

impl Cursor {
    /// The opaque text for clients: 28 characters of base64url.
    pub fn encode(self) -> String {
        let mut bytes = [0; LENGTH_BYTES];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.epoch_ns.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.sequence.to_be_bytes());
        let check = checksum(&bytes[..17]);
        bytes[17..].copy_from_slice(&check.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`InvalidCursor`] for any other text, also one with a single changed character.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let bytes: [u8; LENGTH_BYTES] = bytes.try_into().map_err(|_| InvalidCursor)?;
        let number = |from: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[from..from + 8]);
            u64::from_be_bytes(word)
        };
        let check = u32::from_be_bytes([bytes[17], bytes[18], bytes[19], bytes[20]]);
        if bytes[0] != VERSION || check != checksum(&bytes[..17]) {
            return Err(InvalidCursor);
        }
        Ok(Self { epoch_ns: number(1), sequence: number(9) })
    }
}

/// FNV-1a: catches mistakes and truncation. It is no secret: a forged cursor only
/// changes where its owner's own, guarded stream begins.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(epoch_ns: u64, sequence: u64) {
            let cursor = Cursor { epoch_ns, sequence };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn a_changed_character_is_noticed(epoch_ns: u64, sequence: u64, at in 0usize..28, to in "[A-Za-z0-9_-]") {
            let text = Cursor { epoch_ns, sequence }.encode();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert_eq!(Cursor::decode(&changed), Err(InvalidCursor));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(text in ".{0,64}") {
            prop_assert_eq!(Cursor::decode(&text), Err(InvalidCursor));
        }
    }
}
