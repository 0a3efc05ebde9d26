//! What makes a todo acceptable, and how one is made of what was said.

use super::refusal::Refusal;

/// Longest title, in characters.
pub const TITLE_MAX_CHARS: usize = 200;
/// Longest description, in bytes.
pub const DESCRIPTION_MAX_BYTES: usize = 10_000;

/// Trims and checks a title.
///
/// # Errors
/// [`Refusal::InvalidTitle`].
pub fn check_title(title: &str) -> Result<String, Refusal> {
    let title = title.trim();
    let chars = title.chars().count();
    if chars == 0 || chars > TITLE_MAX_CHARS || title.chars().any(char::is_control) {
        return Err(Refusal::InvalidTitle);
    }
    Ok(title.to_owned())
}

/// Trims and checks a description; an empty one is none.
///
/// # Errors
/// [`Refusal::InvalidDescription`].
pub fn check_description(description: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(text) = description.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // NUL is the one character that the database can't hold.
    if text.len() > DESCRIPTION_MAX_BYTES || text.contains('\0') {
        return Err(Refusal::InvalidDescription);
    }
    Ok(Some(text.to_owned()))
}

/// A title from what was said: its words, cut at [`TITLE_MAX_CHARS`].
#[must_use]
pub fn title_of(said: &str) -> String {
    let plain: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= TITLE_MAX_CHARS {
        return words;
    }
    let mut cut: String = words.chars().take(TITLE_MAX_CHARS - 1).collect();
    cut.push('…');
    cut
}
