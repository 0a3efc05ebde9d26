//! Counts what a lexer would find, without being one: it must be quick and never
//! fail. What is no GraphQL counts as something, and the parser refuses it.

/// The document's lexical tokens, and the deepest nesting of its brackets.
pub(super) fn count(text: &str) -> (u64, u64) {
    let bytes = text.as_bytes();
    let (mut tokens, mut level, mut deepest) = (0_u64, 0_u64, 0_u64);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = after(bytes, at, |byte| !matches!(byte, b'\n' | b'\r'));
                continue;
            }
            b'"' => string(bytes, at),
            b'.' => dots(bytes, at),
            b'-' | b'0'..=b'9' => after(bytes, at + 1, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'_')
            }),
            _ if is_name(byte) => after(bytes, at + 1, is_name),
            _ => at + 1,
        };
        match byte {
            b'{' | b'[' | b'(' => level += 1,
            b'}' | b']' | b')' => level = level.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        deepest = deepest.max(level);
        at = end;
    }
    (tokens, deepest)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The first place from `start` on that has something else.
fn after(bytes: &[u8], start: usize, like: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !like(*byte)).unwrap_or(rest.len())
}

fn dots(bytes: &[u8], start: usize) -> usize {
    match bytes[start..].starts_with(b"...") {
        true => start + 3,
        false => start + 1,
    }
}

/// Where the string that begins here ends; at the end of the text if it doesn't.
fn string(bytes: &[u8], start: usize) -> usize {
    let block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = start + if block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !block => at += 2,
            b'"' if !block => return at + 1,
            b'"' if bytes[at..].starts_with(b"\"\"\"") => return at + 3,
            b'\n' | b'\r' if !block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::count;

    #[test]
    fn tokens_are_those_of_the_specification() {
        assert_eq!(count(""), (0, 0));
        assert_eq!(count("{ a, b # c d e\n f }"), (5, 1));
        assert_eq!(count("query($a:[Int!]=[1,-2.5e+3]){...F ...on T{x}}").0, 25);
        assert_eq!(count(r#"{ a(b: "x { \" y") }"#), (8, 2));
        assert_eq!(count(r#"{ a(b: """x " { \""" y""") }"#), (8, 2));
        assert_eq!(count("{a(b:[[{c:1}]])}").1, 5);
    }

    #[test]
    fn what_does_not_end_ends_with_the_text() {
        assert_eq!(count("\"abc").0, 1);
        assert_eq!(count("\"\"\"abc\\").0, 1);
        assert_eq!(count("\"abc\\").0, 1);
    }

    proptest! {
        #[test]
        fn any_text_is_counted(text in ".*") {
            let (tokens, nesting) = count(&text);
            prop_assert!(tokens as usize <= text.len());
            prop_assert!(nesting <= tokens);
        }

        #[test]
        fn any_punctuation_is_counted(text in "[\\\\\"{}.#\n a1-]*") {
            let (tokens, _) = count(&text);
            prop_assert!(tokens as usize <= text.len());
        }
    }
}
