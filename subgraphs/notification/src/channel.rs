//! Ways to people outside.
//!
//! | module | way |
//! |---|---|
//! | [`email`] | SMTP |
//! | [`sms`] | short messages by an HTTP provider, in the shape of Twilio or SOLAPI |
//! | [`webhook`] | signed HTTP requests to an address that a person names |
//! | [`address`] | which addresses a webhook may go to |
//! | [`breaker`] | which of them were away a moment ago |

pub mod address;
pub mod breaker;
pub mod email;
pub mod sms;
pub mod webhook;

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::domain::way::Way;
use crate::store::recipient::Recipient;

/// How long a provider may take for an answer, in milliseconds.
pub const TIMEOUT_MS: u64 = 10_000;
/// How long connecting to a provider may take, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// A message to one person.
#[derive(Debug, Clone)]
pub struct Message {
    /// The same at every try: what a provider or a mail reader tells duplicates by.
    pub id: Uuid,
    /// To whom.
    pub to: Recipient,
    /// The notification that it brings.
    pub notification: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// The meeting that it is about.
    pub meeting: Option<Uuid>,
    /// The todo that it is about.
    pub todo: Option<Uuid>,
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
    /// When the notification was made.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// Why a message wasn't sent.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// It may go better later.
    #[error("the provider can't be reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It won't: the provider refuses this message.
    #[error("the provider refuses the message: {0}")]
    Refused(String),
}

impl ChannelError {
    /// It may go better later; for this reason.
    pub fn away(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Away(reason.into())
    }
}

/// A way to people outside. A message may be sent twice when a worker dies in between, each time with
/// the same [`Message::id`].
pub trait Channel: Send + Sync + 'static {
    /// Which way it is.
    fn way(&self) -> Way;

    /// Whether somebody can be reached by it.
    fn reaches(&self, recipient: &Recipient) -> bool;

    /// What is away together when it is away: the provider, or the host that a webhook leads to.
    fn route(&self, _: &Recipient) -> String {
        self.way().job_kind().to_owned()
    }

    /// Whether it can be used now. Called about once a second at most, so it must be cheap.
    fn check(&self) -> BoxFuture<'static, Result<(), ChannelError>>;

    /// Sends a message.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>>;
}

/// The ways there are here, each at most once.
#[derive(Clone, Default)]
pub struct Channels(Vec<Arc<dyn Channel>>);

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|channel| channel.way())).finish()
    }
}

impl Channels {
    /// Adds a way, or puts it in the place of the one there was.
    pub fn set(&mut self, channel: Arc<dyn Channel>) {
        self.0.retain(|known| known.way() != channel.way());
        self.0.push(channel);
    }

    /// This way, if it is here.
    #[must_use]
    pub fn by(&self, way: Way) -> Option<&Arc<dyn Channel>> {
        self.0.iter().find(|channel| channel.way() == way)
    }

    /// The ways by which somebody can be reached.
    pub fn reaching<'a>(&'a self, to: Option<&'a Recipient>) -> impl Iterator<Item = Way> + 'a {
        let reaching = move |channel: &&Arc<dyn Channel>| to.is_some_and(|to| channel.reaches(to));
        self.0.iter().filter(reaching).map(|channel| channel.way())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.0.iter()
    }
}

/// What an HTTP provider's answer means: 2xx is done, what may pass is tried again, the rest is refused.
///
/// # Errors
/// When it isn't done.
fn judged(status: reqwest::StatusCode) -> Result<(), ChannelError> {
    use reqwest::StatusCode;
    if status.is_success() {
        return Ok(());
    }
    let text = format!("status {status}");
    let passes = status.is_server_error()
        // Wrong credentials are the operator's to mend: what waits is sent afterwards.
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
        );
    Err(if passes { ChannelError::away(text) } else { ChannelError::Refused(text) })
}

/// A client of an HTTP provider. It follows no redirect: that would take credentials along.
fn client() -> reqwest::ClientBuilder {
    use std::time::Duration;
    platform::tls::choose();
    reqwest::Client::builder()
        .timeout(Duration::from_millis(TIMEOUT_MS))
        .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("moim/", env!("CARGO_PKG_VERSION")))
}

/// An error of a request. Its own text may hold the URL, and a URL a secret.
fn unsent(error: reqwest::Error) -> ChannelError {
    ChannelError::away(error.without_url())
}
