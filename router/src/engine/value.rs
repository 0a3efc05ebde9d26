//! JSON as the engine sees it: borrowed from the bytes it came in.
//!
//! A subgraph's answer is parsed once into a tree of slices. Leaves keep their
//! JSON text (`"a\n"` stays escaped, `1.0` stays `1.0`), so that writing them to
//! the client is a copy of bytes and nothing is ever decoded on the way.

use std::ops::Range;

/// Deepest nesting of arrays and objects that is read from a subgraph, in levels.
pub(crate) const MAX_JSON_DEPTH: usize = 200;

/// The fields of an object in the order in which they arrived. Keys are the raw
/// text between the quotes. Fields are only ever appended, never moved.
pub(crate) type Fields<'a> = Vec<(&'a str, Value<'a>)>;

/// A JSON value whose text is borrowed from the answer it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// `null`
    Null,
    /// The JSON text of a string (with its quotes), number or boolean.
    Leaf(&'a str),
    /// `[…]`
    List(Vec<Value<'a>>),
    /// `{…}`
    Object(Fields<'a>),
}

/// Why some bytes are not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: {reason}")]
pub(crate) struct ParseError {
    at: usize,
    reason: &'static str,
}

impl<'a> Value<'a> {
    /// Reads one JSON document. Never panics, whatever the bytes are.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ParseError { at: error.valid_up_to(), reason: "not UTF-8" })?;
        let mut parser = Parser { text, bytes, at: 0 };
        parser.skip_space();
        let value = parser.value(0)?;
        parser.skip_space();
        match parser.at == bytes.len() {
            true => Ok(value),
            false => Err(parser.error("more follows the value")),
        }
    }

    /// The value of a field, or None where this is no object or has no such field.
    pub(crate) fn field(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Object(fields) => field(fields, key),
            _ => None,
        }
    }

    /// The text of a string without quotes, if it is a string without escapes.
    pub(crate) fn plain_str(&self) -> Option<&'a str> {
        match self {
            Value::Leaf(text) => plain_str(text),
            _ => None,
        }
    }

    /// Writes the value as JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Leaf(text) => out.extend_from_slice(text.as_bytes()),
            Value::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Value::Object(fields) => {
                out.push(b'{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.push(b'"');
                    out.extend_from_slice(key.as_bytes());
                    out.extend_from_slice(b"\":");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// An owned copy for the rare places (errors) that need one.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut text = Vec::new();
        self.write(&mut text);
        serde_json::from_slice(&text).unwrap_or(serde_json::Value::Null)
    }
}

/// The value under a key.
pub(crate) fn field<'v, 'a>(
    fields: &'v [(&'a str, Value<'a>)],
    key: &str,
) -> Option<&'v Value<'a>> {
    fields.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The slot of a key.
pub(crate) fn slot(fields: &[(&str, Value<'_>)], key: &str) -> Option<usize> {
    fields.iter().position(|(name, _)| *name == key)
}

/// The text of a JSON string without its quotes, if nothing in it is escaped.
pub(crate) fn plain_str(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, reason: &'static str) -> ParseError {
        ParseError { at: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn slice(&self, range: Range<usize>) -> Result<&'a str, ParseError> {
        // All tokens begin and end at ASCII bytes, so this cannot fail.
        self.text.get(range).ok_or(self.error("not UTF-8"))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Leaf),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'n') => self.word("null").map(|_| Value::Null),
            Some(b't') => self.word("true").map(Value::Leaf),
            Some(b'f') => self.word("false").map(Value::Leaf),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Leaf),
            Some(_) => Err(self.error("no value begins like this")),
            None => Err(self.error("the text ends here")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<&'a str, ParseError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.error("no value begins like this"));
        }
        let text = self.slice(self.at..end)?;
        self.at = end;
        Ok(text)
    }

    /// Reads a string and returns its text with the quotes.
    fn string(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.at += 1;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return self.slice(start..self.at);
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return Err(self.error("control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("the string does not end")),
            }
        }
    }

    /// Skips bytes of a string that mean nothing special, eight at a time.
    fn skip_plain(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let has_zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
        while let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
            let quote = has_zero(word ^ (ONES * u64::from(b'"')));
            let backslash = has_zero(word ^ (ONES * u64::from(b'\\')));
            let special = control | quote | backslash;
            if special != 0 {
                // The lowest marked byte is exact; higher ones may be false alarms.
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u')
                if self
                    .bytes
                    .get(self.at + 2..self.at + 6)
                    .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.at += 6;
            }
            _ => return Err(self.error("bad escape in a string")),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(self.error("digit expected")),
        }
    }

    fn number(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.slice(start..self.at)
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            if self.ends(b']')? {
                return Ok(Value::List(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.enter(depth)?;
        let mut fields = Vec::new();
        if self.closes(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("key expected"));
            }
            let quoted = self.string()?;
            let key = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("colon expected"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth + 1)?;
            fields.push((key, value));
            if self.ends(b'}')? {
                return Ok(Value::Object(fields));
            }
        }
    }

    /// Steps over the opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), ParseError> {
        if depth >= MAX_JSON_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        Ok(())
    }

    /// True where the bracket closes at once.
    fn closes(&mut self, bracket: u8) -> bool {
        self.skip_space();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.at += 1;
        }
        closes
    }

    /// After an item: true where the bracket closes, false where a comma follows.
    fn ends(&mut self, bracket: u8) -> Result<bool, ParseError> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.error("comma or closing bracket expected")),
        }
    }
}

/// Writes text as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_writes(value in json(), pretty: bool) {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&value).unwrap(),
                false => serde_json::to_vec(&value).unwrap(),
            };
            prop_assert_eq!(Value::parse(&text).unwrap().to_json(), serde_json::from_slice::<serde_json::Value>(&text).unwrap());
        }

        #[test]
        fn agrees_with_serde_on_what_is_json(text in r#"[\[\]{}",:0-9.eE+\-truefalsn\\u \n\x00-\x1f가]{0,24}"#) {
            let ours = Value::parse(text.as_bytes()).is_ok();
            let serde = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(ours, serde);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Value::parse(&bytes);
        }
    }

    #[test]
    fn refuses_deep_nesting_instead_of_overflowing() {
        let text = "[".repeat(1_000_000);
        assert!(Value::parse(text.as_bytes()).is_err());
    }
}
