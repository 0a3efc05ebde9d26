//! Configuration of the todo service.

use std::fmt;
use std::sync::Arc;

use platform::config::{ConfigError, Source};
use text::Engine;

/// How this service works.
#[derive(Clone)]
pub struct Config {
    /// What finds todos in a text.
    pub engine: Arc<dyn Engine>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("engine", &self.engine.name()).finish()
    }
}

impl Config {
    /// Reads which engine is chosen: [`llm::chosen`].
    ///
    /// # Errors
    /// When it can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        Ok(Self { engine: llm::chosen(source)? })
    }
}
