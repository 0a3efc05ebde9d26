//! Puts a router together.

use std::{collections::HashMap, sync::Arc, time::Duration};

use platform::{
    bus::{Bus, BusError},
    health::Registry,
    signature::Keys,
    subgraph::{Http, HttpOptions, InvalidUrl, Transport},
};

use crate::{
    authentication::{Authenticator, JwksError},
    config::{Config, ConfigError},
    engine::{Engine, Service},
    gateway::Gateway,
    http,
    push::{EventStream, Plane, SourceError},
    supergraph::{Supergraph, SupergraphError},
};

/// A router, ready to be served.
pub struct Router {
    gateway: Arc<Gateway>,
    routes: axum::Router,
}

/// Collects what a router needs.
pub struct RouterBuilder {
    sdl: String,
    config: Config,
    transports: HashMap<String, Arc<dyn Transport>>,
    keys: Option<Keys>,
    health: Registry,
    events: Option<EventStream>,
}

/// Why a router cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
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
            health: Registry::default(),
            events: None,
        }
    }

    /// `/graphql`, `/graphiql` and `/health/*`.
    pub fn routes(&self) -> axum::Router {
        self.routes.clone()
    }

    /// The engine, for programs that execute operations themselves.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.gateway.engine)
    }

    /// Closes all subscriptions, so that their connections can end and the clients
    /// resume elsewhere. To be called when the process is told to stop.
    pub fn close(&self) {
        if let Some(plane) = self.gateway.live.plane() {
            plane.close();
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

    /// Serves these components' health instead of the process's alone.
    #[must_use]
    pub fn health(mut self, health: Registry) -> Self {
        self.health = health;
        self
    }

    /// Serves the explorer or not, whatever the configuration says.
    #[must_use]
    pub fn explorer(mut self, shown: bool) -> Self {
        self.config.explorer = shown;
        self
    }

    /// Builds the router.
    ///
    /// # Errors
    /// Where supergraph, configuration or key sets are unusable.
    pub async fn build(self) -> Result<Router, BuildError> {
        let supergraph = Supergraph::load(self.sdl)?;
        let addresses = supergraph.subgraphs().iter();
        let addresses = addresses.map(|it| (it.name.as_str(), it.url.as_str())).collect();
        self.config.check(&addresses)?;
        let services = services(&addresses, &self.config, &self.transports)?;
        let authenticator = Authenticator::new(&self.config.authentication)?;
        let engine = Engine::new(
            supergraph,
            services,
            self.keys,
            self.config.introspection,
            self.config.plan_cache_entries,
        );
        let plane = match event_stream(self.events, &self.config).await? {
            Some(stream) => {
                Plane::start(engine.supergraph().sdl(), stream, self.config.push.clone())?
            }
            None => None,
        };
        if let Some(plane) = &plane {
            check_guards(&engine, plane).await?;
        }
        let gateway = Gateway::new(Arc::new(engine), authenticator, self.config, plane)?;
        let gateway = Arc::new(gateway);
        let routes = http::routes(&gateway)?.merge(self.health.routes());
        Ok(Router { gateway, routes })
    }
}

/// A guard that can't be run would refuse everybody; better not to start.
async fn check_guards(engine: &Engine, plane: &Plane) -> Result<(), BuildError> {
    for source in plane.sources().iter() {
        if let Err(errors) = engine.prepare(&source.guard, None).await {
            let reasons: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
            let (field, reason) = (source.field.clone(), reasons.join("; "));
            return Err(BuildError::Guard { field, reason });
        }
    }
    Ok(())
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

fn services(
    addresses: &HashMap<&str, &str>,
    config: &Config,
    transports: &HashMap<String, Arc<dyn Transport>>,
) -> Result<HashMap<Arc<str>, Service>, BuildError> {
    let mut services = HashMap::new();
    for (name, composed) in addresses {
        let settings = config.subgraph(name);
        let transport = match transports.get(*name) {
            Some(transport) => Arc::clone(transport),
            None => {
                let url = settings.url.as_deref().unwrap_or(composed);
                if url.is_empty() {
                    // A virtual subgraph has no address, and is never asked.
                    continue;
                }
                let options = HttpOptions {
                    timeout_ms: settings.timeout_ms,
                    response_max_bytes: settings.response_max_bytes,
                    ..HttpOptions::default()
                };
                let http = Http::new(url, options)
                    .map_err(|source| BuildError::Address { name: (*name).to_owned(), source })?;
                Arc::new(http) as Arc<dyn Transport>
            }
        };
        let timeout = Duration::from_millis(settings.timeout_ms);
        services.insert(Arc::from(*name), Service { transport, timeout });
    }
    Ok(services)
}
