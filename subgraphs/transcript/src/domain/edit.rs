//! What people may write.

use super::refusal::Refusal;

/// Longest title of a section, in characters.
pub const TITLE_MAX_CHARS: usize = 200;
/// Longest body of a section, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// Longest text of a segment, in characters.
pub const TEXT_MAX_CHARS: usize = 4_000;
/// Longest label of a speaker, in characters.
pub const LABEL_MAX_CHARS: usize = 80;
/// Most speakers of a transcript.
pub const SPEAKERS_MAX: usize = 100;

/// A section's title as it is stored: without blanks at its ends.
///
/// # Errors
/// [`Refusal::InvalidTitle`].
pub fn check_title(typed: &str) -> Result<String, Refusal> {
    line(typed, TITLE_MAX_CHARS).ok_or(Refusal::InvalidTitle)
}

/// A section's body as it is stored: lines end with `\n`, blanks at the end are gone. It may be empty.
///
/// # Errors
/// [`Refusal::InvalidBody`].
pub fn check_body(typed: &str) -> Result<String, Refusal> {
    let lines: Vec<&str> = typed.trim_end().lines().collect();
    let body = lines.join("\n");
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if body.len() > BODY_MAX_BYTES || body.chars().any(odd) {
        return Err(Refusal::InvalidBody);
    }
    Ok(body)
}

/// A segment's text as it is stored: words with one blank between.
///
/// # Errors
/// [`Refusal::InvalidText`].
pub fn check_text(typed: &str) -> Result<String, Refusal> {
    let words: Vec<&str> = typed.split_whitespace().collect();
    line(&words.join(" "), TEXT_MAX_CHARS).ok_or(Refusal::InvalidText)
}

/// A speaker's label as it is stored: without blanks at its ends.
///
/// # Errors
/// [`Refusal::InvalidLabel`].
pub fn check_label(typed: &str) -> Result<String, Refusal> {
    line(typed, LABEL_MAX_CHARS).ok_or(Refusal::InvalidLabel)
}

/// 1 to `max` characters on one line; `None` for anything else.
fn line(typed: &str, max: usize) -> Option<String> {
    let text = typed.trim();
    let fits = (1..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles_are_one_line() {
        assert_eq!(check_title("  결정 사항 ").unwrap(), "결정 사항");
        let long = "가".repeat(TITLE_MAX_CHARS);
        assert_eq!(check_title(&long).unwrap(), long);
        for typed in ["", " ", "a\nb", "a\0b", &format!("{long}가")] {
            assert_eq!(check_title(typed), Err(Refusal::InvalidTitle), "{typed:?}");
        }
    }

    #[test]
    fn bodies_may_be_empty_but_not_endless() {
        assert_eq!(check_body("").unwrap(), "");
        assert_eq!(check_body("- one\r\n- two \n\n").unwrap(), "- one\n- two");
        for typed in ["a\0b".to_owned(), "b".repeat(BODY_MAX_BYTES + 1)] {
            assert_eq!(check_body(&typed), Err(Refusal::InvalidBody));
        }
    }

    #[test]
    fn texts_are_words() {
        assert_eq!(check_text(" 회의를 \n\t 시작합니다. ").unwrap(), "회의를 시작합니다.");
        for typed in ["", " \n ", "a\0b", &"b".repeat(TEXT_MAX_CHARS + 1)] {
            assert_eq!(check_text(typed), Err(Refusal::InvalidText), "{typed:?}");
        }
        assert_eq!(check_label(" 김지수 ").unwrap(), "김지수");
        for typed in ["", "a\nb", &"b".repeat(LABEL_MAX_CHARS + 1)] {
            assert_eq!(check_label(typed), Err(Refusal::InvalidLabel), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_taken_again_as_it_is(typed in "\\PC{0,40}(\\r?\\n\\PC{0,40}){0,3}") {
            if let Ok(body) = check_body(&typed) {
                prop_assert_eq!(check_body(&body).unwrap(), body);
            }
            if let Ok(title) = check_title(&typed) {
                prop_assert_eq!(check_title(&title).unwrap(), title);
            }
        }
    }
}
