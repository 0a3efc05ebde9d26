//! Configuration of the ai service.

use std::fmt;
use std::sync::Arc;

use platform::config::{ConfigError, Source};
use text::{Engine, Extractive};

/// How this service works.
#[derive(Clone)]
pub struct Config {
    /// What finds something in a text.
    pub engine: Arc<dyn Engine>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("engine", &self.engine.name()).finish()
    }
}

impl Config {
    /// The built-in engine; there is no setting yet.
    ///
    /// # Errors
    /// None so far.
    pub fn from(_: &dyn Source) -> Result<Self, ConfigError> {
        Ok(Self { engine: Arc::new(Extractive) })
    }
}
