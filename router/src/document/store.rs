//! Where automatically persisted documents are kept: in this process, and where there
//! is a Redis also there, for all routers.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use platform::cache::{Cache as Redis, Kind, NotLoaded, Policy};
use quick_cache::{Weighter, sync::Cache};

use super::hash_of;

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

/// Keeps documents for all routers that share a Redis. While it is away, each knows only what it
/// has been sent itself.
pub(super) struct Shared {
    memory: Memory,
    redis: Kind<String>,
}

impl Shared {
    /// Documents stay in Redis for about `ttl`.
    pub(super) fn new(memory: Memory, redis: &Redis, ttl: Duration) -> Self {
        Self { memory, redis: redis.kind_with("router.document", Policy { ttl, near: false }) }
    }
}

impl Store for Shared {
    fn get<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Option<Arc<str>>> {
        if let Some(document) = self.memory.0.get(hash) {
            return std::future::ready(Some(document)).boxed();
        }
        async move {
            let found = self.redis.peek(hash.to_owned()).await;
            // Whoever can write to Redis must not put other words into clients' mouths.
            let document = found.filter(|document| hash_of(document) == hash)?;
            let document: Arc<str> = document.into();
            self.memory.put(hash, Arc::clone(&document)).await;
            Some(document)
        }
        .boxed()
    }

    fn put<'a>(&'a self, hash: &'a str, document: Arc<str>) -> BoxFuture<'a, ()> {
        // Clients that always send the document along must not cost a command each time.
        if self.memory.0.get(hash).is_some() {
            return std::future::ready(()).boxed();
        }
        async move {
            let text = document.to_string();
            self.memory.put(hash, document).await;
            let told = async |_| Ok::<_, NotLoaded>(Some(text.clone()));
            // Not put there: then other routers ask the client for it, as before.
            let _ = self.redis.get(hash.to_owned(), told).await;
        }
        .boxed()
    }
}
