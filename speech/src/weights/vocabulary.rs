//! The tokens' bytes, from a vocabulary file with one token per line.
//!
//! Byte-level BPE writes each byte as a visible character: the printable ones
//! as themselves, the others as the characters from U+0100 on, in order.

use std::collections::HashMap;

use super::convert::ConvertError;

/// Tokens that stand for text; the special ones after them are made by the
/// engine itself.
pub(super) const TEXT_TOKENS: usize = 50_257;
const FIRST_STAND_IN: u32 = 0x100;

/// The bytes of the text tokens, in order of their number.
pub(super) fn tokens(file: &str) -> Result<Vec<Vec<u8>>, ConvertError> {
    let bytes = byte_of_character();
    let tokens = file
        .split('\n')
        .take(TEXT_TOKENS)
        .map(|line| line.chars().map(|c| bytes.get(&c).copied()).collect::<Option<Vec<u8>>>())
        .collect::<Option<Vec<_>>>()
        .ok_or(ConvertError::Vocabulary)?;
    if tokens.len() == TEXT_TOKENS { Ok(tokens) } else { Err(ConvertError::Vocabulary) }
}

fn byte_of_character() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let hidden = (0..=u8::MAX).filter(|&byte| !printable(byte));
    let stand_ins = (FIRST_STAND_IN..).filter_map(char::from_u32).zip(hidden);
    let themselves = (0..=u8::MAX).filter(|&byte| printable(byte)).map(|b| (char::from(b), b));
    themselves.chain(stand_ins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let map = byte_of_character();
        assert_eq!(map.len(), 256);
        assert_eq!(map[&'A'], b'A');
        assert_eq!(map[&'Ġ'], b' ');
        assert_eq!(map[&'Ċ'], b'\n');
    }

    #[test]
    fn refuses_a_short_file() {
        assert!(tokens("a\nb\n").is_err());
    }
}
