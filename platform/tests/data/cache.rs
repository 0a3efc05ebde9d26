//! The cache between several processes (caches with connections of their own), over Postgres.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use platform::cache::{self, Cache, Dropped, Kind, Policy, State};
use platform::config::{self, Values};
use platform::relay::Relay;
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};
use rand::Rng as _;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::valkey::Valkey;
use crate::{DEADLINE, NO_TABLES, append, event};

const FAR: Policy = Policy { ttl: Duration::from_secs(600), near: false };
const NEAR: Policy = Policy { ttl: Duration::from_secs(600), near: true };

/// A table of counters, each at 1, and a way to read them slowly.
#[derive(Clone)]
struct Things {
    pool: PgPool,
    loads: Arc<AtomicUsize>,
}

impl Things {
    async fn new(scope: &Scope, count: i64) -> Self {
        let pool = scope.postgres("transcript", &NO_TABLES).await;
        sqlx::query("CREATE TABLE thing (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 1)")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("INSERT INTO thing (id) SELECT generate_series(1, $1)")
            .bind(count)
            .execute(&pool)
            .await
            .unwrap();
        Self { pool, loads: Arc::default() }
    }

    /// The values now, given up to `slow_s` later.
    async fn load(&self, ids: Vec<i64>, slow_s: f64) -> Result<HashMap<i64, i64>, sqlx::Error> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT id, n, pg_sleep(random() * $2)::text FROM thing WHERE id = ANY($1)",
        )
        .bind(ids)
        .bind(slow_s)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(id, n, _)| (id, n)).collect())
    }

    async fn read(&self, kind: &Kind<i64>, id: i64, slow_s: f64) -> i64 {
        kind.get(id, |id| async move {
            Ok::<_, sqlx::Error>(self.load(vec![id], slow_s).await?.remove(&id))
        })
        .await
        .unwrap()
        .unwrap()
    }

    /// Counts one up, commits, and tells its new value.
    async fn count_up(&self, id: i64) -> i64 {
        sqlx::query_scalar("UPDATE thing SET n = n + 1 WHERE id = $1 RETURNING n")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

fn things(cache: &Cache, policy: Policy) -> Kind<i64> {
    cache.kind_with::<i64>("thing", policy).versioned(|n| n.unsigned_abs())
}

async fn at(url: &str) -> Cache {
    let values = Values::new().with("MOIM_REDIS_URL", url).with("MOIM_REDIS_PREFIX", "own");
    Cache::connect(&config::Redis::from(&values).unwrap()).await.unwrap()
}

/// What a writer has dropped so far: no reader who asks later may see less.
struct Floor {
    at_least: AtomicI64,
    done: AtomicBool,
}

/// Reads until the writer is done, in several tasks, and counts the reads. None may see an old value.
fn readers(
    things: &Things,
    kinds: &[Kind<i64>],
    floor: &Arc<Floor>,
) -> Vec<tokio::task::JoinHandle<usize>> {
    let kinds = kinds.iter().cycle().take(6);
    kinds
        .map(|kind| {
            let (things, kind, floor) = (things.clone(), kind.clone(), Arc::clone(floor));
            tokio::spawn(async move {
                let mut reads = 0;
                while !floor.done.load(Ordering::SeqCst) {
                    let at_least = floor.at_least.load(Ordering::SeqCst);
                    let seen = things.read(&kind, 1, 0.004).await;
                    assert!(seen >= at_least, "{seen} is older than {at_least}");
                    reads += 1;
                }
                reads
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_never_bring_an_old_value_back() {
    // Given readers in two processes, whose loads take a while, and a writer in a third
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 1).await;
    let (writer, one, other) = (scope.cache().await, scope.cache().await, scope.cache().await);
    let kinds = [things(&one, FAR), things(&other, FAR)];
    let floor = Arc::new(Floor { at_least: AtomicI64::new(1), done: AtomicBool::new(false) });
    let readers = readers(&things_, &kinds, &floor);
    // When it writes many times,
    let key = [kinds[0].key(1)];
    for _ in 0..200 {
        let n = things_.count_up(1).await;
        writer.invalidate(&key).await;
        floor.at_least.store(n, Ordering::SeqCst);
        // A few reads in between, so that there is something to drop.
        things_.read(&things(&writer, FAR), 1, 0.001).await;
    }
    floor.done.store(true, Ordering::SeqCst);
    // then no reader ever sees what was dropped before he asked.
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    assert!(reads > 200, "{reads}");
    let total = one.stats().total();
    assert!(total.filled > 0 && total.hits_shared + total.stampedes_avoided > 0, "{total:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_a_missing_key_in_two_processes_cause_one_load() {
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 1).await;
    let (one, other) = (scope.cache().await, scope.cache().await);
    let kinds = [things(&one, FAR), things(&other, FAR)];
    let reads = (0..1_000).map(|n| {
        let (things_, kind) = (things_.clone(), kinds[n % 2].clone());
        // Slow enough for most of them to come while it is being loaded, and far below the
        // longest wait for somebody else to load it.
        tokio::spawn(async move { things_.read(&kind, 1, 0.1).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap(), 1);
    }
    assert_eq!(things_.loads(), 1);
    let avoided = one.stats().total().stampedes_avoided + other.stats().total().stampedes_avoided;
    let hits = one.stats().total().hits_shared + other.stats().total().hits_shared;
    assert_eq!(avoided + hits, 999);
}

#[tokio::test]
async fn what_one_service_does_not_have_another_finds() {
    // Given two services of one process that look for the same id, each in its own database,
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 100).await;
    let cache = scope.cache().await;
    let (ours, others) = (things(&cache, FAR), things(&cache, FAR));
    for id in 1..=100 {
        // when both ask at once,
        let nothing = others.get(id, |_| async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok::<_, sqlx::Error>(None)
        });
        // then what the one doesn't have the other finds all the same.
        let (_, found) = tokio::join!(nothing, things_.read(&ours, id, 0.0));
        assert_eq!(found, 1);
    }
}

#[tokio::test]
async fn who_dies_while_loading_holds_others_up_only_for_a_while() {
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 1).await;
    let (one, other) = (scope.cache().await, scope.cache().await);
    // Given a reader who dies in the middle of his load
    let kind = things(&one, FAR);
    let started = Arc::new(tokio::sync::Notify::new());
    let dying = tokio::spawn({
        let started = Arc::clone(&started);
        async move {
            kind.get(1, |_| {
                started.notify_one();
                std::future::pending::<Result<Option<i64>, sqlx::Error>>()
            })
            .await
        }
    });
    started.notified().await;
    dying.abort();
    // when others ask, in his process and another, then they have their answers
    for cache in [&one, &other] {
        assert_eq!(things_.read(&things(cache, FAR), 1, 0.0).await, 1);
    }
    // and some time later the key is cached again.
    eventually(DEADLINE, async || {
        let before = things_.loads();
        things_.read(&things(&other, FAR), 1, 0.0).await;
        things_.loads() == before
    })
    .await;
    assert!(one.stats().lease_timeouts + other.stats().lease_timeouts >= 1);
}

#[tokio::test]
async fn an_older_value_is_a_miss_for_who_knows_of_a_newer_one() {
    for policy in [FAR, NEAR] {
        let scope = Scope::new().await;
        let things_ = Things::new(&scope, 2).await;
        let (one, other) = (scope.cache().await, scope.cache().await);
        let (kind, others) = (things(&one, policy), things(&other, policy));
        eventually(DEADLINE, async || {
            things_.read(&kind, 1, 0.0).await;
            !policy.near || one.stats().total().hits_near > 0
        })
        .await;
        // Given a change whose keys aren't dropped yet
        assert_eq!(things_.count_up(1).await, 2);
        assert_eq!(things_.read(&kind, 1, 0.0).await, 1);
        // when somebody reads who knows of it, then he sees it,
        let minimum = |id: &i64| if *id == 1 { 2 } else { 0 };
        let load = |ids| things_.load(ids, 0.0);
        let seen = kind.get_many_at_least(&[1, 2], minimum, load).await.unwrap();
        assert_eq!((seen[&1], seen[&2]), (2, 1));
        // and from then on everybody does, the near cache of others a moment later.
        eventually(DEADLINE, async || things_.read(&others, 1, 0.0).await == 2).await;
        eventually(DEADLINE, async || things_.read(&kind, 1, 0.0).await == 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_near_cache_hears_of_every_change_and_never_goes_back() {
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 1).await;
    let (writer, reader) = (scope.cache().await, scope.cache().await);
    let kind = things(&reader, NEAR);
    let key = [kind.key(1)];
    let mut last = 1;
    for round in 0..200 {
        // Reads of every kind of slowness while the value changes
        let racing = {
            let (things_, kind) = (things_.clone(), kind.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..8 {
                    seen.push(things_.read(&kind, 1, 0.001).await);
                }
                seen
            })
        };
        let n = things_.count_up(1).await;
        writer.invalidate(&key).await;
        let seen = racing.await.unwrap();
        assert!(seen.iter().all(|seen| *seen >= last && *seen <= n), "{last} {n} {seen:?}");
        assert!(seen.is_sorted(), "round {round}: {seen:?}");
        // The news arrives within a moment, and what is seen then stays.
        let asked = Instant::now();
        eventually(DEADLINE, async || things_.read(&kind, 1, 0.0).await == n).await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        for _ in 0..4 {
            assert_eq!(things_.read(&kind, 1, 0.0).await, n);
        }
        last = n;
    }
    let stats = reader.stats();
    assert!(stats.total().hits_near > 200, "{stats:?}");
    assert!(stats.news > 100, "{stats:?}");
    // What this process drops itself is gone at once.
    for _ in 0..50 {
        let n = things_.count_up(1).await;
        reader.invalidate(&key).await;
        for _ in 0..3 {
            assert_eq!(things_.read(&kind, 1, 0.0).await, n);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_popular_few_among_many_are_nearly_always_found() {
    const KEYS: i64 = 1_000;
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, KEYS).await;
    let (one, other) = (scope.cache().await, scope.cache().await);
    // Given reads after Zipf (the n-th key 1/n as often as the first), by pages of ten
    let mut weights: Vec<f64> = Vec::new();
    for rank in 1..=KEYS {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        weights.push(weights.last().unwrap_or(&0.0) + 1.0 / rank as f64);
    }
    let whole = weights[weights.len() - 1];
    let draw = || {
        let at = rand::rng().random_range(0.0..whole);
        i64::try_from(weights.partition_point(|weight| *weight < at)).unwrap() + 1
    };
    for page in 0..4_000 {
        let cache = if page % 2 == 0 { &one } else { &other };
        let ids: Vec<i64> = (0..10).map(|_| draw()).collect();
        let found = things(cache, NEAR).get_many(&ids, |ids| things_.load(ids, 0.0)).await.unwrap();
        assert!(ids.iter().all(|id| found.contains_key(id)));
        // and a write now and then.
        if page % 100 == 0 {
            let id = draw();
            things_.count_up(id).await;
            cache.invalidate(&[things(cache, NEAR).key(id)]).await;
        }
    }
    for cache in [&one, &other] {
        let total = cache.stats().total();
        assert!(total.hit_rate().unwrap() > 0.95, "{:?} {total:?}", total.hit_rate());
        assert!(total.hits_near > 0);
    }
}

/// Writes while the readers read, until the server has been away and back and the cache is used again.
async fn through_an_outage(away: impl AsyncFn(&mut Valkey), back: impl AsyncFn(&mut Valkey)) {
    let mut server = Valkey::start().await;
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 1).await;
    let url = server.url();
    let (writer, one, other) = (at(&url).await, at(&url).await, at(&url).await);
    let kinds = [things(&one, FAR), things(&other, FAR)];
    let floor = Arc::new(Floor { at_least: AtomicI64::new(1), done: AtomicBool::new(false) });
    let readers = readers(&things_, &kinds, &floor);
    let key = [kinds[0].key(1)];
    let write = async || {
        let n = things_.count_up(1).await;
        let dropped = writer.invalidate(&key).await;
        // While the server is away the writer can't drop; his readers must know all the same: they go
        // past it. Before they have noticed, it's down, so nobody reads old values from it either.
        floor.at_least.store(n, Ordering::SeqCst);
        dropped
    };
    for _ in 0..20 {
        eventually(DEADLINE, async || write().await == Dropped::Now).await;
    }
    eventually(DEADLINE, async || one.stats().total().hits_shared > 0).await;
    away(&mut server).await;
    eventually(DEADLINE, async || write().await == Dropped::Later).await;
    for cache in [&one, &other] {
        eventually(DEADLINE, async || {
            write().await;
            cache.stats().state == State::Open
        })
        .await;
    }
    for _ in 0..20 {
        write().await;
    }
    back(&mut server).await;
    // Under load all of them come back, and nobody ever sees what was written before he asked.
    for cache in [&one, &other, &writer] {
        eventually(DEADLINE, async || {
            write().await;
            cache.stats().state == State::Closed
        })
        .await;
    }
    let hits = || one.stats().total().hits_shared + other.stats().total().hits_shared;
    let before = hits();
    eventually(DEADLINE, async || hits() > before + 20).await;
    floor.done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_stay_right_while_redis_is_killed_and_comes_back_with_old_data() {
    let kill = async |server: &mut Valkey| server.kill();
    through_an_outage(kill, async |server: &mut Valkey| server.start_again().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_stay_right_while_redis_stalls_and_goes_on() {
    let stall = async |server: &mut Valkey| server.stall();
    through_an_outage(stall, async |server: &mut Valkey| server.go_on()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_few_loads_run_at_once() {
    let scope = Scope::new().await;
    let things_ = Things::new(&scope, 300).await;
    let cache = at("redis://127.0.0.1:1").await;
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let reads = (0..300).map(|n| {
        let (kind, things_) = (things(&cache, FAR), things_.clone());
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        tokio::spawn(async move {
            let load = |ids| async {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let loaded = things_.load(ids, 0.004).await;
                running.fetch_sub(1, Ordering::SeqCst);
                loaded
            };
            kind.get_many(&[n + 1], load).await.unwrap().len()
        })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap(), 1);
    }
    assert!(most.load(Ordering::SeqCst) <= cache::GATE_LOADS_MAX);
    assert_eq!(cache.stats().total().bypassed, 300);
}

/// Given an event that was published while its relay could not reach Redis, when that relay's process is
/// gone and Redis is there, then another relay drops the keys.
#[tokio::test]
async fn keys_that_a_dead_relay_could_not_drop_are_dropped_by_the_next() {
    let scope = Scope::new().await;
    let mut kernel = scope.kernel("transcript", &NO_TABLES).await;
    let things_ = Things::new(&scope, 1).await;
    let reader = scope.cache().await;
    let kind = things(&reader, FAR);
    assert_eq!(things_.read(&kind, 1, 0.0).await, 1);
    assert_eq!(things_.count_up(1).await, 2);
    let mut told = event(Uuid::now_v7(), json!({}));
    told.invalidates = vec![kind.key(1)];
    let id = append(&kernel, told).await;

    kernel.cache = at("redis://127.0.0.1:1").await;
    let relay = |kernel: &platform::kernel::Kernel| {
        let (shutdown, kernel) = (Shutdown::new(DEADLINE), kernel.clone());
        let relay = Relay::new(kernel.pool, kernel.bus, kernel.cache, kernel.outbox);
        let running = tokio::spawn(relay.run(shutdown.clone()));
        (shutdown, running)
    };
    let (_, first) = relay(&kernel);
    eventually(DEADLINE, async || {
        sqlx::query_scalar("SELECT published_at IS NOT NULL FROM outbox WHERE id = $1")
            .bind(id)
            .fetch_one(&kernel.pool)
            .await
            .unwrap()
    })
    .await;
    first.abort();
    assert_eq!(things_.read(&kind, 1, 0.0).await, 1);

    kernel.cache = scope.cache().await;
    let (shutdown, second) = relay(&kernel);
    eventually(DEADLINE, async || things_.read(&kind, 1, 0.0).await == 2).await;
    shutdown.trigger();
    second.await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_undropped")
        .fetch_one(&kernel.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
