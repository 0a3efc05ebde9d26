//! Configuration of the notification service.

use std::fmt;
use std::sync::Arc;

use platform::config::{ConfigError, Source};

use crate::channel::Channel;

/// How this service works.
#[derive(Clone)]
pub struct Config {
    /// Ways to people outside, besides the inbox. None is built in yet.
    pub channels: Vec<Arc<dyn Channel>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
        f.debug_struct("Config").field("channels", &channels).finish()
    }
}

impl Config {
    /// No ways outside; there is no setting yet.
    ///
    /// # Errors
    /// None so far.
    pub fn from(_: &dyn Source) -> Result<Self, ConfigError> {
        Ok(Self { channels: Vec::new() })
    }

    /// The same with a way to people that the program brings along.
    #[must_use]
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.push(channel);
        self
    }
}
