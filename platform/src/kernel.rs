//! What every service is handed.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use sqlx::PgPool;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::health::{Need, Registry};
use crate::metrics::{self, IntGaugeVec};
use crate::object::Objects;
use crate::outbox::Outbox;
use crate::signature::Keys;
use crate::subgraph::{PeerError, Peers};
use crate::task::Tasks;

/// Least free space where objects are files of this machine, in bytes.
pub const DISK_FREE_MIN_BYTES: u64 = 512 * 1024 * 1024;

fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let status = rustix::fs::statvfs(folder)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// The mechanisms a service works with, connected and ready. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The service's name.
    pub service: &'static str,
    /// The service's own database, migrated.
    pub pool: PgPool,
    /// The event bus.
    pub bus: Bus,
    /// The cache.
    pub cache: Cache,
    /// Object storage.
    pub objects: Objects,
    /// Keys of requests between router and services.
    pub keys: Keys,
    /// The ways to other services.
    pub peers: Peers,
    /// Appends events and jobs in a transaction, and wakes the relay.
    pub outbox: Outbox,
    /// What this process needs in order to work.
    pub health: Registry,
}

impl Kernel {
    /// The service's tasks, with their latest states in the cache.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        Tasks::new(self.pool.clone(), self.outbox.clone(), self.service).cached(&self.cache)
    }

    /// Asks another service in this one's name: see [`Peers::query`].
    ///
    /// # Errors
    /// When there is no answer or it holds any error.
    pub async fn ask(
        &self,
        peer: &str,
        document: &str,
        variables: Value,
    ) -> Result<Value, PeerError> {
        self.peers.query(&self.keys, self.service, peer, document, variables).await
    }

    /// Puts the object storage into the health registry. Where objects are files of this machine, it
    /// is free disk space, `<service>.disk`: below [`DISK_FREE_MIN_BYTES`] the service can't take more
    /// of them. Where they are in a bucket, it is whether that answers, `<service>.objects`: without
    /// it, what needs no object still works.
    pub fn watch_objects(&self) {
        static FREE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
            let help = "Free space where a service's objects are, in bytes.";
            metrics::gauges("moim_disk_free_bytes", help, &["service"])
        });
        let Some(folder) = self.objects.folder() else {
            let objects = self.objects.clone();
            return self.health.add(
                format!("{}.objects", self.service),
                Need::Degraded,
                move || {
                    let objects = objects.clone();
                    async move { Ok(objects.probe().await?) }
                },
            );
        };
        let gauge = FREE.with_label_values(&[self.service]);
        self.health.add(format!("{}.disk", self.service), Need::Required, move || {
            let (folder, gauge) = (folder.clone(), gauge.clone());
            async move {
                let free = tokio::task::spawn_blocking(move || free_bytes(&folder)).await??;
                gauge.set(i64::try_from(free).unwrap_or(i64::MAX));
                if free < DISK_FREE_MIN_BYTES {
                    return Err(
                        format!("{free} bytes are free, {DISK_FREE_MIN_BYTES} needed").into()
                    );
                }
                Ok(())
            }
        });
    }

    /// Puts what this service works with into the health registry, each named
    /// `<service>.<component>`: database and bus are required, without the cache it is degraded.
    pub fn watch_health(&self) {
        let name = |component: &str| format!("{}.{component}", self.service);
        let pool = self.pool.clone();
        self.health.add(name("postgres"), Need::Required, move || {
            let pool = pool.clone();
            async move {
                let mut connection = pool.acquire().await?;
                sqlx::Connection::ping(&mut *connection).await?;
                Ok(())
            }
        });
        let bus = self.bus.clone();
        self.health.add(name("nats"), Need::Required, move || {
            let bus = bus.clone();
            async move { bus.probe().await }
        });
        let cache = self.cache.clone();
        self.health.add(name("redis"), Need::Degraded, move || {
            let cache = cache.clone();
            async move { Ok(cache.ping().await?) }
        });
    }
}
