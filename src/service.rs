//! The services of this installation, and how each is put together.

use anyhow::{Context, Result};
use axum::{Router, middleware::from_fn};
use platform::{
    bus::Bus,
    cache::Cache,
    config::{self, ConfigError, Source},
    database, health,
    kernel::Kernel,
    object::Objects,
    outbox::Outbox,
    shutdown::Shutdown,
    signature,
    subgraph::{Endpoint, Peers},
};
use sqlx::{PgPool, migrate::Migrator};
use std::{str::FromStr, sync::Arc};

/// Declares the services: each is a crate with the same parts, and its port as in `supergraph.yaml`.
macro_rules! services {
    ($($name:ident = $domain:ident : $port:literal),+ $(,)?) => {
        /// A service's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Name {
            $($name),+
        }

        impl Name {
            /// All services, in the order in which they start.
            pub(crate) const ALL: [Self; [$($port),+].len()] = [$(Self::$name),+];

            /// The name as in `supergraph.yaml`.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $domain::NAME),+ }
            }

            /// The port on which its subgraph listens unless told otherwise.
            pub(crate) fn port(self) -> u16 {
                match self { $(Self::$name => $port),+ }
            }

            /// The subgraph's SDL; needs no server.
            pub(crate) fn sdl(self) -> String {
                match self { $(Self::$name => $domain::sdl()),+ }
            }

            /// The migrations of its own tables.
            pub(crate) fn migrator(self) -> &'static Migrator {
                match self { $(Self::$name => $domain::migrator()),+ }
            }

            /// Reads its settings, and does nothing with them.
            ///
            /// # Errors
            /// When one of them can't be used.
            pub(crate) fn configure(self, source: &dyn Source) -> Result<(), ConfigError> {
                match self { $(Self::$name => $domain::Config::from(source).map(drop)),+ }
            }

            async fn assemble(self, kernel: Kernel, source: &dyn Source) -> Result<Service> {
                let sampled = kernel.clone();
                match self {
                    $(Self::$name => {
                        let config = $domain::Config::from(source)?;
                        let service = $domain::Service::new(kernel, config).await?;
                        let (endpoint, routes) = (service.endpoint(), service.routes());
                        let routes = match routes.has_routes() {
                            true => routes.route_layer(from_fn(platform::metrics::http::measure)),
                            false => routes,
                        };
                        let work = Box::new(move |shutdown: &Shutdown| service.work(shutdown));
                        Ok(Service { endpoint, routes, kernel: sampled, work })
                    })+
                }
            }
        }
    };
}

services! {
    User = user: 4101,
    Meeting = meeting: 4102,
    Transcript = transcript: 4103,
    Ai = ai: 4104,
    Todo = todo: 4105,
    Notification = notification: 4106,
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::as_str);
        let at = names.iter().position(|name| *name == text);
        at.map(|at| Self::ALL[at])
            .with_context(|| format!("no service is called {text}; there are {}", names.join(", ")))
    }
}

/// What the services of one process share.
pub(crate) struct Shared {
    pub(crate) bus: Bus,
    pub(crate) cache: Cache,
    pub(crate) objects: Objects,
    pub(crate) keys: signature::Keys,
    pub(crate) peers: Peers,
    /// What this process needs, of all its services.
    pub(crate) health: health::Registry,
    postgres: config::Postgres,
}

impl Shared {
    /// Connects to the servers that the settings name.
    ///
    /// # Errors
    /// When a setting is missing or a server can't be reached.
    pub(crate) async fn connect(source: &dyn Source) -> Result<Self> {
        let nats = config::Nats::from(source)?;
        Ok(Self {
            bus: Bus::connect(&nats).await.context("NATS can't be reached (MOIM_NATS_URL)")?,
            cache: Cache::connect(&config::Redis::from(source)?).await?,
            objects: Objects::open(&config::Objects::from(source)?)?,
            keys: signature::Keys::from(&config::Keys::from(source)?),
            peers: Peers::default(),
            health: health::Registry::default(),
            postgres: config::Postgres::from(source)?,
        })
    }

    /// Migrates one service's database, which is created when it is missing.
    pub(crate) async fn migrate(&self, name: Name) -> Result<()> {
        migrate(&self.postgres, name).await
    }

    /// What one service is given.
    async fn kernel(&self, name: Name) -> Result<Kernel> {
        let pool = database::connect(&self.postgres, name.as_str())
            .await
            .with_context(|| format!("the database of {} can't be reached", name.as_str()))?;
        Ok(Kernel {
            service: name.as_str(),
            pool,
            bus: self.bus.clone(),
            cache: self.cache.clone(),
            objects: self.objects.clone(),
            keys: self.keys.clone(),
            peers: self.peers.clone(),
            outbox: Outbox::new(),
            health: self.health.clone(),
        })
    }
}

/// Migrates one service's database, which is created when it is missing.
///
/// # Errors
/// When Postgres can't be reached or a migration fails.
pub(crate) async fn migrate(postgres: &config::Postgres, name: Name) -> Result<()> {
    database::create(postgres, name.as_str())
        .await
        .context("Postgres can't be reached (MOIM_POSTGRES_URL)")?;
    let pool = database::connect(postgres, name.as_str()).await?;
    database::migrate(&pool, name.migrator())
        .await
        .with_context(|| format!("the database of {} can't be migrated", name.as_str()))?;
    pool.close().await;
    Ok(())
}

/// A service's database, for commands that look after it.
///
/// # Errors
/// When Postgres can't be reached.
pub(crate) async fn database(source: &dyn Source, name: Name) -> Result<PgPool> {
    database::connect(&config::Postgres::from(source)?, name.as_str()).await.with_context(|| {
        format!("the database of {} can't be reached (MOIM_POSTGRES_URL)", name.as_str())
    })
}

/// A service that was put together: its parts, whatever its domain.
pub(crate) struct Service {
    /// Answers GraphQL requests that are signed.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Public paths beside GraphQL.
    pub(crate) routes: Router,
    /// What it works with.
    pub(crate) kernel: Kernel,
    work: Box<dyn Fn(&Shutdown) + Send + Sync>,
}

impl Service {
    /// Puts a service together.
    ///
    /// # Errors
    /// When a setting is wrong or its database can't be reached.
    pub(crate) async fn start(name: Name, shared: &Shared, source: &dyn Source) -> Result<Self> {
        let kernel = shared.kernel(name).await?;
        kernel.watch_health();
        name.assemble(kernel, source).await
    }

    /// Starts its relay, event consumers and job workers.
    pub(crate) fn work(&self, shutdown: &Shutdown) {
        (self.work)(shutdown);
    }
}
