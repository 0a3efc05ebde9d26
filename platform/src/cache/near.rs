//! The near cache: values that are read often, in the process itself.
//!
//! The server tells a connection when a key that it read has changed. An entry counts only as long as
//! nothing was heard of its key *since before its value was asked for*: stamps are raised by what is
//! heard and compared at every look, so that it doesn't matter in which order a value and the news of
//! its end arrive. When news may have been missed, everything goes.

use std::any::Any;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;

use super::{NEAR_ENTRIES, NEAR_LIFE_MS, NEAR_MAX_BYTES, NEAR_TRUST_MS};

/// Keys share stamps; a neighbour's news costs a look into Redis, no more.
const STAMPS: usize = 4_096;

type Shared = Arc<dyn Any + Send + Sync>;

#[derive(Clone)]
struct Entry {
    value: Shared,
    version: u64,
    bytes: u64,
    stamp: Stamp,
    until: Instant,
}

/// What had been heard at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    key: u64,
    all: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<String, Entry> for Weight {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        // A value in memory takes about as much as its JSON.
        entry.bytes + key.len() as u64 + size_of::<Entry>() as u64
    }
}

pub(super) struct Near {
    entries: quick_cache::sync::Cache<String, Entry, Weight>,
    stamps: Box<[AtomicU64]>,
    all: AtomicU64,
    hasher: RandomState,
    start: Instant,
    /// Milliseconds from the start until which it is known that news arrives.
    trusted_until_ms: AtomicU64,
}

impl Default for Near {
    fn default() -> Self {
        Self {
            entries: quick_cache::sync::Cache::with_weighter(NEAR_ENTRIES, NEAR_MAX_BYTES, Weight),
            stamps: (0..STAMPS).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            hasher: RandomState::new(),
            start: Instant::now(),
            trusted_until_ms: AtomicU64::new(0),
        }
    }
}

impl Near {
    /// Whether it may be used now.
    pub(super) fn is_trusted(&self) -> bool {
        self.millis(Instant::now()) < self.trusted_until_ms.load(Ordering::SeqCst)
    }

    /// Notes that at `heard` the line to the server was good.
    pub(super) fn trust(&self, heard: Instant) {
        let until_ms = self.millis(heard) + NEAR_TRUST_MS;
        self.trusted_until_ms.store(until_ms, Ordering::SeqCst);
    }

    /// Drops everything, and doesn't take what is being read now.
    pub(super) fn flush(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }

    /// Drops everything, and isn't used until [`Near::trust`].
    pub(super) fn close(&self) {
        self.trusted_until_ms.store(0, Ordering::SeqCst);
        self.flush();
    }

    /// What was heard so far of a key. Taken before its value is asked for.
    pub(super) fn stamp(&self, key: &str) -> Stamp {
        Stamp {
            key: self.stamp_of(key).load(Ordering::SeqCst),
            all: self.all.load(Ordering::SeqCst),
        }
    }

    /// Drops a key, and doesn't take its value from who reads it now.
    pub(super) fn forget(&self, key: &str) {
        self.stamp_of(key).fetch_add(1, Ordering::SeqCst);
        self.entries.remove(key);
    }

    /// The value and version of a key.
    pub(super) fn get(&self, key: &str) -> Option<(Shared, u64)> {
        if !self.is_trusted() {
            return None;
        }
        let entry = self.entries.get(key)?;
        let holds = entry.stamp == self.stamp(key) && Instant::now() < entry.until;
        holds.then_some((entry.value, entry.version))
    }

    /// Takes a value that was asked for after `stamp`, and of whose changes the server will tell.
    pub(super) fn put(&self, key: String, value: Shared, version: u64, bytes: usize, stamp: Stamp) {
        let until = Instant::now() + Duration::from_millis(NEAR_LIFE_MS);
        let entry = Entry { value, version, bytes: bytes as u64, stamp, until };
        self.entries.insert(key, entry);
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    fn stamp_of(&self, key: &str) -> &AtomicU64 {
        let hash = self.hasher.hash_one(key);
        &self.stamps[usize::try_from(hash % STAMPS as u64).unwrap_or(0)]
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(near: &Near) -> Option<i32> {
        near.get("k").and_then(|(value, _)| value.downcast_ref::<i32>().copied())
    }

    fn put(near: &Near, value: i32, stamp: Stamp) {
        near.put("k".to_owned(), Arc::new(value), 1, 4, stamp);
    }

    #[test]
    fn news_between_asking_and_keeping_is_not_missed() {
        let near = Near::default();
        near.trust(Instant::now());
        let stamp = near.stamp("k");
        put(&near, 1, stamp);
        assert_eq!(seen(&near), Some(1));
        // When a key is dropped while a reader has its old value in hand,
        let stamp = near.stamp("k");
        near.forget("k");
        put(&near, 1, stamp);
        // then it isn't kept; nor after everything was dropped.
        assert_eq!(seen(&near), None);
        let stamp = near.stamp("k");
        near.flush();
        put(&near, 1, stamp);
        assert_eq!(seen(&near), None);
        put(&near, 2, near.stamp("k"));
        assert_eq!(seen(&near), Some(2));
    }

    #[test]
    fn nothing_is_seen_while_the_line_is_not_known_to_be_good() {
        let near = Near::default();
        put(&near, 1, near.stamp("k"));
        assert_eq!(seen(&near), None);
        near.trust(Instant::now());
        assert_eq!(seen(&near), Some(1));
        near.close();
        near.trust(Instant::now());
        assert_eq!(seen(&near), None);
    }

    #[test]
    fn its_memory_is_bounded() {
        let near = Near::default();
        near.trust(Instant::now());
        for n in 0..1_000 {
            let key = n.to_string();
            let stamp = near.stamp(&key);
            near.put(key, Arc::new(n), 1, 100_000, stamp);
        }
        assert!(near.bytes() <= NEAR_MAX_BYTES, "{}", near.bytes());
        assert!(near.entries() > 10);
    }
}
