//! Cache-aside in Redis: what is read often is kept there for a while, what is written is dropped.
//!
//! The cache only ever saves time; the truth is in Postgres. A read looks into the process's own near
//! cache, then into Redis with one `MGET`, then loads what is missing with one call of its loader, and
//! puts it there. Why the answers are right:
//!
//! **A slow reader can't put an old value back.** Nothing is put into Redis without a *lease*: who
//! misses a key puts a token of his own there, then loads, and his value replaces exactly that token
//! or nothing (one script, one key). A write never puts a value; after its commit it *drops* the key
//! ([`Cache::invalidate`]), and with it any lease: who loaded before the drop finds his token gone,
//! who asks after it gets a new token and loads what was committed. That holds however late a command
//! arrives. Loaders must read what is committed when they are called, thus not in an older snapshot
//! and not from a replica that lags.
//!
//! **One loads, the others wait.** In the process a key has one flight at a time (see `flight` on who
//! may take its value); across processes the token says that somebody is loading: others ask again for
//! at most [`LEASE_WAIT_MS`], then load for themselves. A holder who dies costs that long at most, and
//! his token ends after [`LEASE_MS`].
//!
//! **The near cache may lag, but for a moment.** Redis tells a connection of changes to the keys that
//! it read for it. What this process drops is gone at once; what another drops is gone as soon as the
//! news arrives, usually within a millisecond; when the line isn't known to be good (a beat every
//! [`BEAT_MS`]), the near cache isn't used, and it is emptied when the connection is lost. So the
//! table gives it only to kinds nobody is refused by, and a reader who knows a version
//! ([`Kind::get_many_at_least`]) is never given an older one.
//!
//! **Nothing stale survives an outage.** The danger is a write that can't drop its key. Every entry
//! carries the *generation* of the cache, and one record in Redis, read in the same `MGET`, says which
//! one runs: entries of another one don't exist. A process that could not drop a key, or lost its
//! connection, or got no answers, doesn't read from Redis any more; when it reaches it again it first
//! begins a new generation (all that was there is gone at once, for everybody), and for
//! [`RETURN_QUIET_MS`] more it only drops. The record names the server's run, so that one that was
//! restarted from an old file, or took over from another, isn't believed either. And a process that
//! dies with keys it could not drop: the relay drops the keys of every event before it publishes it,
//! and when it can't it notes them in Postgres in the transaction that marks the event, for itself or
//! another relay to drop later. (The events don't wait: an outage of a cache must not stop the
//! platform. They carry versions, so who hears of a change isn't shown an older state.)
//!
//! What remains: while *only* the writer is cut off from Redis and others aren't, those may see an old
//! value until the writer is back, at most for the value's lifetime, unless they know its version.

mod at_least;
mod breaker;
mod entry;
mod flight;
mod gate;
mod kind;
mod link;
mod near;
mod script;
mod stats;
mod table;
mod watch;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config;
pub use at_least::{AT_LEAST, AT_LEAST_MAX, AtLeast};
pub use breaker::State;
pub use kind::Kind;
use link::Link;
pub use script::Script;
pub use stats::{KindSnapshot, ServerMemory, Snapshot};
pub use table::{Policy, kinds};

/// Most time for one command.
pub const COMMAND_TIMEOUT_MS: u64 = 50;
/// Most commands that wait to be sent; more are refused, so that a slow Redis can't fill the memory.
pub const COMMANDS_WAITING_MAX: usize = 4_096;
/// How long a lease lasts: a value that takes longer to load isn't put into the cache.
pub const LEASE_MS: u64 = 3_000;
/// How long a reader waits for another process's load before he loads for himself.
pub const LEASE_WAIT_MS: u64 = 1_000;
/// First and longest pause between two looks whether another process has loaded.
pub const LEASE_LOOK_MS: (u64, u64) = (4, 50);
/// How long a reader waits for another's load in this process before he looks again.
pub const FLIGHT_WAIT_MS: u64 = 2_000;
/// How often a reader looks, when others' loads bring him nothing, before he loads for himself.
pub const ROUNDS_MAX: usize = 4;
/// Larger values aren't put into the cache.
pub const VALUE_MAX_BYTES: usize = 512 * 1024;
/// Lifetimes vary by up to this much, so that what was filled together doesn't end together.
pub const TTL_JITTER_PERCENT: u64 = 10;
/// Failures in a row after which Redis counts as away, if nothing succeeded for
/// [`BREAKER_SILENCE_MS`] either. A lost connection and a key that could not be dropped count at once.
pub const BREAKER_FAILURES: u32 = 3;
/// How long nothing must have succeeded for Redis to count as away.
pub const BREAKER_SILENCE_MS: u64 = 200;
/// How often a drop is tried before it counts as failed.
pub const INVALIDATION_TRIES: usize = 3;
/// Time between two looks at the connection, and whether an absent Redis is back.
pub const BEAT_MS: u64 = 200;
/// How long a Redis that is back isn't read, so that all who shared the outage are back too.
pub const RETURN_QUIET_MS: u64 = 1_000;
/// How long [`Cache::connect`] waits for the first connection before it goes on without.
pub const CONNECT_WAIT_MS: u64 = 1_000;
/// Most loads at once in this process while Redis is away. Below a service's database connections, so
/// that writes get through.
pub const GATE_LOADS_MAX: usize = 8;
/// How long a read waits at that gate before it is refused.
pub const GATE_WAIT_MS: u64 = 2_000;
/// Most memory of the near cache.
pub const NEAR_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// About how many values the near cache is laid out for.
pub const NEAR_ENTRIES: usize = 10_000;
/// How long a value stays in the near cache.
pub const NEAR_LIFE_MS: u64 = 10_000;
/// How long after a good beat the near cache is used.
pub const NEAR_TRUST_MS: u64 = 500;

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

/// A value was neither cached nor loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLoaded {
    /// Redis is away, and too many loads wait for the database: try again in a while.
    #[error("redis is away and the database is busy: gave up after {GATE_WAIT_MS} ms")]
    Busy,
    /// Another reader was loading the value, and failed. His error is with him.
    #[error("the load that this read waited for failed")]
    Failed,
}

impl From<NotLoaded> for sqlx::Error {
    fn from(error: NotLoaded) -> Self {
        Self::Io(std::io::Error::other(error))
    }
}

/// Whether keys are gone from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// They are: who asks from now on sees what was committed.
    Now,
    /// Redis can't be reached. This process doesn't read from it until it can, and then drops
    /// everything there is; should it die before, whoever holds the keys must drop them.
    Later,
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

    /// A kind of value by its name in keys (like `user.profile`), kept as `cache.json` says. Change
    /// the name when the shape of `T` changes, so that old and new versions don't read each other's.
    #[must_use]
    pub fn kind<T>(&self, kind: &'static str) -> Kind<T>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        self.kind_with(kind, Policy::of(kind))
    }

    /// A kind of value that is kept otherwise than `cache.json` says.
    #[must_use]
    pub fn kind_with<T>(&self, kind: &'static str, policy: Policy) -> Kind<T>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        Kind::new(Arc::clone(&self.link), kind, policy)
    }

    /// Drops values by their keys, which [`Kind::key`] gives. Called after the commit of a write; the
    /// write's event carries the keys too, should this process die in between.
    pub async fn invalidate(&self, keys: &[String]) -> Dropped {
        if keys.is_empty() || self.link.drop_keys(keys).await {
            Dropped::Now
        } else {
            Dropped::Later
        }
    }

    /// Evicts one value, or all of a kind, for an operator; tells how many there were. What is right
    /// needs no eviction: this is for values that somebody changed in the database by hand.
    ///
    /// # Errors
    /// [`CacheError::Away`]; then evict again.
    pub async fn evict(&self, kind: &str, id: Option<&str>) -> Result<u64, CacheError> {
        let evicted = match id {
            Some(id) => self.link.drop_one(&format!("{kind}:{id}")).await,
            None => self.link.drop_kind(kind).await,
        };
        let evicted = evicted.map_err(CacheError::Away)?;
        self.link.stats.evicted.add(usize::try_from(evicted).unwrap_or(usize::MAX));
        Ok(evicted)
    }

    /// Evicts everything at once: a new generation begins.
    ///
    /// # Errors
    /// [`CacheError::Away`].
    pub async fn evict_all(&self) -> Result<(), CacheError> {
        self.link.settle_generation(true).await.map_err(CacheError::Away)
    }

    /// What the cache did in this process so far, and how it is now. Cheap: it asks nobody.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        let near = (self.link.near.entries(), self.link.near.bytes());
        self.link.stats.snapshot(self.link.state(), self.link.breaker.trips(), near)
    }

    /// How the server's memory stands; of any one node in a cluster.
    ///
    /// # Errors
    /// [`CacheError::Away`].
    pub async fn server_memory(&self) -> Result<ServerMemory, CacheError> {
        let info = self.link.info().await.map_err(CacheError::Away)?;
        Ok(ServerMemory::read(&info))
    }

    /// Asks whether Redis is there.
    ///
    /// # Errors
    /// [`CacheError::Away`].
    pub async fn ping(&self) -> Result<(), CacheError> {
        self.link.ping().await.map_err(CacheError::Away)
    }
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
