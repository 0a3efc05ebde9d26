//! Configuration of the notification service.

use std::sync::Arc;
use std::time::Duration;

use platform::config::{ConfigError, Source, parsed};
use platform::topology::Backoff;

use crate::channel::email::Email;
use crate::channel::sms::Sms;
use crate::channel::webhook::Webhook;
use crate::channel::{Channel, Channels};

/// How long a provider may be away before what waits for it is given up, in hours, unless configured.
pub const OUTAGE_MAX_HOURS: u64 = 72;
/// The longest that may be configured, in hours.
pub const OUTAGE_MAX_MAX_HOURS: u64 = 720;
/// The pauses between two tries to reach a provider that is away: the first, and the longest.
pub const PAUSES: Backoff =
    Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(15 * 60) };

/// How this service works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ways to people outside, besides the inbox.
    pub channels: Channels,
    /// Whether webhooks may go to private addresses and without TLS; `None`: there are none.
    pub webhooks_private: Option<bool>,
    /// How long a provider may be away before what waits for it is given up.
    pub outage_max: Duration,
    /// The pauses between two tries to reach one that is away.
    pub pauses: Backoff,
}

impl Config {
    /// Reads which ways there are: [`Email::from`], [`Sms::from`], [`Webhook::from`]; and
    /// `MOIM_NOTIFICATION_OUTAGE_HOURS` ([`OUTAGE_MAX_HOURS`] by default).
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
        let name = "MOIM_NOTIFICATION_OUTAGE_HOURS";
        let help = "give whole hours, from 1 to 720";
        let hours = parsed(source, name, OUTAGE_MAX_HOURS, help)?;
        if !(1..=OUTAGE_MAX_MAX_HOURS).contains(&hours) {
            return Err(ConfigError::invalid(name, "it is out of range", help));
        }
        let outage_max = Duration::from_secs(hours * 60 * 60);
        Ok(Self { channels, webhooks_private, outage_max, pauses: PAUSES })
    }

    /// The same with a way to people that the program brings along.
    #[must_use]
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.set(channel);
        self
    }
}
