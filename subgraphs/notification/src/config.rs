//! Configuration of the notification service.

use std::sync::Arc;

use platform::config::{ConfigError, Source};

use crate::channel::email::Email;
use crate::channel::sms::Sms;
use crate::channel::webhook::Webhook;
use crate::channel::{Channel, Channels};

/// How this service works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ways to people outside, besides the inbox.
    pub channels: Channels,
    /// Whether webhooks may go to private addresses and without TLS; `None`: there are none.
    pub webhooks_private: Option<bool>,
}

impl Config {
    /// Reads which ways there are: [`Email::from`], [`Sms::from`], [`Webhook::from`].
    ///
    /// # Errors
    /// When one of them is set up in a way that can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut channels = Channels::default();
        if let Some(email) = Email::from(source)? {
            channels.set(Arc::new(email));
        }
        if let Some(sms) = Sms::from(source)? {
            channels.set(Arc::new(sms));
        }
        let webhook = Webhook::from(source)?;
        let webhooks_private = webhook.as_ref().map(Webhook::private_allowed);
        if let Some(webhook) = webhook {
            channels.set(Arc::new(webhook));
        }
        Ok(Self { channels, webhooks_private })
    }

    /// The same with a way to people that the program brings along.
    #[must_use]
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.set(channel);
        self
    }
}
