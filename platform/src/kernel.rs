//! What every service is handed.

use serde_json::Value;
use sqlx::PgPool;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::health::Registry;
use crate::object::Objects;
use crate::outbox::Outbox;
use crate::signature::Keys;
use crate::subgraph::{PeerError, Peers};
use crate::task::Tasks;

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

    /// Puts what this service works with into the health registry, each named
    /// `<service>.<component>`: database and bus are required, without the cache it is degraded.
    pub fn watch_health(&self) {
        use crate::health::Need;
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
            let connected = bus.is_connected();
            async move { if connected { Ok(()) } else { Err("not connected".into()) } }
        });
        let cache = self.cache.clone();
        self.health.add(name("redis"), Need::Degraded, move || {
            let cache = cache.clone();
            async move { Ok(cache.ping().await?) }
        });
    }
}
