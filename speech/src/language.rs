//! Which language a tag or a name means.

use whisper_rs::{get_lang_id, get_lang_str};

/// The short tag of a language that the engines know: `ko` for `ko-KR`, `ko` and `Korean`.
#[must_use]
pub fn language_tag(name: &str) -> Option<&'static str> {
    let primary = name.split(['-', '_']).next().unwrap_or_default().trim().to_ascii_lowercase();
    // The library takes no NUL.
    let plain = !primary.is_empty() && primary.bytes().all(|byte| byte.is_ascii_lowercase());
    get_lang_str(plain.then(|| get_lang_id(&primary)).flatten()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_tags_and_names() {
        for name in ["ko", "KO", "ko-KR", "ko_KR", "Korean", "korean "] {
            assert_eq!(language_tag(name), Some("ko"), "{name}");
        }
        for name in ["", "k", "klingon", "k\0", "-", "한국어"] {
            assert_eq!(language_tag(name), None, "{name}");
        }
    }
}
