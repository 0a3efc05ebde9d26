//! Relay: publishes what stands in the outbox, for one ordering key in the order of the commits.
//!
//! Rows are spread over lanes by the hash of their key. Whoever publishes a lane holds its advisory
//! lock, so that any number of relays may run. A row is marked in the transaction that read it: if
//! the process dies between publishing and marking, it is published again under the same id, which
//! JetStream (within its window) or the consumer's inbox recognises.
//!
//! Before a row is published, the cache keys that it names are dropped. When the cache can't be
//! reached the row is published all the same, and the keys are noted in the transaction that marks it,
//! to be dropped later: see [`crate::cache`].

mod batch;
mod undropped;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::error::chain;
use crate::kernel::Kernel;
use crate::outbox::Outbox;
use crate::shutdown::Shutdown;
use batch::Outcome;

/// Time between two looks into the outbox, if nothing in the process wakes the relay.
pub const POLL_MS: u64 = 250;
/// Most rows that are published in one transaction.
pub const BATCH_ROWS: i64 = 128;
/// Most rows that are being published at the same moment, each of another ordering key.
pub const IN_FLIGHT: usize = 16;
/// Most lanes that one relay publishes at once: each takes a database connection.
pub const LANES_AT_ONCE: usize = 3;
/// Days that published events are kept in the outbox.
pub const EVENTS_KEPT_DAYS: i32 = 7;
/// Days that an inbox remembers an event; longer than events are kept anywhere.
pub const INBOX_KEPT_DAYS: i32 = 30;
/// Time between two clean-ups.
pub const CLEAN_EVERY_MS: u64 = 600_000;
/// Time between two looks for cache keys that could not be dropped.
pub const DROP_AGAIN_EVERY_MS: u64 = 1_000;
/// Longest time that one batch may take: a connection may hang for ever.
const BATCH_TIMEOUT_MS: u64 = 30_000;
/// Longest time that a look into the outbox may take.
const LOOK_TIMEOUT_MS: u64 = 10_000;
/// Longest time that a clean-up may take; the next one goes on.
const CLEAN_TIMEOUT_MS: u64 = 60_000;
/// First and longest wait of a lane after a failure.
const BACKOFF_MS: (u64, u64) = (250, 5_000);
/// Most rows deleted by one statement of a clean-up.
const CLEAN_ROWS: i64 = 1_000;

/// Publishes a service's outbox until the shutdown: see [`Relay::run`].
pub async fn run(kernel: Kernel, shutdown: Shutdown) {
    Relay::new(kernel.pool, kernel.bus, kernel.cache, kernel.outbox).run(shutdown).await;
}

/// Publishes a service's outbox.
#[derive(Clone, Debug)]
pub struct Relay {
    pool: PgPool,
    bus: Bus,
    cache: Cache,
    outbox: Outbox,
}

/// When a lane that failed is tried again.
struct Waiting {
    until: Instant,
    next_ms: u64,
}

impl Relay {
    /// A relay of the outbox in a service's database.
    #[must_use]
    pub fn new(pool: PgPool, bus: Bus, cache: Cache, outbox: Outbox) -> Self {
        Self { pool, bus, cache, outbox }
    }

    /// Publishes until the shutdown; what is at work then is finished first.
    pub async fn run(self, shutdown: Shutdown) {
        crate::metrics::messaging::relay();
        let mut working: JoinSet<(i16, Outcome)> = JoinSet::new();
        let mut busy: Vec<i16> = Vec::new();
        let mut waiting: BTreeMap<i16, Waiting> = BTreeMap::new();
        let mut cleaned = Instant::now();
        let mut dropped = None::<Instant>;
        while !shutdown.is_triggered() {
            let every = Duration::from_millis(DROP_AGAIN_EVERY_MS);
            if dropped.is_none_or(|dropped| dropped.elapsed() > every) {
                dropped = Some(Instant::now());
                let again = undropped::drop_again(&self.pool, &self.cache);
                if let Err(error) = bounded(LOOK_TIMEOUT_MS, again).await {
                    tracing::warn!(error = chain(&error), "cache keys not dropped");
                }
            }
            self.start(&mut working, &mut busy, &waiting, &shutdown).await;
            tokio::select! {
                Some(done) = working.join_next() => {
                    settle(done, &mut busy, &mut waiting);
                }
                () = self.outbox.woken() => {}
                () = tokio::time::sleep(Duration::from_millis(POLL_MS)) => {}
                () = shutdown.cancelled() => break,
            }
            if cleaned.elapsed() > Duration::from_millis(CLEAN_EVERY_MS) {
                cleaned = Instant::now();
                if let Err(error) = bounded(CLEAN_TIMEOUT_MS, clean(&self.pool)).await {
                    tracing::warn!(error = chain(&error), "old rows not deleted");
                }
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Starts lanes that have rows and that nobody here is at.
    async fn start(
        &self,
        working: &mut JoinSet<(i16, Outcome)>,
        busy: &mut Vec<i16>,
        waiting: &BTreeMap<i16, Waiting>,
        shutdown: &Shutdown,
    ) {
        if busy.len() >= LANES_AT_ONCE {
            return;
        }
        // While there is no connection, publishing would only fill the client's buffer.
        if !self.bus.is_connected() {
            return;
        }
        let lanes = match bounded(LOOK_TIMEOUT_MS, batch::lanes_with_rows(&self.pool, busy)).await {
            Ok(lanes) => lanes,
            Err(error) => {
                tracing::warn!(error = chain(&error), "outbox can't be read");
                return;
            }
        };
        let now = Instant::now();
        for lane in lanes {
            let early = waiting.get(&lane).is_some_and(|waiting| waiting.until > now);
            if early || busy.len() >= LANES_AT_ONCE {
                continue;
            }
            busy.push(lane);
            let (relay, shutdown) = (self.clone(), shutdown.clone());
            working.spawn(async move { (lane, relay.drain(lane, &shutdown).await) });
        }
    }

    /// Publishes a lane's rows until there are no more, or something fails.
    async fn drain(&self, lane: i16, shutdown: &Shutdown) -> Outcome {
        loop {
            let batch = batch::publish(&self.pool, &self.bus, &self.cache, lane);
            match bounded(BATCH_TIMEOUT_MS, batch).await {
                Ok(Outcome::More) if !shutdown.is_triggered() => {}
                Ok(outcome) => return outcome,
                Err(error) => {
                    tracing::warn!(lane, error = chain(&error), "lane not published");
                    return Outcome::Away;
                }
            }
        }
    }
}

/// What the database says, unless the connection hangs.
async fn bounded<T>(
    limit_ms: u64,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(Duration::from_millis(limit_ms), asked).await;
    answer.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
}

/// Notes how a lane's work ended.
fn settle(
    done: Result<(i16, Outcome), tokio::task::JoinError>,
    busy: &mut Vec<i16>,
    waiting: &mut BTreeMap<i16, Waiting>,
) {
    let (lane, outcome) = match done {
        Ok(done) => done,
        Err(error) => {
            // Which lane it was isn't known: all may start again, their locks keep the order.
            tracing::error!(%error, "a lane's work broke off");
            busy.clear();
            return;
        }
    };
    busy.retain(|one| *one != lane);
    match outcome {
        Outcome::Done | Outcome::More => {
            waiting.remove(&lane);
        }
        Outcome::Elsewhere | Outcome::Away => {
            let (min, max) = BACKOFF_MS;
            let longest = if matches!(outcome, Outcome::Elsewhere) { min } else { max };
            let ms = waiting.get(&lane).map_or(min, |waiting| waiting.next_ms).min(longest);
            let until = Instant::now() + Duration::from_millis(ms);
            waiting.insert(lane, Waiting { until, next_ms: ms * 2 });
        }
    }
}

/// Deletes what was published, or handled, long ago.
///
/// # Errors
/// When the database refuses.
pub async fn clean(pool: &PgPool) -> Result<(), sqlx::Error> {
    loop {
        let done = sqlx::query!(
            "DELETE FROM outbox WHERE position IN (
                 SELECT position FROM outbox
                 WHERE published_at < now() - make_interval(days => $1)
                 LIMIT $2 FOR UPDATE SKIP LOCKED)",
            EVENTS_KEPT_DAYS,
            CLEAN_ROWS,
        )
        .execute(pool)
        .await?;
        if done.rows_affected() == 0 {
            break;
        }
    }
    loop {
        let done = sqlx::query!(
            "DELETE FROM inbox WHERE (consumer, event_id) IN (
                 SELECT consumer, event_id FROM inbox
                 WHERE received_at < now() - make_interval(days => $1)
                 LIMIT $2 FOR UPDATE SKIP LOCKED)",
            INBOX_KEPT_DAYS,
            CLEAN_ROWS,
        )
        .execute(pool)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
    }
}
