//! Subject templates of `@eventSource` and the filters they become.

use std::fmt;

/// The longest argument value that may become a token of a subject.
const TOKEN_MAX_BYTES: usize = 64;

/// A subject with places to fill in, such as `app.event.{args.roomId}.>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Literal text, `*` or `>`.
    Fixed(String),
    Argument(String),
    ViewerId,
}

/// A template that can't be used; an error in the schema, found when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Two dots in a row, or a dot at an end.
    #[error("subject {0:?} has an empty token")]
    EmptyToken(String),
    /// `>` means "the rest" and can only stand last.
    #[error("subject {0:?} has `>` before its end")]
    RestBeforeEnd(String),
    /// A `{…}` that is neither `{args.name}` nor `{viewer.id}`.
    #[error("subject {subject:?} has an unknown placeholder {placeholder:?}")]
    UnknownPlaceholder {
        /// The whole template.
        subject: String,
        /// The token at fault.
        placeholder: String,
    },
    /// White space, braces or wildcards inside a token.
    #[error("subject {subject:?} has an invalid token {token:?}")]
    InvalidToken {
        /// The whole template.
        subject: String,
        /// The token at fault.
        token: String,
    },
}

/// A value that can't be filled into a subject; an error of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The argument is missing, null, or not a text of `[A-Za-z0-9_-]{1,64}`.
    #[error("argument \"{0}\" must be 1 to 64 of the characters A-Z a-z 0-9 _ -")]
    Argument(String),
    /// The subject belongs to a viewer, and nobody is signed in.
    #[error("sign in to listen to this")]
    NoViewer,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] says what is wrong with the text.
    pub fn parse(subject: &str) -> Result<Self, TemplateError> {
        let texts: Vec<&str> = subject.split('.').collect();
        // Placeholders have a dot inside, so their halves are joined again.
        let mut tokens = Vec::with_capacity(texts.len());
        let mut at = 0;
        while at < texts.len() {
            let joined = match texts.get(at + 1) {
                Some(next) if texts[at].starts_with('{') && !texts[at].ends_with('}') => {
                    at += 1;
                    format!("{}.{next}", texts[at - 1])
                }
                _ => texts[at].to_owned(),
            };
            at += 1;
            if joined == ">" && at < texts.len() {
                return Err(TemplateError::RestBeforeEnd(subject.to_owned()));
            }
            tokens.push(Token::parse(subject, joined)?);
        }
        Ok(Self { tokens })
    }

    /// The names of the arguments that the template needs.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Argument(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether the template has `{viewer.id}`.
    pub fn needs_viewer(&self) -> bool {
        self.tokens.contains(&Token::ViewerId)
    }

    /// Fills the template. `prefix` (such as `t1.`, or nothing) goes before it;
    /// `argument` gives the text of an argument if it is a single text.
    ///
    /// # Errors
    /// [`FillError`] when a value is missing or isn't a single safe token.
    pub fn fill<'a>(
        &self,
        prefix: &str,
        argument: impl Fn(&str) -> Option<&'a str>,
        viewer_id: Option<&str>,
    ) -> Result<Filter, FillError> {
        let mut filled = prefix.to_owned();
        for (at, token) in self.tokens.iter().enumerate() {
            if at > 0 {
                filled.push('.');
            }
            filled.push_str(match token {
                Token::Fixed(text) => text,
                Token::Argument(name) => argument(name)
                    .filter(|value| is_token(value))
                    .ok_or_else(|| FillError::Argument(name.clone()))?,
                Token::ViewerId => {
                    viewer_id.filter(|value| is_token(value)).ok_or(FillError::NoViewer)?
                }
            });
        }
        Ok(Filter(filled))
    }
}

impl Token {
    fn parse(subject: &str, text: String) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::EmptyToken(subject.to_owned()));
        }
        if text == "{viewer.id}" {
            return Ok(Self::ViewerId);
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return match inner.strip_prefix("args.") {
                Some(name) if is_name(name) => Ok(Self::Argument(name.to_owned())),
                _ => Err(TemplateError::UnknownPlaceholder {
                    subject: subject.to_owned(),
                    placeholder: text,
                }),
            };
        }
        let wild = text == "*" || text == ">";
        let bad = |c: char| c.is_whitespace() || c.is_control() || "*>{}".contains(c);
        if !wild && text.contains(bad) {
            return Err(TemplateError::InvalidToken { subject: subject.to_owned(), token: text });
        }
        Ok(Self::Fixed(text))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a client's text may stand in a subject: it can't widen what is listened to.
fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A subject to listen to; `*` stands for one token, a final `>` for one or more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(String);

impl Filter {
    /// A filter from text that is known to be one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The filter as NATS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `subject` (without wildcards) is one of those listened to.
    pub fn matches(&self, subject: &str) -> bool {
        let mut tokens = subject.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (">", rest) => return rest.is_some(),
                (_, None) => return false,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Whether some subject is matched by both. NATS refuses such pairs in one consumer.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (None, _) | (_, None) => return false,
                (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(template: &str, value: &str) -> Result<Filter, FillError> {
        Template::parse(template).expect("a valid template").fill(
            "",
            |name| (name == "roomId").then_some(value),
            Some("v1"),
        )
    }

    #[test]
    fn placeholders_are_filled_and_the_prefix_goes_before() {
        let template = Template::parse("app.{args.roomId}.*.{viewer.id}.>").expect("valid");
        let filter = template.fill("t1.", |_| Some("r1"), Some("v1")).expect("filled");
        assert_eq!(filter.as_str(), "t1.app.r1.*.v1.>");
        assert_eq!(template.arguments().collect::<Vec<_>>(), ["roomId"]);
        assert!(template.needs_viewer());
    }

    #[test]
    fn a_subject_of_a_viewer_needs_one() {
        let template = Template::parse("app.{viewer.id}").expect("valid");
        assert_eq!(template.fill("", |_| None, None), Err(FillError::NoViewer));
    }

    #[test]
    fn wrong_templates_are_refused() {
        for wrong in [
            "",
            "a..b",
            ".a",
            "a.",
            "a.>.b",
            "a.b*",
            "a b",
            "{args.}",
            "{viewer.name}",
            "{x}",
            "a{args.x}",
            "{args.x}b",
            "{args.x",
            "args.x}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn a_filled_value_is_always_exactly_one_literal_token(value in ".{0,70}") {
            match fill("app.{args.roomId}.>", &value) {
                Ok(filter) => {
                    let tokens: Vec<&str> = filter.as_str().split('.').collect();
                    prop_assert_eq!(tokens, ["app", value.as_str(), ">"]);
                    prop_assert!(value != "*" && value != ">");
                }
                Err(error) => {
                    prop_assert_eq!(error, FillError::Argument("roomId".into()));
                    prop_assert!(!value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                        || value.is_empty() || value.len() > 64);
                }
            }
        }

        #[test]
        fn safe_values_are_taken(value in "[A-Za-z0-9_-]{1,64}") {
            prop_assert_eq!(fill("{args.roomId}", &value), Ok(Filter(value)));
        }

        #[test]
        fn two_filters_that_match_one_subject_overlap(
            a in "[ab*](\\.[ab*]){0,2}(\\.>)?", b in "[ab*](\\.[ab*]){0,2}(\\.>)?",
            subject in "[ab](\\.[ab]){0,3}",
        ) {
            let (a, b) = (Filter(a), Filter(b));
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            if a.matches(&subject) && b.matches(&subject) {
                prop_assert!(a.overlaps(&b));
            }
        }
    }
}
