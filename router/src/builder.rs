//! Puts a router together.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use platform::{
    bus::{Bus, BusError},
    cache::{Cache, CacheError},
    health::{Need, Registry},
    signature::Keys,
    subgraph::{InvalidUrl, Transport},
};

use tokio::sync::watch;

use crate::{
    authentication::{Authenticator, JwksError},
    config::{self, Config, ConfigError},
    document::Documents,
    engine::Engine,
    gateway::Gateway,
    http,
    metrics::METRICS,
    push::{EventStream, SourceError},
    rate::Limiter,
    reload::{self, Assembly, Reloads},
    supergraph::SupergraphError,
};

/// A router, ready to be served.
pub struct Router {
    gateway: Arc<Gateway>,
    routes: axum::Router,
    assembly: Arc<Assembly>,
    health: Registry,
}

/// Collects what a router needs.
pub struct RouterBuilder {
    sdl: String,
    config: Config,
    transports: HashMap<String, Arc<dyn Transport>>,
    keys: Option<Keys>,
    operations: Option<axum::Router>,
    health: Registry,
    events: Option<EventStream>,
    cache: Option<Cache>,
}

/// Why a router cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The process ends.
    #[error("the loading of the supergraph was broken off")]
    Interrupted,
    /// The supergraph is unusable.
    #[error("the supergraph cannot be loaded")]
    Supergraph(#[from] SupergraphError),
    /// The configuration does not fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key set is unusable.
    #[error("the authentication cannot be set up")]
    Jwks(#[from] JwksError),
    /// A subscription's event source can't work.
    #[error("the supergraph's event sources can't be used")]
    Sources(#[from] SourceError),
    /// The query that guards a subscription doesn't fit the supergraph.
    #[error("the guard of the subscription \"{field}\" can't be run: {reason}")]
    Guard {
        /// The subscription.
        field: String,
        /// What is wrong with its guard.
        reason: String,
    },
    /// The event stream's server can't be reached.
    #[error("the event stream can't be reached")]
    Events(#[from] BusError),
    /// The settings of Redis are unusable.
    #[error("a Redis that the configuration names can't be used")]
    Cache(#[from] CacheError),
    /// A subgraph's address is unusable.
    #[error("the subgraph \"{name}\" has an unusable address")]
    Address {
        /// The subgraph.
        name: String,
        /// What is wrong with it.
        #[source]
        source: InvalidUrl,
    },
}

impl Router {
    /// Begins a router for a supergraph's SDL.
    pub fn builder(supergraph_sdl: impl Into<String>, config: Config) -> RouterBuilder {
        RouterBuilder {
            sdl: supergraph_sdl.into(),
            config,
            transports: HashMap::new(),
            keys: None,
            operations: None,
            health: Registry::default(),
            events: None,
            cache: None,
        }
    }

    /// `/graphql`, `/graphiql` and `/health/*`.
    pub fn routes(&self) -> axum::Router {
        self.routes.clone()
    }

    /// The engine of the moment, for programs that execute operations themselves.
    pub fn engine(&self) -> Arc<Engine> {
        self.gateway.engine()
    }

    /// Closes all subscriptions, so that their connections can end and the clients
    /// resume elsewhere. To be called when the process is told to stop.
    pub fn close(&self) {
        self.assembly.close();
    }

    /// Waits until every WebSocket has ended, after [`Router::close`].
    pub async fn closed(&self) {
        self.gateway.sockets.close();
        self.gateway.sockets.wait().await;
    }

    /// How the process should end, as configured.
    pub fn shutdown(&self) -> &config::Shutdown {
        &self.gateway.config.shutdown
    }

    /// What has become of changes of the supergraph, to look at or to wait for.
    pub fn reloads(&self) -> watch::Receiver<Reloads> {
        self.gateway.reloads.subscribe()
    }

    /// What it needs in order to work.
    pub fn health(&self) -> Registry {
        self.health.clone()
    }

    /// Serves another supergraph from now on, without dropping a request or a
    /// subscription that fits it.
    ///
    /// # Errors
    /// Where it cannot be served; then nothing has changed.
    pub async fn reload(&self, supergraph_sdl: impl Into<String>) -> Result<(), BuildError> {
        reload::reload(supergraph_sdl.into(), &self.assembly, &self.gateway).await
    }

    /// Follows the supergraph's file for as long as the router is served, as
    /// `reload.poll_ms` says. A changed file that cannot be served is told in the log.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn watch(&self, path: impl Into<PathBuf>) {
        let every = Duration::from_millis(self.gateway.config.reload.poll_ms);
        if !every.is_zero() {
            let gateway = Arc::downgrade(&self.gateway);
            let assembly = Arc::clone(&self.assembly);
            tokio::spawn(reload::watch(path.into(), every, assembly, gateway));
        }
    }

    /// What transports share.
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }
}

impl RouterBuilder {
    /// Reaches a subgraph by this transport instead of by its address.
    #[must_use]
    pub fn transport(mut self, name: impl Into<String>, transport: Arc<dyn Transport>) -> Self {
        self.transports.insert(name.into(), transport);
        self
    }

    /// Signs the requests to subgraphs.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Feeds subscriptions from this installation's event stream, whatever the
    /// configuration says.
    #[must_use]
    pub fn events(
        mut self,
        context: async_nats::jetstream::Context,
        prefix: impl Into<String>,
    ) -> Self {
        let prefix = prefix.into();
        self.events = Some(EventStream { context, prefix });
        self
    }

    /// Counts requests for rate limits and keeps persisted documents together with all others who
    /// use this Redis, whatever the configuration says of it.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Serves these components' health instead of the process's alone.
    #[must_use]
    pub fn health(mut self, health: Registry) -> Self {
        self.health = health;
        self
    }

    /// Serves these endpoints for operators instead of probes alone.
    #[must_use]
    pub fn operations(mut self, routes: axum::Router) -> Self {
        self.operations = Some(routes);
        self
    }

    /// Serves the explorer or not, whatever the configuration says.
    #[must_use]
    pub fn explorer(mut self, shown: bool) -> Self {
        self.config.explorer = Some(shown);
        self
    }

    /// Builds the router.
    ///
    /// # Errors
    /// Where supergraph, configuration or key sets are unusable.
    pub async fn build(self) -> Result<Router, BuildError> {
        std::sync::LazyLock::force(&METRICS);
        let authenticator = Authenticator::new(&self.config.authentication)?;
        let stream = event_stream(self.events, &self.config).await?;
        let assembly =
            Assembly::new(self.config.clone(), self.transports, self.keys, stream.clone());
        let current = assembly.make(self.sdl).await?;
        let config = self.config;
        let production = config.in_production();
        let given = self.cache.as_ref();
        let (rates, documents) = (&config.rate_limit, &config.documents);
        let counts = redis(given, rates.enabled, rates.redis.as_ref()).await?;
        let texts = redis(given, documents.automatic, documents.redis.as_ref()).await?;
        watch_health(&self.health, stream.as_ref(), counts.as_ref().or(texts.as_ref()));
        let documents = Documents::new(documents, texts.as_ref()).map_err(ConfigError::from)?;
        let limiter = Limiter::new(rates.clone(), &config.client_address, counts)?;
        let (limiter, stop) = (Arc::new(limiter), assembly.stop());
        let gateway = Gateway::new(current, authenticator, config, limiter, documents, stop)?;
        let gateway = Arc::new(gateway);
        watch_supergraph(&self.health, gateway.reloads.subscribe());
        let operations =
            self.operations.unwrap_or_else(|| self.health.routes_with(move |_| !production));
        let routes = http::routes(&gateway)?.merge(operations);
        Ok(Router { gateway, routes, assembly: Arc::new(assembly), health: self.health })
    }
}

/// The program's Redis, or else the one that a section names, if it is wanted at all.
async fn redis(
    given: Option<&Cache>,
    wanted: bool,
    named: Option<&config::Redis>,
) -> Result<Option<Cache>, CacheError> {
    match (given, named) {
        _ if !wanted => Ok(None),
        (Some(given), _) => Ok(Some(given.clone())),
        (None, None) => Ok(None),
        (None, Some(named)) => {
            let (url, prefix) = (named.url.clone().into(), named.prefix.clone());
            Cache::connect(&platform::config::Redis { url, prefix }).await.map(Some)
        }
    }
}

/// Without the event stream no subscription can begin; without Redis each router counts for itself.
fn watch_health(health: &Registry, stream: Option<&EventStream>, cache: Option<&Cache>) {
    if let Some(EventStream { context, .. }) = stream {
        let context = context.clone();
        health.add("router.nats", Need::Required, move || {
            let context = context.clone();
            async move { platform::bus::probe(&context).await }
        });
    }
    if let Some(cache) = cache.cloned() {
        health.add("router.redis", Need::Degraded, move || {
            let cache = cache.clone();
            async move { Ok(cache.ping().await?) }
        });
    }
}

/// With a supergraph that can't be served the router goes on with the one before.
fn watch_supergraph(health: &Registry, reloads: watch::Receiver<Reloads>) {
    health.add("router.supergraph", Need::Degraded, move || {
        let problem = reloads.borrow().problem.clone();
        async move {
            match problem {
                None => Ok(()),
                Some(problem) => Err(problem.as_ref().into()),
            }
        }
    });
}

/// The stream that the program gave, or else the one that the configuration names.
async fn event_stream(
    given: Option<EventStream>,
    config: &Config,
) -> Result<Option<EventStream>, BusError> {
    match (given, &config.events) {
        (Some(given), _) => Ok(Some(given)),
        (None, None) => Ok(None),
        (None, Some(events)) => {
            let bus = Bus::connect(&platform::config::Nats {
                url: events.url.clone().into(),
                prefix: events.prefix.clone(),
            })
            .await?;
            Ok(Some(EventStream {
                context: bus.jetstream().clone(),
                prefix: events.prefix.clone(),
            }))
        }
    }
}
