//! Ways to people outside.

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::store::recipient::Recipient;

/// A message to one person.
#[derive(Debug, Clone)]
pub struct Message {
    /// The same at every try: what a provider or a mail reader tells duplicates by.
    pub id: Uuid,
    /// To whom.
    pub to: Recipient,
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
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

/// A way to people outside, like email. A message may be sent twice when a worker dies in between,
/// each time with the same [`Message::id`].
pub trait Channel: Send + Sync + 'static {
    /// The kind of its jobs, a single subject token like `email`.
    fn name(&self) -> &'static str;

    /// Whether somebody can be reached by it.
    fn reaches(&self, recipient: &Recipient) -> bool;

    /// Sends a message.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>>;
}
