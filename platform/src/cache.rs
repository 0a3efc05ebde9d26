//! Cache-aside in Redis: what is read often is kept there for a while, what is written is dropped.
//!
//! The cache only ever saves time. It answers within [`COMMAND_TIMEOUT_MS`] or counts as away, and
//! then reads go straight to their loader. Three rules keep its answers right:
//!
//! * A write never puts a value here; after its commit it *drops* the keys ([`Cache::invalidate`]).
//! * Dropping leaves a tombstone for [`TOMBSTONE_MS`], and values are only put where nothing is: a
//!   reader who loaded the old value before the write can't put it back after. One who took longer
//!   than [`STORE_WITHIN_MS`], and so might outlast a tombstone, doesn't put anything.
//! * Keys that could not be dropped because Redis was away are dropped when it is back, and until
//!   then this process doesn't read from it.

mod link;
mod script;

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config;
use link::Link;
pub use script::Script;

/// Most time for one command.
pub const COMMAND_TIMEOUT_MS: u64 = 50;
/// Most commands that wait to be sent; more are refused, so that a slow Redis can't fill the memory.
pub const COMMANDS_WAITING_MAX: usize = 4_096;
/// How long a dropped key refuses to be filled.
pub const TOMBSTONE_MS: u64 = 3_000;
/// A value that took longer to load isn't put into the cache. Well below [`TOMBSTONE_MS`].
pub const STORE_WITHIN_MS: u64 = 2_000;
/// Larger values aren't put into the cache.
pub const VALUE_MAX_BYTES: usize = 512 * 1024;
/// Lifetimes vary by up to this much, so that what was filled together doesn't end together.
pub const TTL_JITTER_PERCENT: u64 = 10;
/// Failures in a row after which Redis counts as away.
pub const BREAKER_FAILURES: u32 = 3;
/// How long Redis counts as away before one read tries it again.
pub const BREAKER_OPEN_MS: u64 = 500;
/// Most keys that are remembered to be dropped; with more, everything is dropped instead.
pub const UNDROPPED_MAX: usize = 10_000;
/// How long [`Cache::connect`] waits for the first connection before it goes on without.
pub const CONNECT_WAIT_MS: u64 = 1_000;

/// Stands where a dropped value was. No JSON begins like this.
const TOMBSTONE: &[u8] = b"\0";

/// The cache can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The settings can't be used.
    #[error("the cache's settings can't be used")]
    Config(#[source] fred::error::Error),
    /// Redis gave no answer in time.
    #[error("redis gives no answer")]
    Away(#[source] fred::error::Error),
}

/// The connection to the cache. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    link: Arc<Link>,
}

impl Cache {
    /// Connects in the background. That Redis is away is no error: it is tried until it is there.
    ///
    /// # Errors
    /// [`CacheError::Config`] when the URL can't be used.
    pub async fn connect(config: &config::Redis) -> Result<Self, CacheError> {
        Ok(Self { link: Link::connect(config).await? })
    }

    /// A kind of value, by its name in keys (like `user.profile`), kept for about `ttl`. Change the
    /// name when the shape of `T` changes, so that old and new versions don't read each other's.
    #[must_use]
    pub fn kind<T: Serialize + DeserializeOwned>(
        &self,
        kind: &'static str,
        ttl: Duration,
    ) -> Kind<T> {
        Kind { cache: self.clone(), kind, ttl, value: PhantomData }
    }

    /// Drops values by their keys, which [`Kind::key`] gives. Called after the commit of a write.
    ///
    /// It can't fail: what can't be dropped now is dropped as soon as Redis is back, and until then
    /// this process doesn't read from it.
    pub async fn invalidate(&self, keys: &[String]) {
        self.link.drop_keys(keys).await;
    }

    /// Asks whether Redis is there.
    ///
    /// # Errors
    /// [`CacheError::Away`].
    pub async fn ping(&self) -> Result<(), CacheError> {
        self.link.ping().await.map_err(CacheError::Away)
    }
}

/// Values of one kind in the cache. Cheap to clone.
#[derive(Debug)]
pub struct Kind<T> {
    cache: Cache,
    kind: &'static str,
    ttl: Duration,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Kind<T> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), kind: self.kind, ttl: self.ttl, value: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Kind<T> {
    /// The key of a value: what [`Cache::invalidate`] takes, in this process or another. The
    /// installation's prefix isn't in it.
    #[must_use]
    pub fn key(&self, id: impl Display) -> String {
        format!("{}:{id}", self.kind)
    }

    /// Gets values by their ids: from the cache with one command, the missing ones from `load` with
    /// one call, which are then put into the cache. Ids that `load` doesn't find are not in the
    /// result, and that isn't remembered.
    ///
    /// # Errors
    /// Those of `load`; the cache itself has none.
    pub async fn get_many<K, E, F, L>(&self, ids: &[K], load: F) -> Result<HashMap<K, T>, E>
    where
        K: Clone + Eq + Hash + Display,
        F: FnOnce(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let start = Instant::now();
        let Looked { mut values, missing, mut fillable } = self.look(ids).await;
        if missing.is_empty() {
            return Ok(values);
        }
        let loaded = load(missing).await?;
        // Only where nothing was found: neither a tombstone nor an answer from an absent Redis.
        fillable.retain(|id, _| loaded.contains_key(id));
        if !fillable.is_empty() && start.elapsed() < Duration::from_millis(STORE_WITHIN_MS) {
            self.fill(&fillable, &loaded).await;
        }
        values.extend(loaded);
        Ok(values)
    }

    /// Gets one value: see [`Kind::get_many`].
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get<K, E, F, L>(&self, id: K, load: F) -> Result<Option<T>, E>
    where
        K: Clone + Eq + Hash + Display,
        F: FnOnce(K) -> L,
        L: Future<Output = Result<Option<T>, E>>,
    {
        let ids = std::slice::from_ref(&id);
        let load = async |ids: Vec<K>| {
            let mut found = HashMap::new();
            if let Some(id) = ids.into_iter().next()
                && let Some(value) = load(id.clone()).await?
            {
                found.insert(id, value);
            }
            Ok(found)
        };
        Ok(self.get_many(ids, load).await?.remove(&id))
    }

    async fn look<K>(&self, ids: &[K]) -> Looked<K, T>
    where
        K: Clone + Eq + Hash + Display,
    {
        let mut wanted: HashMap<&K, String> = HashMap::with_capacity(ids.len());
        for id in ids {
            wanted.entry(id).or_insert_with(|| self.key(id));
        }
        let (ids, keys): (Vec<&K>, Vec<String>) = wanted.into_iter().unzip();
        let mut looked =
            Looked { values: HashMap::new(), missing: Vec::new(), fillable: HashMap::new() };
        if ids.is_empty() {
            return looked;
        }
        let Some(found) = self.cache.link.read(&keys).await else {
            looked.missing = ids.into_iter().cloned().collect();
            return looked;
        };
        for ((id, key), found) in ids.into_iter().zip(keys).zip(found) {
            match found.as_deref() {
                None => {
                    looked.fillable.insert(id.clone(), key);
                }
                Some(TOMBSTONE) => {}
                Some(bytes) => match serde_json::from_slice(bytes) {
                    Ok(value) => {
                        looked.values.insert(id.clone(), value);
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(kind = self.kind, %error, "cached value unreadable");
                    }
                },
            }
            looked.missing.push(id.clone());
        }
        looked
    }

    async fn fill<K: Eq + Hash>(&self, fillable: &HashMap<K, String>, loaded: &HashMap<K, T>) {
        let mut entries: Vec<(&str, Bytes, i64)> = Vec::with_capacity(fillable.len());
        for (id, key) in fillable {
            let Some(value) = loaded.get(id) else { continue };
            match serde_json::to_vec(value) {
                Ok(bytes) if bytes.len() <= VALUE_MAX_BYTES => {
                    entries.push((key, bytes.into(), self.ttl_ms()));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(kind = self.kind, %error, "value can't be cached"),
            }
        }
        self.cache.link.fill(entries).await;
    }

    fn ttl_ms(&self) -> i64 {
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX / 100);
        let spread_ms = ttl_ms / 100 * TTL_JITTER_PERCENT;
        let ttl_ms = ttl_ms - spread_ms + rand::random_range(0..=2 * spread_ms);
        i64::try_from(ttl_ms.max(1)).unwrap_or(i64::MAX)
    }
}

/// What a look into the cache found.
struct Looked<K, T> {
    values: HashMap<K, T>,
    missing: Vec<K>,
    /// Of the missing ones, those that may be put there, with their keys.
    fillable: HashMap<K, String>,
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
