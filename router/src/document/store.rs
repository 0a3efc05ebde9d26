//! Where automatically persisted documents are kept.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use quick_cache::{Weighter, sync::Cache};

/// How many documents the memory is laid out for.
const ESTIMATED_DOCUMENTS: usize = 1_000;

/// Keeps documents by hash. It may forget: clients then send the document again.
pub trait Store: Send + Sync + 'static {
    /// The document with a hash.
    fn get<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Option<Arc<str>>>;

    /// Keeps a document, whose hash was checked.
    fn put<'a>(&'a self, hash: &'a str, document: Arc<str>) -> BoxFuture<'a, ()>;
}

/// Keeps documents in this process.
pub(super) struct Memory(Cache<Box<str>, Arc<str>, Bytes>);

/// Weighs a document by its memory.
#[derive(Clone)]
struct Bytes;

impl Weighter<Box<str>, Arc<str>> for Bytes {
    fn weight(&self, hash: &Box<str>, document: &Arc<str>) -> u64 {
        (hash.len() + document.len()) as u64
    }
}

impl Memory {
    /// Room for so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self(Cache::with_weighter(ESTIMATED_DOCUMENTS, max_bytes, Bytes))
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Option<Arc<str>>> {
        std::future::ready(self.0.get(hash)).boxed()
    }

    fn put<'a>(&'a self, hash: &'a str, document: Arc<str>) -> BoxFuture<'a, ()> {
        self.0.insert(hash.into(), document);
        std::future::ready(()).boxed()
    }
}
