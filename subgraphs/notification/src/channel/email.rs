//! Email by SMTP.

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use platform::config::{ConfigError, Source, required};

use super::{Channel, ChannelError, Message, TIMEOUT_MS};
use crate::domain::language::Language;
use crate::domain::way::Way;
use crate::store::recipient::Recipient;

const URL: &str = "MOIM_SMTP_URL";
const FROM: &str = "MOIM_SMTP_FROM";

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends email by an SMTP server.
#[derive(Clone)]
pub struct Email {
    transport: Transport,
    from: Mailbox,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Says that nobody is behind the address who would read an answer: RFC 3834.
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Email {
    /// Email by `MOIM_SMTP_URL` (`smtps://user:password@host`, or `smtp://…?tls=required`, the port
    /// as usual) from `MOIM_SMTP_FROM`; `None` when the first isn't set.
    ///
    /// # Errors
    /// When a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Option<Self>, ConfigError> {
        let Some(url) = source.get(URL) else { return Ok(None) };
        let help = "give the mail server, like smtps://user:password@mail.example.com or \
                    smtp://user:password@mail.example.com:587?tls=required";
        // The error's own text could hold the URL, and that the password.
        let refused = |_| ConfigError::invalid(URL, "not a mail server's URL", help);
        let transport = Transport::from_url(&url).map_err(refused)?;
        let transport = transport.timeout(Some(Duration::from_millis(TIMEOUT_MS))).build();
        let help = "give the sender, like Moim <moim@example.com>";
        let from = required(source, FROM, help)?;
        let from = from.parse().map_err(|_| ConfigError::invalid(FROM, "not an address", help))?;
        Ok(Some(Self { transport, from }))
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, ChannelError> {
        let refused = |error: &dyn fmt::Display| ChannelError::Refused(error.to_string());
        let address: Address = message.to.email.parse().map_err(|error| refused(&error))?;
        let to = Mailbox::new(Some(message.to.name.clone()), address);
        let domain = self.from.email.domain();
        let language = match Language::of(&message.to.locale) {
            Language::Korean => "ko",
            Language::English => "en",
        };
        lettre::Message::builder()
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .date(message.created_at.into())
            .from(self.from.clone())
            .to(to)
            // A title that somebody wrote may have line breaks; a header mustn't.
            .subject(message.title.replace(char::is_control, " "))
            .header(AutoSubmitted)
            .header(ContentLanguage(language))
            .header(header::ContentType::TEXT_PLAIN)
            .body(message.body.clone())
            .map_err(|error| refused(&error))
    }
}

/// The language of the text: RFC 3282.
#[derive(Clone)]
struct ContentLanguage(&'static str);

impl header::Header for ContentLanguage {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(tag: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(if tag == "en" { "en" } else { "ko" }))
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), self.0.to_owned())
    }
}

/// A refusal for good (5xx) is one; whatever else goes wrong may go better later. So may what the
/// server says about who we are: what waits is sent once the operator has mended it.
fn failed(error: smtp::Error) -> ChannelError {
    const NOT_AUTHENTICATED: [u16; 3] = [530, 534, 535];
    let about_us = error.status().is_some_and(|code| NOT_AUTHENTICATED.contains(&u16::from(code)));
    if error.is_permanent() && !about_us {
        return ChannelError::Refused(error.to_string());
    }
    ChannelError::away(error)
}

impl Channel for Email {
    fn way(&self) -> Way {
        Way::Email
    }

    fn reaches(&self, recipient: &Recipient) -> bool {
        recipient.email.parse::<Address>().is_ok()
    }

    fn check(&self) -> BoxFuture<'static, Result<(), ChannelError>> {
        let transport = self.transport.clone();
        async move {
            match transport.test_connection().await {
                Ok(true) => Ok(()),
                Ok(false) => Err(ChannelError::away("the mail server doesn't answer a NOOP")),
                Err(error) => Err(failed(error)),
            }
        }
        .boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>> {
        async move {
            let letter = self.letter(message)?;
            self.transport.send(letter).await.map(drop).map_err(failed)
        }
        .boxed()
    }
}
