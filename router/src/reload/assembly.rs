//! From a supergraph to an engine and its event sources. What does not depend on
//! the supergraph is kept from one to the next: connections, circuit breakers, the
//! place in the event stream.

use std::{collections::HashMap, sync::Arc, time::Duration};

use platform::{
    signature::Keys,
    subgraph::{Http, HttpOptions, Transport},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::Current;
use crate::{
    builder::BuildError,
    config::Config,
    engine::{Engine, Service},
    fetch::{Resilient, Writes},
    headers::{Outgoing, Ruled},
    push::{EventStream, Plane},
    remote::Remote,
    supergraph::Supergraph,
};

/// Makes what serves a supergraph.
pub(crate) struct Assembly {
    config: Config,
    given: HashMap<String, Arc<dyn Transport>>,
    keys: Option<Keys>,
    stream: Option<EventStream>,
    writes: Writes,
    stop: CancellationToken,
    kept: Mutex<Kept>,
}

/// What the next supergraph gets from the ones before.
#[derive(Default)]
struct Kept {
    /// By name, with the address (empty for transports that were given).
    transports: HashMap<Arc<str>, (String, Arc<dyn Transport>)>,
    /// The first plane: the others share its reader of the stream.
    plane: Option<Arc<Plane>>,
    remotes: HashMap<Arc<str>, Arc<Remote>>,
}

impl Assembly {
    pub(crate) fn new(
        config: Config,
        given: HashMap<String, Arc<dyn Transport>>,
        keys: Option<Keys>,
        stream: Option<EventStream>,
    ) -> Self {
        Self {
            config,
            given,
            keys,
            stream,
            writes: Writes::default(),
            stop: CancellationToken::new(),
            kept: Mutex::default(),
        }
    }

    /// Loads a supergraph and makes everything that serves it.
    ///
    /// # Errors
    /// Where it cannot be served; nothing has changed then.
    pub(crate) async fn make(&self, sdl: String) -> Result<Current, BuildError> {
        // One after the other. Planning structures take a while to build.
        let mut kept = self.kept.lock().await;
        let loaded = tokio::task::spawn_blocking(move || Supergraph::load(sdl)).await;
        let supergraph = loaded.map_err(|_| BuildError::Interrupted)??;
        let (services, transports) = self.services(&supergraph, &kept)?;
        let remotes = self.remotes(&supergraph, &kept)?;
        let engine = Engine::new(
            supergraph,
            services,
            self.keys.clone(),
            self.config.introspects(),
            self.config.limits.clone(),
            self.config.plan_cache_entries,
        )
        .unauthorized(self.config.authorization.unauthorized)
        .told(self.config.told())
        .roll_out(&self.config.overrides);
        let sdl = engine.supergraph().sdl();
        let plane = match (&kept.plane, &self.stream) {
            (Some(first), _) => first.with_sources_of(sdl)?,
            (None, Some(stream)) => Plane::start(sdl, stream.clone(), self.config.push.clone())?,
            (None, None) => None,
        };
        if let Some(plane) = &plane {
            check_guards(&engine, plane).await?;
            kept.plane.get_or_insert_with(|| Arc::clone(plane));
        }
        kept.transports = transports;
        kept.remotes = remotes.clone();
        Ok(Current { engine: Arc::new(engine), plane, remotes })
    }

    /// Says that the router stops.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends all subscriptions and the reading of the event stream.
    pub(crate) fn close(&self) {
        self.stop.cancel();
        // Held only while a supergraph is loaded; the process ends anyway.
        if let Ok(kept) = self.kept.try_lock()
            && let Some(plane) = &kept.plane
        {
            plane.close();
        }
    }

    /// Subgraphs with an address that WebSockets can use.
    fn remotes(
        &self,
        supergraph: &Supergraph,
        kept: &Kept,
    ) -> Result<HashMap<Arc<str>, Arc<Remote>>, BuildError> {
        let mut remotes = HashMap::new();
        for subgraph in supergraph.subgraphs() {
            let settings = self.config.subgraph(&subgraph.name);
            // One in the same process has no address of its own.
            let url = match (settings.subscription_url, self.given.contains_key(&subgraph.name)) {
                (Some(url), _) => url,
                (None, true) => continue,
                (None, false) => settings.url.unwrap_or_else(|| subgraph.url.clone()),
            };
            let name: Arc<str> = Arc::from(subgraph.name.as_str());
            let (config, keys) = (self.config.remote.clone(), self.keys.clone());
            let outgoing = Outgoing::new(&self.config.headers, &name)?;
            let stop = self.stop.clone();
            let Some(new) = Remote::new(Arc::clone(&name), &url, config, keys, outgoing, stop)
            else {
                continue;
            };
            let known = kept.remotes.get(&name).filter(|known| known.address() == new.address());
            let remote = known.cloned().unwrap_or_else(|| Arc::new(new));
            remotes.insert(name, remote);
        }
        Ok(remotes)
    }

    #[expect(clippy::type_complexity, reason = "two maps, used once")]
    fn services(
        &self,
        supergraph: &Supergraph,
        kept: &Kept,
    ) -> Result<
        (HashMap<Arc<str>, Service>, HashMap<Arc<str>, (String, Arc<dyn Transport>)>),
        BuildError,
    > {
        let addresses = supergraph.subgraphs().iter();
        let addresses = addresses.map(|it| (it.name.as_str(), it.url.as_str())).collect();
        self.config.check(&addresses)?;
        let (mut services, mut transports) = (HashMap::new(), HashMap::new());
        for (name, composed) in addresses {
            let settings = self.config.subgraph(name);
            let url = match self.given.contains_key(name) {
                true => "",
                false => settings.url.as_deref().unwrap_or(composed),
            };
            let known = kept.transports.get(name).filter(|(known, _)| known == url);
            let transport = match known {
                Some((_, transport)) => Arc::clone(transport),
                // A virtual subgraph has no address, and is never asked.
                None => match self.transport(name, url)? {
                    Some(transport) => transport,
                    None => continue,
                },
            };
            let name: Arc<str> = Arc::from(name);
            let timeout = Duration::from_millis(settings.timeout_ms);
            transports.insert(Arc::clone(&name), (url.to_owned(), Arc::clone(&transport)));
            services.insert(name, Service { transport, timeout });
        }
        Ok((services, transports))
    }

    fn transport(&self, name: &str, url: &str) -> Result<Option<Arc<dyn Transport>>, BuildError> {
        let settings = self.config.subgraph(name);
        let transport = match self.given.get(name) {
            Some(transport) => Arc::clone(transport),
            None if url.is_empty() => return Ok(None),
            None => {
                let options = HttpOptions {
                    timeout_ms: settings.timeout_ms,
                    response_max_bytes: settings.response_max_bytes,
                    ..HttpOptions::default()
                };
                let http = Http::new(url, options)
                    .map_err(|source| BuildError::Address { name: name.to_owned(), source })?;
                Arc::new(http)
            }
        };
        let timeout = Duration::from_millis(settings.timeout_ms);
        let fetch = self.config.fetch.with(&settings.fetch);
        let resilient =
            Resilient::new(Arc::from(name), transport, timeout, fetch, self.writes.clone());
        Ok(Some(Arc::new(Ruled::new(&self.config.headers, name, Arc::new(resilient))?)))
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
