//! Which event stream a router reads, and the start of a plane on it.

use std::sync::Arc;

use async_nats::jetstream;
use tokio_util::sync::CancellationToken;

use super::{
    config::Config,
    hub::Hub,
    log::Log,
    plane::Plane,
    source::{SourceError, Sources},
    tail,
};

/// An installation's event stream.
#[derive(Debug, Clone)]
pub struct EventStream {
    /// The connection.
    pub context: jetstream::Context,
    /// Put before streams (`t1_PUSH`) and subjects (`t1.…`); may be empty.
    pub prefix: String,
}

impl Plane {
    /// Starts a plane for a supergraph, and the task that reads the stream for it;
    /// None when no field of the supergraph has an event source. The stream may
    /// come later: subscriptions wait for it.
    ///
    /// # Errors
    /// When an `@eventSource` can't work.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        supergraph: &str,
        stream: EventStream,
        config: Config,
    ) -> Result<Option<Arc<Self>>, SourceError> {
        let sources = Sources::read(supergraph)?;
        if sources.is_empty() {
            return Ok(None);
        }
        let (name, before) = match stream.prefix.as_str() {
            "" => (config.stream.clone(), String::new()),
            prefix => (format!("{prefix}_{}", config.stream), format!("{prefix}.")),
        };
        let hub = Hub::new(Log::new(stream.context, name), config);
        let stop = CancellationToken::new();
        tokio::spawn(tail::run(hub.clone(), stop.clone()));
        Ok(Some(Arc::new(Self::new(sources, hub, before, stop))))
    }
}
