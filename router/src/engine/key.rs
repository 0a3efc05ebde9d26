//! Response keys as numbers.
//!
//! An operation knows every name that it will ever look for in an answer: what it
//! selects, what representations need, what is renamed. They are numbered once when
//! it is prepared. The reader compares a key's text once; from then on merge,
//! representations and projection compare numbers.

use std::collections::HashMap;

use crate::name::Hasher;

/// The number of a name within one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(u32);

/// The names of one operation, in the order in which they were met.
#[derive(Debug)]
pub(crate) struct Keys {
    /// As they stand in an answer: `"name":`.
    tokens: Vec<Box<str>>,
    numbers: HashMap<Box<str>, Key, Hasher>,
}

impl Key {
    /// `__typename`, in every operation.
    pub(crate) const TYPENAME: Self = Self(0);

    /// The number as an index, from 0 without gaps.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Default for Keys {
    fn default() -> Self {
        let mut keys = Self { tokens: Vec::new(), numbers: HashMap::default() };
        keys.number("__typename");
        keys
    }
}

impl Keys {
    /// The number of a name, a new one if it has none.
    pub(crate) fn number(&mut self, name: &str) -> Key {
        if let Some(key) = self.find(name) {
            return key;
        }
        // A document of at most 256 KiB has fewer names than this.
        let key = Key(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX));
        self.tokens.push(format!("\"{name}\":").into());
        self.numbers.insert(name.into(), key);
        key
    }

    /// The number of a name, if it has one.
    pub(super) fn find(&self, name: &str) -> Option<Key> {
        self.numbers.get(name).copied()
    }

    /// The name as it stands in an answer, with quotes and colon.
    pub(super) fn token(&self, key: Key) -> &str {
        &self.tokens[key.index()]
    }

    /// The name.
    pub(super) fn name(&self, key: Key) -> &str {
        let token = self.token(key);
        &token[1..token.len() - 2]
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}
