//! The connection to Redis: bounded in time and memory, and out of the way when Redis is.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::{Client, Pipeline, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, Options, ReconnectPolicy, TcpConfig};
use fred::types::{Builder, ConnectHandle, Expiration, SetOptions};
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;

use super::{
    BREAKER_FAILURES, BREAKER_OPEN_MS, COMMAND_TIMEOUT_MS, COMMANDS_WAITING_MAX, CONNECT_WAIT_MS,
    CacheError, TOMBSTONE, TOMBSTONE_MS, UNDROPPED_MAX,
};
use crate::config;

/// Waits between attempts to connect.
const RECONNECT_MIN_MS: u32 = 50;
const RECONNECT_MAX_MS: u32 = 1_000;
/// Most time to make a connection.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// Waits between attempts to drop what could not be dropped.
const DROP_AGAIN_MS: u64 = 100;
/// Most keys in one pipeline.
const BATCH_MAX: usize = 500;
/// Most time for dropping everything.
const DROP_ALL_TIMEOUT_MS: u64 = 30_000;

pub(super) struct Link {
    pub(super) client: WithOptions<Client>,
    connection: ConnectHandle,
    /// Put before keys that aren't cached values.
    pub(super) scope: String,
    /// Put before the keys of cached values.
    prefix: String,
    pub(super) breaker: Breaker,
    undropped: Undropped,
    // The task that drops them later needs the link without keeping it alive.
    this: Weak<Link>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The client's own task would keep the connection for ever.
        self.connection.abort();
    }
}

impl Link {
    pub(super) async fn connect(config: &config::Redis) -> Result<Arc<Self>, CacheError> {
        let client = client(config).map_err(CacheError::Config)?;
        let connection = client.connect();
        let wait = Duration::from_millis(CONNECT_WAIT_MS);
        if !matches!(tokio::time::timeout(wait, client.wait_for_connect()).await, Ok(Ok(()))) {
            tracing::warn!("redis is away: going on without a cache until it is there");
        }
        let options = Options {
            timeout: Some(Duration::from_millis(COMMAND_TIMEOUT_MS)),
            max_attempts: Some(1),
            fail_fast: true,
            ..Options::default()
        };
        let scope = match config.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}:"),
        };
        Ok(Arc::new_cyclic(|this| Self {
            client: client.with_options(&options),
            connection,
            prefix: format!("{scope}cache:"),
            scope,
            breaker: Breaker::default(),
            undropped: Undropped::default(),
            this: Weak::clone(this),
        }))
    }

    /// The values under `keys`, in their order; `None` when Redis is away or must not be read.
    pub(super) async fn read(&self, keys: &[String]) -> Option<Vec<Option<Bytes>>> {
        if self.undropped.any() || !self.breaker.lets_through() {
            return None;
        }
        let keys: Vec<String> = keys.iter().map(|key| self.full(key)).collect();
        let expected = keys.len();
        let found: Vec<Option<Bytes>> = self.noted(self.read_all(keys).await)?;
        // Dropping may have failed while this was on its way.
        (found.len() == expected && !self.undropped.any()).then_some(found)
    }

    async fn read_all(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, Error> {
        if !self.client.is_clustered() {
            return in_time(self.client.mget(keys)).await;
        }
        // The keys of one MGET would have to live on one node.
        let pipeline = Pipeline::from(self.client.clone());
        for key in keys {
            let _: () = pipeline.get(key).await?;
        }
        in_time(pipeline.all()).await
    }

    /// Puts values where nothing is: key, value, lifetime in milliseconds.
    pub(super) async fn fill(&self, entries: Vec<(&str, Bytes, i64)>) {
        if entries.is_empty() || self.breaker.is_open() {
            return;
        }
        let pipeline = Pipeline::from(self.client.clone());
        let work = async {
            for (key, value, ttl_ms) in entries {
                let (ttl, absent) = (Some(Expiration::PX(ttl_ms)), Some(SetOptions::NX));
                let _: () = pipeline.set(self.full(key), value, ttl, absent, false).await?;
            }
            in_time(pipeline.all::<Vec<Option<String>>>()).await
        };
        let done = work.await;
        self.noted(done);
    }

    pub(super) async fn drop_keys(&self, keys: &[String]) {
        for batch in keys.chunks(BATCH_MAX) {
            if !self.undropped.any() && !self.breaker.is_open() {
                let done = self.entomb(batch).await;
                if self.noted(done).is_some() {
                    continue;
                }
            }
            self.undropped.remember(batch);
            self.drop_later();
        }
    }

    async fn entomb(&self, keys: &[String]) -> Result<(), Error> {
        let pipeline = Pipeline::from(self.client.clone());
        let ttl = i64::try_from(TOMBSTONE_MS).unwrap_or(i64::MAX);
        for key in keys {
            let value = Bytes::from_static(TOMBSTONE);
            let ttl = Some(Expiration::PX(ttl));
            let _: () = pipeline.set(self.full(key), value, ttl, None, false).await?;
        }
        in_time(pipeline.all::<Vec<String>>()).await.map(|_| ())
    }

    /// Starts the task that drops what is left over, unless it runs.
    fn drop_later(&self) {
        if self.undropped.running.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = Weak::clone(&self.this);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(DROP_AGAIN_MS)).await;
                let Some(link) = this.upgrade() else { return };
                if link.client.is_connected() && link.drop_left_over().await {
                    return;
                }
            }
        });
    }

    /// Tells whether nothing is left over.
    async fn drop_left_over(&self) -> bool {
        let left = self.undropped.take();
        let batch: Vec<String> = left.keys.iter().cloned().collect();
        let mut done = Ok(());
        if left.everything {
            done = self.drop_everything().await;
        }
        for batch in batch.chunks(BATCH_MAX) {
            if done.is_ok() {
                done = self.entomb(batch).await;
            }
        }
        match done {
            Ok(()) => self.undropped.settle(),
            Err(_) => {
                self.undropped.put_back(left);
                false
            }
        }
    }

    async fn drop_everything(&self) -> Result<(), Error> {
        // Prefixes are plain tokens: there is nothing in them to be read as a pattern.
        let pattern = format!("{}*", self.prefix);
        let work = async {
            let keys = if self.client.is_clustered() {
                self.client.scan_cluster_buffered(pattern, None, None).boxed()
            } else {
                self.client.scan_buffered(pattern, None, None).boxed()
            };
            let mut batches = keys.ready_chunks(BATCH_MAX);
            while let Some(batch) = batches.next().await {
                let pipeline = Pipeline::from(self.client.clone());
                for key in batch {
                    let _: () = pipeline.unlink(key?).await?;
                }
                let _: Vec<i64> = in_time(pipeline.all()).await?;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_millis(DROP_ALL_TIMEOUT_MS), work)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "dropping everything")))
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        in_time(self.client.ping::<String>(None)).await.map(|_| ())
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Tells the breaker how a command went.
    pub(super) fn noted<T>(&self, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(value) => {
                self.breaker.succeeded();
                Some(value)
            }
            Err(error) => {
                self.breaker.failed(&error);
                None
            }
        }
    }
}

fn client(config: &config::Redis) -> Result<Client, Error> {
    let mut settings = Config::from_url(config.url.expose_secret())?;
    // Redis may come later than we do.
    settings.fail_fast = false;
    let mut builder = Builder::from_config(settings);
    builder.with_performance_config(|performance| {
        performance.default_command_timeout = Duration::from_millis(COMMAND_TIMEOUT_MS);
    });
    builder.with_connection_config(|connection| {
        connection.connection_timeout = Duration::from_millis(CONNECT_TIMEOUT_MS);
        connection.internal_command_timeout = Duration::from_millis(CONNECT_TIMEOUT_MS);
        connection.max_command_buffer_len = COMMANDS_WAITING_MAX;
        // A value that is written late could be an old one.
        connection.max_command_attempts = 1;
        connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
    });
    builder.set_policy(ReconnectPolicy::new_exponential(0, RECONNECT_MIN_MS, RECONNECT_MAX_MS, 2));
    builder.build()
}

/// The client has a timeout of its own; this one holds whatever state the client is in.
pub(super) async fn in_time<T>(
    command: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(Duration::from_millis(COMMAND_TIMEOUT_MS), command)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "no answer in time")))
}

/// Keeps a Redis that is away from costing every read a timeout.
pub(super) struct Breaker {
    start: Instant,
    failures: AtomicU32,
    /// Milliseconds from the start until which Redis counts as away; 0 when it doesn't.
    open_until_ms: AtomicU64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            failures: AtomicU32::new(0),
            open_until_ms: AtomicU64::new(0),
        }
    }
}

impl Breaker {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_open(&self) -> bool {
        self.open_until_ms.load(Ordering::Relaxed) != 0
    }

    /// Whether a read may go to Redis. While it counts as away, one now and then may, to try.
    pub(super) fn lets_through(&self) -> bool {
        let until_ms = self.open_until_ms.load(Ordering::Relaxed);
        if until_ms == 0 {
            return true;
        }
        let now_ms = self.now_ms();
        now_ms >= until_ms
            && self
                .open_until_ms
                .compare_exchange(
                    until_ms,
                    now_ms + BREAKER_OPEN_MS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        if self.open_until_ms.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("redis is back");
        }
    }

    fn failed(&self, error: &Error) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // Without a connection there is nothing to be patient about.
        let gone = matches!(error.kind(), ErrorKind::IO | ErrorKind::Canceled);
        if failures < BREAKER_FAILURES && !gone {
            return;
        }
        let until_ms = self.now_ms() + BREAKER_OPEN_MS;
        if self.open_until_ms.swap(until_ms, Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "redis is away: reads go past the cache");
        }
    }
}

/// Keys that could not be dropped.
#[derive(Default)]
struct Undropped {
    left: Mutex<Left>,
    any: AtomicBool,
    running: AtomicBool,
}

#[derive(Default)]
struct Left {
    keys: HashSet<String>,
    /// There were too many to remember.
    everything: bool,
}

impl Left {
    fn add(&mut self, keys: impl IntoIterator<Item = String>) {
        self.keys.extend(keys);
        if self.keys.len() > UNDROPPED_MAX {
            self.keys.clear();
            self.everything = true;
        }
    }
}

impl Undropped {
    fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, keys: &[String]) {
        let mut left = self.lock();
        left.add(keys.iter().cloned());
        self.any.store(true, Ordering::SeqCst);
    }

    /// Takes what is left over; [`Undropped::any`] stays true until it is settled.
    fn take(&self) -> Left {
        std::mem::take(&mut *self.lock())
    }

    fn put_back(&self, taken: Left) {
        let mut left = self.lock();
        left.everything |= taken.everything;
        left.add(taken.keys);
    }

    /// Ends it, unless more was left over meanwhile.
    fn settle(&self) -> bool {
        let left = self.lock();
        let settled = left.keys.is_empty() && !left.everything;
        if settled {
            self.any.store(false, Ordering::SeqCst);
            self.running.store(false, Ordering::SeqCst);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout() -> Error {
        Error::new(ErrorKind::Timeout, "slow")
    }

    #[test]
    fn a_few_slow_commands_do_not_open_the_breaker() {
        let breaker = Breaker::default();
        for _ in 1..BREAKER_FAILURES {
            breaker.failed(&timeout());
        }
        assert!(breaker.lets_through());
        breaker.succeeded();
        breaker.failed(&timeout());
        assert!(!breaker.is_open());
    }

    #[test]
    fn an_open_breaker_lets_one_through_now_and_then() {
        let mut breaker = Breaker::default();
        breaker.failed(&Error::new(ErrorKind::IO, "gone"));
        assert!(!breaker.lets_through());
        // When the time is over
        breaker.start -= Duration::from_millis(BREAKER_OPEN_MS);
        assert!(breaker.lets_through());
        assert!(!breaker.lets_through());
        breaker.succeeded();
        assert!(breaker.lets_through());
    }

    #[test]
    fn too_many_keys_to_remember_become_everything() {
        let mut left = Left::default();
        left.add((0..UNDROPPED_MAX).map(|n| n.to_string()));
        assert!(!left.everything);
        left.add(["one more".to_owned()]);
        assert!(left.everything && left.keys.is_empty());
    }
}
