//! The cache: what it counts itself, and the memory of its server.

use std::sync::LazyLock;

use super::{IntCounter, IntCounterVec, IntGauge};
use crate::cache::{Cache, ServerMemory, State};

struct Families {
    requests: IntCounterVec,
    loads: IntCounterVec,
    stampedes: IntCounterVec,
    invalidations: IntCounter,
    errors: IntCounter,
    available: IntGauge,
    near_entries: IntGauge,
    near_bytes: IntGauge,
    memory: IntGauge,
    memory_max: IntGauge,
    evicted: IntCounter,
}

static CACHE: LazyLock<Families> = LazyLock::new(|| {
    use super::{counter, counters, gauge};
    Families {
        requests: counters(
            "moim_cache_requests_total",
            "Keys that were looked for, by where they were found.",
            &["kind", "result"],
        ),
        loads: counters("moim_cache_loads_total", "Keys that loaders were asked for.", &["kind"]),
        stampedes: counters(
            "moim_cache_stampedes_avoided_total",
            "Misses that were answered by another reader's load.",
            &["kind"],
        ),
        invalidations: counter("moim_cache_invalidations_total", "Keys dropped after writes."),
        errors: counter(
            "moim_cache_errors_total",
            "Commands that failed or had no answer in time.",
        ),
        available: gauge("moim_cache_available", "Whether Redis is used (1) or passed by (0)."),
        near_entries: gauge("moim_cache_near_entries", "Values in the process's own cache."),
        near_bytes: gauge("moim_cache_near_bytes", "About how much memory they take."),
        memory: gauge("moim_redis_memory_used_bytes", "Memory that Redis uses."),
        memory_max: gauge(
            "moim_redis_memory_max_bytes",
            "Most memory that Redis may use; 0 without a bound.",
        ),
        evicted: counter(
            "moim_redis_evicted_keys_total",
            "Keys that Redis evicted because its memory was full, since it started.",
        ),
    }
});

/// Takes over what the cache has counted, and asks its server for its memory.
pub(super) fn tell(cache: &Cache) {
    let now = cache.stats();
    for (kind, counts) in &now.kinds {
        for (result, count) in [
            ("hit_near", counts.hits_near),
            ("hit_shared", counts.hits_shared),
            ("miss", counts.misses),
            ("bypassed", counts.bypassed),
        ] {
            raise(&CACHE.requests.with_label_values(&[*kind, result]), count);
        }
        raise(&CACHE.loads.with_label_values(&[*kind]), counts.loaded);
        raise(&CACHE.stampedes.with_label_values(&[*kind]), counts.stampedes_avoided);
    }
    raise(&CACHE.invalidations, now.invalidated);
    raise(&CACHE.errors, now.errors);
    CACHE.available.set(i64::from(now.state == State::Closed));
    CACHE.near_entries.set(whole(now.near_entries));
    CACHE.near_bytes.set(whole(now.near_bytes));
}

/// The memory of the cache's server.
pub(super) fn tell_memory(memory: ServerMemory) {
    CACHE.memory.set(whole(memory.used_bytes));
    CACHE.memory_max.set(whole(memory.max_bytes));
    // It begins anew when the server does.
    if memory.evicted_keys < CACHE.evicted.get() {
        CACHE.evicted.reset();
    }
    raise(&CACHE.evicted, memory.evicted_keys);
}

/// Brings a counter up to what was counted elsewhere.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
