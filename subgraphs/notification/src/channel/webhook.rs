//! Signed HTTP requests to an address that a person names, as the Standard Webhooks specification
//! (version 1) says: headers `webhook-id`, `webhook-timestamp`, `webhook-signature`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use hmac::{Hmac, KeyInit as _, Mac as _};
use platform::config::{ConfigError, Source, parsed};
use platform::event::rfc3339;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sha2::Sha256;

use super::address::{self, PublicOnly};
use super::{Channel, ChannelError, Message, client, unsent};
use crate::domain::way::Way;
use crate::store::recipient::Recipient;

/// What stands before a secret, so that people see what it is.
pub const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// Sends notifications to webhooks.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: reqwest::Client,
    private_allowed: bool,
}

impl Webhook {
    /// Webhooks, unless `MOIM_WEBHOOKS` is `false`; to public addresses by `https` only, unless
    /// `MOIM_WEBHOOKS_PRIVATE` is `true`.
    ///
    /// # Errors
    /// When a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Option<Self>, ConfigError> {
        let help = "give true or false";
        if !parsed(source, "MOIM_WEBHOOKS", true, help)? {
            return Ok(None);
        }
        let private_allowed = parsed(source, "MOIM_WEBHOOKS_PRIVATE", false, help)?;
        // A proxy would look names up itself, and could reach what mustn't be reached.
        let mut client = client().no_proxy();
        if !private_allowed {
            client = client.dns_resolver(PublicOnly);
        }
        let client = client.build().map_err(|error| {
            ConfigError::invalid("MOIM_WEBHOOKS", error.to_string(), "switch webhooks off")
        })?;
        Ok(Some(Self { client, private_allowed }))
    }

    /// Whether a webhook may go to private addresses, and without TLS.
    #[must_use]
    pub fn private_allowed(&self) -> bool {
        self.private_allowed
    }
}

/// A new secret, as it is shown and kept: [`SECRET_PREFIX`] and base64.
#[must_use]
pub fn new_secret() -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>()))
}

/// The signature of a body: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
///
/// # Errors
/// When the secret isn't one.
pub fn signature(secret: &str, id: &str, timestamp: u64, body: &str) -> Result<String, String> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or("a secret begins with whsec_")?;
    let key = STANDARD.decode(encoded).map_err(|_| "a secret is base64")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

impl Channel for Webhook {
    fn way(&self) -> Way {
        Way::Webhook
    }

    fn reaches(&self, recipient: &Recipient) -> bool {
        recipient.webhook_url.is_some()
    }

    fn route(&self, recipient: &Recipient) -> String {
        let url = recipient.webhook_url.as_deref().and_then(|url| url.parse::<url::Url>().ok());
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or_default();
        format!("webhook {host}:{port}")
    }

    fn check(&self) -> BoxFuture<'static, Result<(), ChannelError>> {
        // Each goes somewhere else; there is nothing to look at before.
        ready(Ok(())).boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>> {
        async move {
            let (Some(url), Some(secret)) = (&message.to.webhook_url, &message.to.webhook_secret)
            else {
                return Err(ChannelError::Refused("the webhook was removed".to_owned()));
            };
            // Looked at again: the operator's mind may have changed since.
            let url = address::check(url, self.private_allowed)
                .map_err(|reason| ChannelError::Refused(reason.to_owned()))?;
            let body = json!({
                "type": "notification.created",
                "timestamp": rfc3339(message.created_at),
                "data": {
                    "notificationId": message.notification,
                    "kind": message.kind.as_str(),
                    "title": message.title,
                    "body": message.body,
                    "meetingId": message.meeting,
                    "todoId": message.todo,
                },
            })
            .to_string();
            let id = message.id.to_string();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let signature = signature(secret, &id, now, &body).map_err(ChannelError::Refused)?;
            let request = self
                .client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", now)
                .header("webhook-signature", signature)
                .body(body);
            match request.send().await.map_err(unsent)?.status() {
                status if status.is_success() => Ok(()),
                // Whoever is there says that it is over.
                StatusCode::GONE => Err(ChannelError::Refused("status 410".to_owned())),
                // Whatever else: the one who set it up may mend it while it is tried again.
                status => Err(ChannelError::away(format!("status {status}"))),
            }
        }
        .boxed()
    }
}
