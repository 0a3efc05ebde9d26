//! The bytes of all answers of one request. They stay where they are until the
//! response is written, so that the tree can borrow from them.

use bytes::Bytes;
use elsa::sync::FrozenVec;

/// An append-only store of byte strings that hands out borrows of them.
#[derive(Default)]
pub(crate) struct Arena {
    // `Bytes` may live inline, so it is boxed to keep its place.
    answers: FrozenVec<Box<Bytes>>,
}

impl Arena {
    /// Keeps the bytes as long as the arena lives.
    pub(crate) fn keep(&self, bytes: Bytes) -> &[u8] {
        self.answers.push_get(Box::new(bytes))
    }
}
