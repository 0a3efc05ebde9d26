//! Short messages by an HTTP provider, in the shape of Twilio's or SOLAPI's interface.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use platform::config::{ConfigError, Source, required};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use super::{Channel, ChannelError, Message, client, judged, unsent};
use crate::domain::way::Way;
use crate::store::recipient::Recipient;

/// Most characters of a message; a longer text is cut.
pub const TEXT_MAX_CHARS: usize = 300;

const PROVIDER: &str = "MOIM_SMS_PROVIDER";
const URL: &str = "MOIM_SMS_URL";

/// Whose interface it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `POST /2010-04-01/Accounts/{account}/Messages.json`, a form, basic authentication.
    Twilio,
    /// `POST /messages/v4/send`, JSON, each request signed. Numbers of Korea only.
    Solapi,
}

/// Sends short messages by a provider.
#[derive(Clone)]
pub struct Sms {
    client: reqwest::Client,
    shape: Shape,
    base: Url,
    /// Twilio: the account's SID. SOLAPI: the API key.
    account: String,
    /// Twilio: the auth token. SOLAPI: the API secret.
    secret: SecretString,
    from: String,
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Sms {
    /// Short messages by `MOIM_SMS_PROVIDER` (`twilio` or `solapi`), with `MOIM_SMS_ACCOUNT`,
    /// `MOIM_SMS_SECRET`, `MOIM_SMS_FROM`, and `MOIM_SMS_URL` (default: the provider's own); `None` when
    /// the first isn't set.
    ///
    /// # Errors
    /// When a value is missing or can't be used.
    pub fn from(source: &dyn Source) -> Result<Option<Self>, ConfigError> {
        let Some(provider) = source.get(PROVIDER) else { return Ok(None) };
        let (shape, base) = match provider.as_str() {
            "twilio" => (Shape::Twilio, "https://api.twilio.com"),
            "solapi" => (Shape::Solapi, "https://api.solapi.com"),
            _ => {
                return Err(ConfigError::invalid(
                    PROVIDER,
                    "an unknown provider",
                    "give twilio or solapi",
                ));
            }
        };
        let base = source.get(URL).unwrap_or_else(|| base.to_owned());
        let base: Url = base.parse().map_err(|error: url::ParseError| {
            ConfigError::invalid(URL, error.to_string(), "give the provider's base URL")
        })?;
        if !matches!(base.scheme(), "http" | "https") {
            let help = "give the provider's base URL";
            return Err(ConfigError::invalid(URL, "neither http nor https", help));
        }
        let account = required(source, "MOIM_SMS_ACCOUNT", "give the account's SID or API key")?;
        let secret = required(source, "MOIM_SMS_SECRET", "give the auth token or API secret")?;
        let from =
            required(source, "MOIM_SMS_FROM", "give the sender's number, like +15005550006")?;
        let client = client()
            .build()
            .map_err(|error| ConfigError::invalid(PROVIDER, error.to_string(), "leave it unset"))?;
        Ok(Some(Self { client, shape, base, account, secret: secret.into(), from }))
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url
    }

    fn request(&self, message: &Message) -> Result<reqwest::RequestBuilder, ChannelError> {
        let refused = |reason: &str| ChannelError::Refused(reason.to_owned());
        let phone = message.to.phone.as_deref().ok_or_else(|| refused("no number"))?;
        let text: String = message.body.chars().take(TEXT_MAX_CHARS).collect();
        match self.shape {
            Shape::Twilio => {
                let mut url = self.at("/2010-04-01/Accounts");
                if let Ok(mut path) = url.path_segments_mut() {
                    path.extend([self.account.as_str(), "Messages.json"]);
                }
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs([("To", phone), ("From", &self.from), ("Body", &text)]);
                Ok(self
                    .client
                    .post(url)
                    .basic_auth(&self.account, Some(self.secret.expose_secret()))
                    // Twilio has no key for this; a gateway in its shape may know it.
                    .header("idempotency-key", message.id.to_string())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.finish()))
            }
            Shape::Solapi => {
                let to = domestic(phone).ok_or_else(|| refused("not a number of Korea"))?;
                let body = json!({ "message": {
                    "to": to,
                    "from": domestic(&self.from).unwrap_or_else(|| self.from.clone()),
                    "text": text,
                    "customFields": { "messageId": message.id },
                } });
                let authorization = self.signed(Uuid::new_v4());
                Ok(self
                    .client
                    .post(self.at("/messages/v4/send"))
                    .header(AUTHORIZATION, authorization?)
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.to_string()))
            }
        }
    }

    /// SOLAPI's header: HMAC-SHA256 of date and salt, in hexadecimal.
    fn signed(&self, salt: Uuid) -> Result<String, ChannelError> {
        let date = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let salt = salt.simple();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes())
            .map_err(|error| ChannelError::away(error.to_string()))?;
        mac.update(format!("{date}{salt}").as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!(
            "HMAC-SHA256 apiKey={}, date={date}, salt={salt}, signature={signature}",
            self.account
        ))
    }
}

/// A Korean number as it is dialled in Korea; `None` for any other.
fn domestic(number: &str) -> Option<String> {
    let digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    match number.strip_prefix("+82") {
        Some(rest) if digits(rest) => Some(format!("0{}", rest.trim_start_matches('0'))),
        Some(_) => None,
        None => (number.starts_with('0') && digits(number)).then(|| number.to_owned()),
    }
}

impl Channel for Sms {
    fn way(&self) -> Way {
        Way::Sms
    }

    fn reaches(&self, recipient: &Recipient) -> bool {
        match (self.shape, recipient.phone.as_deref()) {
            (_, None) => false,
            (Shape::Twilio, Some(phone)) => phone.starts_with('+'),
            (Shape::Solapi, Some(phone)) => domestic(phone).is_some(),
        }
    }

    fn check(&self) -> BoxFuture<'static, Result<(), ChannelError>> {
        // Any answer will do: whether somebody is there, without sending anything.
        let request = self.client.get(self.base.clone());
        async move { request.send().await.map(drop).map_err(unsent) }.boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>> {
        async move {
            let answer = self.request(message)?.send().await.map_err(unsent)?;
            judged(answer.status())
        }
        .boxed()
    }
}

#[cfg(test)]
mod test {
    use super::domestic;

    #[test]
    fn a_korean_number_is_dialled_as_in_korea() {
        assert_eq!(domestic("+821012345678").as_deref(), Some("01012345678"));
        assert_eq!(domestic("01012345678").as_deref(), Some("01012345678"));
        assert_eq!(domestic("+15005550006"), None);
        assert_eq!(domestic("+82 10"), None);
    }
}
