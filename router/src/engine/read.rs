//! Reads a subgraph's answer into the tree, in one pass.
//!
//! Keys that the operation knows become numbers; what stands under others is checked
//! and left out. Objects of one kind have the same keys in the same order, so the
//! reader remembers which key came after which, and most often finds the one that it
//! expects by a single comparison.

use std::ops::Range;

use super::{
    key::{Key, Keys},
    value::{Field, Tree, Value},
};

/// Deepest nesting of arrays and objects that is read from a subgraph, in levels.
pub(crate) const MAX_JSON_DEPTH: usize = 200;

/// Why some bytes are not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: {reason}")]
pub(crate) struct ParseError {
    at: usize,
    reason: &'static str,
}

/// A GraphQL response.
#[derive(Debug, Default)]
pub(super) struct Response<'a> {
    pub(super) data: Option<Value<'a>>,
    /// The JSON text of its errors.
    pub(super) errors: Option<&'a str>,
}

/// Reads one JSON document. Never panics, whatever the bytes are.
pub(super) fn read<'a>(
    tree: &mut Tree<'a>,
    keys: &Keys,
    bytes: &'a [u8],
) -> Result<Value<'a>, ParseError> {
    Reader::new(tree, keys, bytes)?.document(|reader| reader.value(0, Key::TYPENAME))
}

/// Reads a GraphQL response; None where it is JSON but no object.
pub(super) fn read_response<'a>(
    tree: &mut Tree<'a>,
    keys: &Keys,
    bytes: &'a [u8],
) -> Result<Option<Response<'a>>, ParseError> {
    Reader::new(tree, keys, bytes)?.document(|reader| match reader.peek() {
        Some(b'{') => reader.response().map(Some),
        _ => reader.skip(0).map(|()| None),
    })
}

struct Reader<'t, 'a> {
    tree: &'t mut Tree<'a>,
    keys: &'t Keys,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Which key came last time, by what came before it.
    expected: Vec<Option<Key>>,
    /// Fields and items of what is not closed yet.
    fields: Vec<Field<'a>>,
    items: Vec<Value<'a>>,
}

/// What comes before a key: the beginning of an object under some key, or another key.
fn first_in(within: Key) -> usize {
    2 * within.index()
}

fn after(key: Key) -> usize {
    2 * key.index() + 1
}

impl<'t, 'a> Reader<'t, 'a> {
    fn new(tree: &'t mut Tree<'a>, keys: &'t Keys, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = simdutf8::compat::from_utf8(bytes)
            .map_err(|error| ParseError { at: error.valid_up_to(), reason: "not UTF-8" })?;
        let expected = vec![None; 2 * keys.len()];
        let (fields, items) = (Vec::new(), Vec::new());
        Ok(Self { tree, keys, text, bytes, at: 0, expected, fields, items })
    }

    /// One value and nothing else.
    fn document<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.skip_space();
        let value = read(&mut self)?;
        self.skip_space();
        match self.at == self.bytes.len() {
            true => Ok(value),
            false => Err(self.error("more follows the value")),
        }
    }

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

    /// The object around `data` and `errors`.
    fn response(&mut self) -> Result<Response<'a>, ParseError> {
        let mut response = Response::default();
        self.enter(0)?;
        if self.closes(b'}') {
            return Ok(response);
        }
        loop {
            self.skip_space();
            match self.key()? {
                "data" => response.data = Some(self.value(1, Key::TYPENAME)?),
                "errors" => {
                    let start = self.at;
                    self.skip(1)?;
                    response.errors = Some(self.slice(start..self.at)?);
                }
                _ => self.skip(1)?,
            }
            if self.ends(b'}')? {
                return Ok(response);
            }
        }
    }

    /// Reads a value that stands under the key `within`.
    fn value(&mut self, depth: usize, within: Key) -> Result<Value<'a>, ParseError> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Leaf),
            Some(b'{') => self.object(depth, within),
            Some(b'[') => self.list(depth, within),
            Some(b'n') => self.word("null").map(|_| Value::Null),
            _ => self.simple().map(Value::Leaf),
        }
    }

    /// A number or boolean.
    fn simple(&mut self) -> Result<&'a str, ParseError> {
        match self.peek() {
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.error("no value begins like this")),
            None => Err(self.error("the text ends here")),
        }
    }

    fn list(&mut self, depth: usize, within: Key) -> Result<Value<'a>, ParseError> {
        self.enter(depth)?;
        let mark = self.items.len();
        if !self.closes(b']') {
            loop {
                self.skip_space();
                let item = self.value(depth + 1, within)?;
                self.items.push(item);
                if self.ends(b']')? {
                    break;
                }
            }
        }
        Ok(Value::List(self.tree.add_list(self.items.drain(mark..))))
    }

    fn object(&mut self, depth: usize, within: Key) -> Result<Value<'a>, ParseError> {
        let start = self.at;
        self.enter(depth)?;
        let mark = self.fields.len();
        if !self.closes(b'}') {
            let mut before = first_in(within);
            loop {
                self.skip_space();
                match self.known_key(before)? {
                    Some(key) => {
                        let value = self.value(depth + 1, key)?;
                        self.fields.push((key, value));
                        before = after(key);
                    }
                    None => self.skip(depth + 1)?,
                }
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        let text = self.slice(start..self.at)?;
        Ok(Value::Object(self.tree.add_object(text, self.fields.drain(mark..))))
    }

    /// Reads a key up to its value; None where the operation does not know it.
    fn known_key(&mut self, before: usize) -> Result<Option<Key>, ParseError> {
        if let Some(key) = self.expected[before] {
            let token = self.keys.token(key).as_bytes();
            if self.bytes[self.at..].starts_with(token) {
                self.at += token.len();
                self.skip_space();
                return Ok(Some(key));
            }
        }
        let name = self.key()?;
        let known = self.keys.find(name);
        self.expected[before] = known;
        Ok(known)
    }

    /// Reads any key up to its value; gives the text between its quotes.
    fn key(&mut self) -> Result<&'a str, ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("key expected"));
        }
        let quoted = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("colon expected"));
        }
        self.at += 1;
        self.skip_space();
        Ok(quoted.get(1..quoted.len() - 1).unwrap_or_default())
    }

    /// Checks a value that nobody wants.
    fn skip(&mut self, depth: usize) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'n') => self.word("null").map(|_| ()),
            Some(open @ (b'{' | b'[')) => {
                let close = if open == b'{' { b'}' } else { b']' };
                self.enter(depth)?;
                if self.closes(close) {
                    return Ok(());
                }
                loop {
                    self.skip_space();
                    if open == b'{' {
                        self.key()?;
                    }
                    self.skip(depth + 1)?;
                    if self.ends(close)? {
                        return Ok(());
                    }
                }
            }
            _ => self.simple().map(|_| ()),
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

#[cfg(test)]
mod tests {
    use super::{super::value::tests::spell, *};
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

    /// Numbers the names that `wanted` picks.
    fn number_names(value: &serde_json::Value, keys: &mut Keys, wanted: fn(&str) -> bool) {
        match value {
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| number_names(item, keys, wanted));
            }
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    if wanted(name) {
                        let quoted = serde_json::to_string(name).unwrap();
                        keys.number(&quoted[1..quoted.len() - 1]);
                    }
                    number_names(value, keys, wanted);
                }
            }
            _ => {}
        }
    }

    fn is_json(bytes: &[u8]) -> bool {
        read(&mut Tree::new(), &Keys::default(), bytes).is_ok()
    }

    /// Some names are known and some are not.
    fn is_known(name: &str) -> bool {
        name.len().is_multiple_of(2)
    }

    fn without_unknown(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Array(items) => items.into_iter().map(without_unknown).collect(),
            serde_json::Value::Object(fields) => {
                let fields = fields.into_iter().filter(|(name, _)| is_known(name));
                fields.map(|(name, value)| (name, without_unknown(value))).collect()
            }
            value => value,
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_writes(value in json(), pretty: bool, all: bool) {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&value).unwrap(),
                false => serde_json::to_vec(&value).unwrap(),
            };
            // As it reads its own floats.
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let mut keys = Keys::default();
            number_names(&value, &mut keys, if all { |_| true } else { is_known });
            let mut tree = Tree::new();
            // Twice: the second time the keys are expected.
            read(&mut tree, &keys, &text).unwrap();
            let twice = [b"[", &text[..], b",", &text, b"]"].concat();
            let found = read(&mut tree, &keys, &twice).unwrap();
            let spelled: serde_json::Value =
                serde_json::from_str(&spell(&tree, &keys, found)).unwrap();
            let expected = if all { value.clone() } else { without_unknown(value.clone()) };
            prop_assert_eq!(spelled, serde_json::json!([expected, expected]));
            // As a scalar it is what it was.
            let mut written = Vec::new();
            tree.write(found, &mut written);
            let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(written, serde_json::json!([value, value]));
        }

        #[test]
        fn agrees_with_serde_on_what_is_json(text in r#"[\[\]{}",:0-9.eE+\-truefalsn\\u \n\x00-\x1f가]{0,24}"#) {
            let serde = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(is_json(text.as_bytes()), serde);
            let response = read_response(&mut Tree::new(), &Keys::default(), text.as_bytes());
            prop_assert_eq!(response.is_ok(), serde);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            is_json(&bytes);
        }
    }

    #[test]
    fn a_response_is_told_apart_from_other_json() {
        let keys = Keys::default();
        let mut tree = Tree::new();
        let text = br#" { "errors" : [ {"a":1} ], "extensions": {"data":1}, "data": null } "#;
        let response = read_response(&mut tree, &keys, text).unwrap().unwrap();
        assert_eq!(response.errors, Some(r#"[ {"a":1} ]"#));
        assert_eq!(response.data, Some(Value::Null));
        assert!(read_response(&mut tree, &keys, b"[1]").unwrap().is_none());
        assert!(read_response(&mut tree, &keys, b"{}").unwrap().unwrap().data.is_none());
    }

    #[test]
    fn refuses_deep_nesting_instead_of_overflowing() {
        for text in ["[", r#"{"a":"#, r#"{"__typename":"#] {
            assert!(!is_json(text.repeat(1_000_000).as_bytes()));
        }
    }
}
