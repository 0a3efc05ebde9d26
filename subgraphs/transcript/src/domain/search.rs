//! What is searched for, and where it stands in a text.

use unicode_normalization::UnicodeNormalization as _;

/// Longest query, in characters.
pub const QUERY_MAX_CHARS: usize = 100;
/// Most words of a query.
pub const WORDS_MAX: usize = 5;
/// Least signs of the longest word, decomposed: two syllables of Korean, three letters of English. An
/// index of three signs each helps with no less.
pub const WORD_MIN_SIGNS: usize = 3;
/// About how long an excerpt is, in characters.
pub const EXCERPT_CHARS: usize = 160;
/// How much of it stands before the first hit, in characters.
pub const EXCERPT_BEFORE_CHARS: usize = 40;

/// Why a query isn't searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Too short: there would be hits everywhere.
    #[error("search for a word of at least two Korean syllables or three letters")]
    TooShort,
    /// Too long.
    #[error("search for at most {WORDS_MAX} words of {QUERY_MAX_CHARS} characters in all")]
    TooLong,
}

/// Words that are to be found together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// 1 to [`WORDS_MAX`] words, composed.
    words: Vec<String>,
}

impl Query {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`BadQuery`].
    pub fn parse(typed: &str) -> Result<Self, BadQuery> {
        if typed.chars().count() > QUERY_MAX_CHARS {
            return Err(BadQuery::TooLong);
        }
        let composed: String = typed.nfc().filter(|c| *c != '\0').collect();
        let words: Vec<String> = composed.split_whitespace().map(str::to_owned).collect();
        if words.len() > WORDS_MAX {
            return Err(BadQuery::TooLong);
        }
        let signs = words.iter().map(|word| word.nfd().count()).max().unwrap_or(0);
        if signs < WORD_MIN_SIGNS {
            return Err(BadQuery::TooShort);
        }
        Ok(Self { words })
    }

    /// Patterns for `LIKE`, one for each word; the longest word again for those that there aren't.
    #[must_use]
    pub fn patterns(&self) -> [String; WORDS_MAX] {
        let longest = self.words.iter().max_by_key(|word| word.nfd().count());
        let longest = longest.map(String::as_str).unwrap_or_default();
        std::array::from_fn(|at| {
            let word = self.words.get(at).map_or(longest, String::as_str);
            let mut pattern = "%".to_owned();
            for c in word.chars() {
                if matches!(c, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
            pattern.push('%');
            pattern
        })
    }

    /// The part of a text around its first hit, cut where hits begin and end.
    #[must_use]
    pub fn excerpt(&self, text: &str) -> Vec<Fragment> {
        let signs: Vec<char> = text.chars().collect();
        let folded: Vec<char> = signs.iter().map(|c| fold(*c)).collect();
        let mut hits = vec![false; signs.len()];
        for word in &self.words {
            let word: Vec<char> = word.chars().map(fold).collect();
            for at in 0..(folded.len() + 1).saturating_sub(word.len()) {
                if folded[at..].starts_with(&word) {
                    hits[at..at + word.len()].fill(true);
                }
            }
        }
        let first = hits.iter().position(|hit| *hit).unwrap_or(0);
        let start = first.saturating_sub(EXCERPT_BEFORE_CHARS);
        let end = (start + EXCERPT_CHARS).min(signs.len());
        let mut fragments: Vec<Fragment> = Vec::new();
        if start > 0 {
            fragments.push(Fragment { text: "…".to_owned(), is_hit: false });
        }
        for at in start..end {
            match fragments.last_mut() {
                Some(last) if last.is_hit == hits[at] => last.text.push(signs[at]),
                _ => fragments.push(Fragment { text: signs[at].to_string(), is_hit: hits[at] }),
            }
        }
        if end < signs.len() {
            match fragments.last_mut() {
                Some(last) if !last.is_hit => last.text.push('…'),
                _ => fragments.push(Fragment { text: "…".to_owned(), is_hit: false }),
            }
        }
        fragments
    }
}

/// Part of an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its words.
    pub text: String,
    /// Whether it is what was searched for.
    pub is_hit: bool,
}

/// A letter as it is compared: small. (The few that become several stay as they are.)
fn fold(c: char) -> char {
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) => small,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(query: &str, text: &str) -> String {
        let fragments = Query::parse(query).unwrap().excerpt(text);
        let mark = |one: Fragment| if one.is_hit { format!("[{}]", one.text) } else { one.text };
        fragments.into_iter().map(mark).collect()
    }

    #[test]
    fn queries_are_bounded() {
        for typed in ["", "  ", "a", "ab", "가", "a b c", "\0\0\0"] {
            assert_eq!(Query::parse(typed), Err(BadQuery::TooShort), "{typed:?}");
        }
        for typed in ["one two three four five six", &"a".repeat(QUERY_MAX_CHARS + 1)] {
            assert_eq!(Query::parse(typed), Err(BadQuery::TooLong), "{typed:?}");
        }
        for typed in ["abc", "회의", "AI 회의", &"a".repeat(QUERY_MAX_CHARS)] {
            assert!(Query::parse(typed).is_ok(), "{typed:?}");
        }
    }

    #[test]
    fn patterns_hold_no_signs_of_their_own() {
        let patterns = Query::parse("100% a_b\\cd").unwrap().patterns();
        let (first, longest) = ("%100\\%%", "%a\\_b\\\\cd%");
        assert_eq!(patterns, [first, longest, longest, longest, longest]);
        // Typed in parts, as some keyboards do.
        assert_eq!(Query::parse("\u{1112}\u{116c}의록").unwrap().patterns()[0], "%회의록%");
    }

    #[test]
    fn hits_are_marked() {
        assert_eq!(
            marked("ship MAY", "We decided to SHIP in May."),
            "We decided to [SHIP] in [May]."
        );
        assert_eq!(marked("회의", "다음 회의는 회의실에서"), "다음 [회의]는 [회의]실에서");
        assert_eq!(marked("aaa", "aaaa"), "[aaaa]");
        let long = format!("{} needle {}", "x".repeat(500), "y".repeat(500));
        let excerpt = marked("needle", &long);
        assert!(
            excerpt.starts_with("…x") && excerpt.ends_with("y…") && excerpt.contains("[needle]"),
            "{excerpt}"
        );
        assert!(excerpt.chars().count() <= EXCERPT_CHARS + 4);
    }

    proptest! {
        #[test]
        fn an_excerpt_is_of_the_text(query in "[a-c가나]{3,8}( [a-c]{1,3})?", text in "[a-c가나 ]{0,400}") {
            let fragments = Query::parse(&query).unwrap().excerpt(&text);
            let all: String = fragments.iter().map(|one| one.text.as_str()).collect();
            prop_assert!(text.contains(all.trim_matches('…')));
            prop_assert!(fragments.windows(2).all(|pair| pair[0].is_hit != pair[1].is_hit));
        }
    }
}
