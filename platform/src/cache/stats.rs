//! What the cache did, counted: plain numbers that a metrics endpoint reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::State;

/// Counts since the process started.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits_near: Count,
    pub(super) hits_shared: Count,
    pub(super) misses: Count,
    pub(super) bypassed: Count,
    pub(super) loads: Count,
    pub(super) loaded: Count,
    pub(super) filled: Count,
    pub(super) refused: Count,
    pub(super) stampedes_avoided: Count,
}

#[derive(Debug, Default)]
pub(super) struct Stats {
    kinds: Mutex<BTreeMap<&'static str, Arc<Counters>>>,
    pub(super) errors: Count,
    pub(super) invalidated: Count,
    pub(super) invalidations_late: Count,
    pub(super) evicted: Count,
    pub(super) news: Count,
    pub(super) near_flushes: Count,
    pub(super) generations: Count,
    pub(super) gate_refused: Count,
    pub(super) lease_timeouts: Count,
}

impl Stats {
    pub(super) fn kind(&self, kind: &'static str) -> Arc<Counters> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kinds.entry(kind).or_default())
    }

    pub(super) fn snapshot(&self, state: State, trips: u64, near: (u64, u64)) -> Snapshot {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = kinds.iter().map(|(kind, counters)| (*kind, counters.snapshot())).collect();
        let (near_entries, near_bytes) = near;
        Snapshot {
            kinds,
            state,
            trips,
            near_entries,
            near_bytes,
            errors: self.errors.get(),
            invalidated: self.invalidated.get(),
            invalidations_late: self.invalidations_late.get(),
            evicted: self.evicted.get(),
            news: self.news.get(),
            near_flushes: self.near_flushes.get(),
            generations: self.generations.get(),
            gate_refused: self.gate_refused.get(),
            lease_timeouts: self.lease_timeouts.get(),
        }
    }
}

impl Counters {
    fn snapshot(&self) -> KindSnapshot {
        KindSnapshot {
            hits_near: self.hits_near.get(),
            hits_shared: self.hits_shared.get(),
            misses: self.misses.get(),
            bypassed: self.bypassed.get(),
            loads: self.loads.get(),
            loaded: self.loaded.get(),
            filled: self.filled.get(),
            refused: self.refused.get(),
            stampedes_avoided: self.stampedes_avoided.get(),
        }
    }
}

/// What one kind's readers met, counted in keys since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSnapshot {
    /// Found in the process.
    pub hits_near: u64,
    /// Found in Redis.
    pub hits_shared: u64,
    /// Not found, or older than the reader needs.
    pub misses: u64,
    /// Not looked for, because Redis was away.
    pub bypassed: u64,
    /// Calls of loaders, each for one or more keys.
    pub loads: u64,
    /// Keys that loaders were asked for.
    pub loaded: u64,
    /// Values put into Redis.
    pub filled: u64,
    /// Values not put there, because their key was dropped while they were loaded.
    pub refused: u64,
    /// Misses answered by another reader's load, in this process or another.
    pub stampedes_avoided: u64,
}

impl KindSnapshot {
    /// The part of looks that found something, from 0 to 1; `None` before the first look. Reads that
    /// went past an absent Redis aren't looks.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.hits_near + self.hits_shared;
        let looks = hits + self.misses;
        (looks > 0).then(|| hits as f64 / looks as f64)
    }
}

/// What the cache of this process did since the process started, and how it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// By kind.
    pub kinds: BTreeMap<&'static str, KindSnapshot>,
    /// Whether Redis is used now.
    pub state: State,
    /// How often Redis was found away.
    pub trips: u64,
    /// Values in the near cache now.
    pub near_entries: u64,
    /// About how much memory they take.
    pub near_bytes: u64,
    /// Commands that failed or got no answer in time.
    pub errors: u64,
    /// Keys dropped after writes.
    pub invalidated: u64,
    /// Keys that could not be dropped at once.
    pub invalidations_late: u64,
    /// Keys evicted by an operator through this process.
    pub evicted: u64,
    /// Keys of whose change the server told the near cache.
    pub news: u64,
    /// How often the whole near cache was dropped.
    pub near_flushes: u64,
    /// How often this process dropped everything in Redis by a new generation.
    pub generations: u64,
    /// Loads refused because too many were under way while Redis was away.
    pub gate_refused: u64,
    /// Keys that were loaded without a lease, since their holder took too long.
    pub lease_timeouts: u64,
}

impl Snapshot {
    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> KindSnapshot {
        self.kinds.values().fold(KindSnapshot::default(), |sum, kind| KindSnapshot {
            hits_near: sum.hits_near + kind.hits_near,
            hits_shared: sum.hits_shared + kind.hits_shared,
            misses: sum.misses + kind.misses,
            bypassed: sum.bypassed + kind.bypassed,
            loads: sum.loads + kind.loads,
            loaded: sum.loaded + kind.loaded,
            filled: sum.filled + kind.filled,
            refused: sum.refused + kind.refused,
            stampedes_avoided: sum.stampedes_avoided + kind.stampedes_avoided,
        })
    }
}

/// How the server's memory stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerMemory {
    /// In use.
    pub used_bytes: u64,
    /// Most that it may use; 0 when it isn't bounded.
    pub max_bytes: u64,
    /// Keys that went because it was full, since the server started.
    pub evicted_keys: u64,
}

impl ServerMemory {
    /// Reads the answer of `INFO`.
    pub(super) fn read(info: &str) -> Self {
        let number = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            used_bytes: number("used_memory"),
            max_bytes: number("maxmemory"),
            evicted_keys: number("evicted_keys"),
        }
    }
}
