//! For tests: a scope of one's own on shared real servers, and waiting for conditions.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::config::{self, Env, Source, Values};
use crate::health::Registry;
use crate::kernel::Kernel;
use crate::object::Objects;
use crate::outbox::Outbox;
use crate::signature::Keys;
use crate::subgraph::Peers;
use crate::{database, topology};

/// Most connections that a test keeps to one database.
pub const CONNECTIONS: u32 = 8;
/// Usual longest wait for a condition.
pub const DEADLINE_MS: u64 = 20_000;
/// Time between two looks at a condition.
const LOOK_MS: u64 = 10;
/// A deadline for the servers' answers when a scope ends.
const CLEAN_UP_MS: u64 = 10_000;

/// A test's own databases, streams, keys and objects, told from others' by a prefix. The servers are
/// those of `MOIM_POSTGRES_URL`, `MOIM_REDIS_URL` and `MOIM_NATS_URL`. What a test made is deleted
/// as its scope is dropped.
#[derive(Debug)]
pub struct Scope {
    prefix: String,
    keys: Keys,
    peers: Peers,
    databases: Mutex<Vec<String>>,
    bus: OnceCell<Bus>,
}

impl Scope {
    /// A new scope.
    pub async fn new() -> Self {
        let prefix = format!("t{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff);
        Self {
            prefix,
            keys: Keys::random(),
            peers: Peers::default(),
            databases: Mutex::default(),
            bus: OnceCell::new(),
        }
    }

    /// The prefix, a short plain token in lower case.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The configuration of this scope: the servers' URLs and the prefixes.
    ///
    /// # Panics
    /// When a server's URL isn't set.
    #[must_use]
    pub fn source(&self) -> Values {
        let url = |name: &str| {
            Env.get(name)
                .unwrap_or_else(|| panic!("{name} must be set for tests with real servers"))
        };
        Values::new()
            .with("MOIM_POSTGRES_URL", url("MOIM_POSTGRES_URL"))
            .with("MOIM_POSTGRES_DATABASE_PREFIX", format!("{}_", self.prefix))
            .with("MOIM_POSTGRES_MAX_CONNECTIONS", CONNECTIONS.to_string())
            .with("MOIM_REDIS_URL", url("MOIM_REDIS_URL"))
            .with("MOIM_REDIS_PREFIX", self.prefix.as_str())
            .with("MOIM_NATS_URL", url("MOIM_NATS_URL"))
            .with("MOIM_NATS_PREFIX", self.prefix.as_str())
            .with("MOIM_OBJECTS_URL", self.folder().display().to_string())
    }

    /// A service's database, created and migrated. Asked again, another pool of the same.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn postgres(&self, service: &str, migrator: &Migrator) -> PgPool {
        let config = config::Postgres::from(&self.source()).expect("configuration");
        let name = database::name(&config, service);
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        let pool = database::connect(&config, service).await.expect("database");
        database::migrate(&pool, migrator).await.expect("migrations");
        pool
    }

    /// The event bus under this scope's prefix, with its streams and consumers.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn bus(&self) -> Bus {
        let connect = async || {
            let config = config::Nats::from(&self.source()).expect("configuration");
            let bus = Bus::connect(&config).await.expect("NATS");
            topology::apply(&bus).await.expect("topology");
            bus
        };
        self.bus.get_or_init(connect).await.clone()
    }

    /// The cache under this scope's prefix.
    ///
    /// # Panics
    /// When the configuration can't be used.
    pub async fn cache(&self) -> Cache {
        let config = config::Redis::from(&self.source()).expect("configuration");
        Cache::connect(&config).await.expect("cache")
    }

    /// Everything that a service is given. Kernels of one scope share keys and peers.
    ///
    /// # Panics
    /// When a server refuses.
    pub async fn kernel(&self, service: &'static str, migrator: &Migrator) -> Kernel {
        let objects = config::Objects::from(&self.source()).expect("configuration");
        Kernel {
            service,
            pool: self.postgres(service, migrator).await,
            bus: self.bus().await,
            cache: self.cache().await,
            objects: Objects::open(&objects).expect("objects"),
            keys: self.keys.clone(),
            peers: self.peers.clone(),
            outbox: Outbox::new(),
            health: Registry::default(),
        }
    }

    fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(format!("moim-{}", self.prefix))
    }
}

impl Drop for Scope {
    /// Deletes what the test made, best effort: what is left has a name that nobody uses again.
    fn drop(&mut self) {
        let databases =
            std::mem::take(&mut *self.databases.lock().unwrap_or_else(PoisonError::into_inner));
        let (source, folder) = (self.source(), self.folder());
        let streams = self.bus.get().is_some();
        let cleaner = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            let limit = Duration::from_millis(CLEAN_UP_MS);
            runtime.block_on(async {
                let _ = tokio::time::timeout(limit, drop_databases(&source, databases)).await;
                if streams {
                    let _ = tokio::time::timeout(limit, delete_streams(&source)).await;
                }
            });
            let _ = std::fs::remove_dir_all(folder);
        });
        let _ = cleaner.join();
    }
}

async fn drop_databases(source: &Values, databases: Vec<String>) -> Result<(), sqlx::Error> {
    let Some(url) = source.get("MOIM_POSTGRES_URL") else { return Ok(()) };
    let mut connection = PgConnection::connect(&url).await?;
    for name in databases {
        let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    }
    connection.close().await
}

async fn delete_streams(source: &Values) -> Option<()> {
    let bus = Bus::connect(&config::Nats::from(source).ok()?).await.ok()?;
    for declared in topology::declared().ok()? {
        let _ = bus.jetstream().delete_stream(bus.stream(&declared.stream.name)).await;
    }
    Some(())
}

/// Waits until a condition holds, at most `deadline`.
///
/// # Panics
/// When it doesn't hold by then.
#[track_caller]
pub fn eventually<F: Future<Output = bool>>(
    deadline: Duration,
    mut condition: impl FnMut() -> F,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !condition().await {
            assert!(start.elapsed() < deadline, "still not so after {deadline:?}: {caller}");
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
}
