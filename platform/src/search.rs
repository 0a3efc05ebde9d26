//! What people type to find something by its name.

use crate::error::ApiError;

/// Longest text that is looked for, in characters.
pub const SEARCH_MAX_CHARS: usize = 100;

/// The text to look for, without the space around it; `None` when there is none.
///
/// # Errors
/// `BAD_USER_INPUT` when it is too long, or can't be stored and so never found.
pub fn typed(search: Option<&str>) -> Result<Option<&str>, async_graphql::Error> {
    let text = search.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > SEARCH_MAX_CHARS || text.contains('\0')) {
        let message =
            format!("`search` may have at most {SEARCH_MAX_CHARS} characters, none of them NUL");
        return Err(ApiError::bad_input(message).into_graphql());
    }
    Ok(text)
}

/// Makes the wildcards of LIKE ordinary characters.
#[must_use]
pub fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '%' | '_') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_no_text_and_what_is_too_long_is_refused() {
        assert_eq!(typed(None).unwrap(), None);
        assert_eq!(typed(Some("  ")).unwrap(), None);
        assert_eq!(typed(Some(" 주간 회의 ")).unwrap(), Some("주간 회의"));
        assert!(typed(Some(&"가".repeat(SEARCH_MAX_CHARS))).is_ok());
        assert!(typed(Some(&"가".repeat(SEARCH_MAX_CHARS + 1))).is_err());
        assert!(typed(Some("a\0")).is_err());
    }

    #[test]
    fn wildcards_are_ordinary() {
        assert_eq!(escape_like(r"100%_\"), r"100\%\_\\");
    }
}
