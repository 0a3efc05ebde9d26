//! The connection to Redis: its commands, each bounded in time, and out of the way when Redis is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, Pipeline, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientInterface as _, ClientLike, KeysInterface as _};
use fred::types::config::{Config, Options, ReconnectPolicy, TcpConfig};
use fred::types::{
    Builder, ClusterHash, ConnectHandle, CustomCommand, InfoKind, RespVersion, Value,
};
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;

use super::breaker::{Breaker, State};
use super::entry::{self, Generation};
use super::gate::Gate;
use super::near::{Near, Stamp};
use super::stats::Stats;
use super::{
    COMMAND_TIMEOUT_MS, COMMANDS_WAITING_MAX, CONNECT_WAIT_MS, CacheError, INVALIDATION_TRIES,
    LEASE_MS, watch,
};
use crate::config;

/// Waits between attempts to connect.
const RECONNECT_MIN_MS: u32 = 50;
const RECONNECT_MAX_MS: u32 = 500;
/// Most time to make a connection.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// Most keys in one pipeline.
const BATCH_MAX: usize = 500;
/// Most time for evicting all values of a kind.
const EVICT_TIMEOUT_MS: u64 = 30_000;
/// Most messages of the server that may wait to be handled here; with more, the near cache is flushed.
const NEWS_WAITING_MAX: usize = 4_096;

/// Puts a lease where nothing is, or what the reader saw and has no use for; else tells what is there.
const ACQUIRE: &str = "local held = redis.call('GET', KEYS[1]) \
     if held and (ARGV[3] == '' or string.sub(held, 1, #ARGV[3]) ~= ARGV[3]) then return held end \
     redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) \
     return false";
/// Puts a value where its loader's lease still is, and the generation (if it is given) still runs.
const FILL: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
     if #KEYS == 2 and string.sub(redis.call('GET', KEYS[2]) or '', -16) ~= ARGV[4] then \
     return 0 end \
     redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) \
     return 1";
/// Gives a lease back.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
     return redis.call('DEL', KEYS[1])";

/// What one look into Redis found.
pub(super) struct Found {
    pub(super) generation: Generation,
    /// The server will tell of these keys' changes.
    pub(super) tracked: bool,
    pub(super) held: Vec<Option<Bytes>>,
}

/// A value for Redis.
pub(super) struct Filling {
    pub(super) key: String,
    pub(super) lease: Bytes,
    /// `None` gives the lease back.
    pub(super) value: Option<Bytes>,
    pub(super) ttl_ms: u64,
}

pub(super) struct Link {
    pub(super) client: WithOptions<Client>,
    connection: ConnectHandle,
    /// Put before keys that aren't cached values.
    pub(super) scope: String,
    /// Put before the keys of cached values.
    prefix: String,
    pub(super) clustered: bool,
    generation: Mutex<Option<Generation>>,
    pub(super) breaker: Breaker,
    pub(super) near: Near,
    pub(super) gate: Gate,
    pub(super) stats: Stats,
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
        let connected = tokio::time::timeout(wait, client.wait_for_connect()).await;
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
        let link = Arc::new(Self {
            clustered: client.is_clustered(),
            client: client.with_options(&options),
            connection,
            prefix: format!("{scope}cache:"),
            scope,
            generation: Mutex::default(),
            breaker: Breaker::default(),
            near: Near::default(),
            gate: Gate::default(),
            stats: Stats::default(),
        });
        watch::start(&link, &client, matches!(connected, Ok(Ok(())))).await;
        Ok(link)
    }

    /// What stands under `keys`, in their order; `None` when Redis is away or isn't believed. With
    /// `track`, the server is asked to tell of their changes.
    pub(super) async fn read(&self, keys: &[String], track: bool) -> Option<Found> {
        if !self.breaker.is_closed() {
            return None;
        }
        let mut full = vec![self.generation_key()];
        full.extend(keys.iter().map(|key| self.full(key)));
        let (tracked, mut held) = self.noted(self.read_all(full, track).await)?;
        if held.len() != keys.len() + 1 || !self.breaker.is_closed() {
            return None;
        }
        let record = held.remove(0);
        let Some((_, generation)) = record.as_deref().and_then(entry::read_record) else {
            // Somebody emptied the server, or it threw the record out.
            self.breaker.trip(&"the cache's generation is gone");
            return None;
        };
        self.hear_generation(generation);
        Some(Found { generation, tracked, held })
    }

    async fn read_all(
        &self,
        keys: Vec<String>,
        track: bool,
    ) -> Result<(bool, Vec<Option<Bytes>>), Error> {
        if self.clustered {
            // The keys of one MGET would have to live on one node.
            let pipeline = Pipeline::from(self.client.clone());
            for key in keys {
                let _: () = pipeline.get(key).await?;
            }
            return Ok((false, in_time(pipeline.all()).await?));
        }
        if !track {
            return Ok((false, in_time(self.client.mget(keys)).await?));
        }
        let pipeline = Pipeline::from(self.client.clone());
        let _: () = pipeline.client_caching(true).await?;
        let _: () = pipeline.mget(keys).await?;
        let mut results = in_time(async { Ok(pipeline.try_all::<Value>().await) }).await?;
        let held = results.pop().unwrap_or_else(|| Err(Error::new(ErrorKind::Unknown, "empty")))?;
        // On a connection that doesn't track, the first of the two is refused.
        let tracked = results.pop().is_some_and(|caching| caching.is_ok());
        Ok((tracked, held.convert()?))
    }

    /// Asks for leases: key, lease, and the first bytes of what may be replaced. Tells what stands
    /// under each key instead, `None` where the lease was given; nothing when Redis is away.
    pub(super) async fn acquire(
        &self,
        wanted: &[(&str, Bytes, Bytes)],
    ) -> Option<Vec<Option<Bytes>>> {
        if !self.breaker.is_closed() {
            return None;
        }
        let lease_ms = Value::from(LEASE_MS.to_string());
        let calls = wanted.iter().map(|(key, lease, seen)| {
            let arguments = [lease.clone().into(), lease_ms.clone(), seen.clone().into()];
            (ACQUIRE, vec![self.full(key)], arguments.to_vec())
        });
        let held: Vec<Option<Bytes>> = self.evaluate_all(calls).await?;
        (held.len() == wanted.len()).then_some(held)
    }

    /// Fills or releases what was leased, and tells of each whether its lease still held.
    pub(super) async fn fill(&self, fillings: &[Filling], generation: Generation) -> Vec<bool> {
        if self.breaker.is_open() {
            return vec![false; fillings.len()];
        }
        let suffix = format!("{:016x}", u64::from_be_bytes(generation));
        let calls = fillings.iter().map(|filling| {
            let mut keys = vec![self.full(&filling.key)];
            let Some(value) = &filling.value else {
                return (RELEASE, keys, vec![filling.lease.clone().into()]);
            };
            if !self.clustered {
                keys.push(self.generation_key());
            }
            let arguments = vec![
                filling.lease.clone().into(),
                value.clone().into(),
                Value::from(filling.ttl_ms.to_string()),
                Value::from(suffix.clone()),
            ];
            (FILL, keys, arguments)
        });
        let done: Option<Vec<i64>> = self.evaluate_all(calls).await;
        match done {
            Some(done) if done.len() == fillings.len() => {
                done.into_iter().map(|done| done == 1).collect()
            }
            _ => vec![false; fillings.len()],
        }
    }

    async fn evaluate_all<R: fred::types::FromValue>(
        &self,
        calls: impl Iterator<Item = (&'static str, Vec<String>, Vec<Value>)>,
    ) -> Option<R> {
        let pipeline = Pipeline::from(self.client.clone());
        let mut queued = Ok(());
        for (script, keys, arguments) in calls {
            let mut all: Vec<Value> = vec![script.into(), (keys.len() as i64).into()];
            all.extend(keys.into_iter().map(Value::from));
            all.extend(arguments);
            let command = CustomCommand::new_static("EVAL", ClusterHash::Offset(2), false);
            if queued.is_ok() {
                queued = pipeline.custom::<(), Value>(command, all).await;
            }
        }
        let done = match queued {
            Ok(()) => in_time(pipeline.all()).await,
            Err(error) => Err(error),
        };
        self.noted(done)
    }

    /// Drops keys; false when that can't be done now: then nothing that Redis holds is believed any
    /// more, by anybody, from the moment at which this process reaches it again.
    pub(super) async fn drop_keys(&self, keys: &[String]) -> bool {
        // What was committed before this moment is covered by the generation that begins on the way back.
        let open = self.breaker.is_open();
        let mut dropped = !open;
        for batch in keys.chunks(BATCH_MAX) {
            if dropped {
                dropped = self.drop_batch(batch).await;
            }
        }
        for key in keys {
            // After it is gone there: who asked before and who comes later must not see it here.
            self.near.forget(&self.full(key));
        }
        self.stats.invalidated.add(keys.len());
        if !dropped {
            self.stats.invalidations_late.add(keys.len());
            self.breaker.owes();
            if !open {
                self.breaker.trip(&"keys could not be dropped");
            }
        }
        dropped
    }

    async fn drop_batch(&self, keys: &[String]) -> bool {
        for _ in 0..INVALIDATION_TRIES {
            let pipeline = Pipeline::from(self.client.clone());
            let work = async {
                for key in keys {
                    let _: () = pipeline.unlink(self.full(key)).await?;
                }
                in_time(pipeline.all::<Vec<i64>>()).await
            };
            match work.await {
                Ok(_) => {
                    self.breaker.succeeded();
                    return true;
                }
                Err(_) => self.stats.errors.add(1),
            }
        }
        false
    }

    /// Deletes one value and tells whether it was there.
    pub(super) async fn drop_one(&self, key: &str) -> Result<u64, Error> {
        let full = self.full(key);
        let done = in_time(self.client.unlink(full.as_str())).await;
        self.near.forget(&full);
        done
    }

    /// Deletes all values of a kind and tells how many there were.
    pub(super) async fn drop_kind(&self, kind: &str) -> Result<u64, Error> {
        // Prefixes and kinds are plain tokens: there is nothing in them to be read as a pattern.
        let pattern = format!("{}{kind}:*", self.prefix);
        let work = async {
            let keys = if self.clustered {
                self.client.scan_cluster_buffered(pattern, None, None).boxed()
            } else {
                self.client.scan_buffered(pattern, None, None).boxed()
            };
            let mut batches = keys.ready_chunks(BATCH_MAX);
            let mut dropped = 0;
            while let Some(batch) = batches.next().await {
                let pipeline = Pipeline::from(self.client.clone());
                for key in batch {
                    let _: () = pipeline.unlink(key?).await?;
                }
                let done: Vec<u64> = in_time(pipeline.all()).await?;
                dropped += done.iter().sum::<u64>();
            }
            Ok(dropped)
        };
        let done = tokio::time::timeout(Duration::from_millis(EVICT_TIMEOUT_MS), work)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "evicting a kind")));
        self.near.flush();
        done
    }

    /// Goes on in the generation that runs, or begins a new one: in which nothing is there yet.
    pub(super) async fn settle_generation(&self, new: bool) -> Result<(), Error> {
        let key = self.generation_key();
        let run = if self.clustered { "-".to_owned() } else { self.server_run().await? };
        let held: Option<Bytes> = in_time(self.client.get(key.as_str())).await?;
        let running = held.as_deref().and_then(entry::read_record);
        if let Some((held_run, generation)) = running
            && held_run == run
            && !new
        {
            self.hear_generation(generation);
            return Ok(());
        }
        let generation = entry::generation();
        let record = entry::record(&run, generation);
        let _: () = in_time(self.client.set(key, record, None, None, false)).await?;
        self.stats.generations.add(1);
        self.hear_generation(generation);
        Ok(())
    }

    /// Which run of the server it is: another one after a restart, and on another server.
    async fn server_run(&self) -> Result<String, Error> {
        let info: String = in_time(self.client.info(Some(InfoKind::Server))).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(run.unwrap_or("-").trim().to_owned())
    }

    fn hear_generation(&self, generation: Generation) {
        let mut ours = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if ours.replace(generation).is_some_and(|before| before != generation) {
            self.near.flush();
            self.stats.near_flushes.add(1);
        }
    }

    /// Looks after the connection: which one it is (its number in the server), and the generation.
    pub(super) async fn beat(&self) -> Result<i64, Error> {
        if self.clustered {
            self.ping().await?;
            return Ok(0);
        }
        let pipeline = Pipeline::from(self.client.clone());
        let _: () = pipeline.client_id().await?;
        let _: () = pipeline.get(self.generation_key()).await?;
        let (id, record): (i64, Option<Bytes>) = in_time(pipeline.all()).await?;
        match record.as_deref().and_then(entry::read_record) {
            Some((_, generation)) => self.hear_generation(generation),
            None if self.breaker.is_closed() => {
                self.breaker.trip(&"the cache's generation is gone");
            }
            None => {}
        }
        Ok(id)
    }

    /// Has the server tell of the changes of keys that are read for the near cache; gives the
    /// connection's number.
    pub(super) async fn track(&self) -> Result<i64, Error> {
        let pipeline = Pipeline::from(self.client.clone());
        let none: Vec<String> = Vec::new();
        let _: () = pipeline.client_tracking("ON", None, none, false, true, false, false).await?;
        let _: () = pipeline.client_id().await?;
        let (_, id): (Value, i64) = in_time(pipeline.all()).await?;
        Ok(id)
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        in_time(self.client.ping::<String>(None)).await.map(|_| ())
    }

    pub(super) async fn info(&self) -> Result<String, Error> {
        in_time(self.client.info(None)).await
    }

    /// The key in Redis of a cached value.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Of the record of the generation. No value's key: those have a colon after the kind.
    pub(super) fn generation_key(&self) -> String {
        format!("{}generation", self.prefix)
    }

    pub(super) fn stamps(&self, keys: &[String]) -> Vec<Stamp> {
        keys.iter().map(|key| self.near.stamp(&self.full(key))).collect()
    }

    /// Tells the breaker how a command went.
    pub(super) fn noted<T>(&self, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(value) => {
                self.breaker.succeeded();
                Some(value)
            }
            Err(error) => {
                self.stats.errors.add(1);
                self.breaker.failed(&error);
                None
            }
        }
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state()
    }
}

fn client(config: &config::Redis) -> Result<Client, Error> {
    let mut settings = Config::from_url(config.url.expose_secret())?;
    // Redis may come later than we do.
    settings.fail_fast = false;
    // News of changed keys comes on the same connection.
    settings.version = RespVersion::RESP3;
    let mut builder = Builder::from_config(settings);
    builder.with_performance_config(|performance| {
        performance.default_command_timeout = Duration::from_millis(COMMAND_TIMEOUT_MS);
        performance.broadcast_channel_capacity = NEWS_WAITING_MAX;
    });
    builder.with_connection_config(|connection| {
        connection.connection_timeout = Duration::from_millis(CONNECT_TIMEOUT_MS);
        connection.internal_command_timeout = Duration::from_millis(CONNECT_TIMEOUT_MS);
        connection.max_command_buffer_len = COMMANDS_WAITING_MAX;
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
