//! What people ask for besides reading: choices, webhooks, a message to try.

use std::collections::BTreeMap;

use platform::departure;
use platform::error::{Internal as _, Refused, UserError};
use platform::idempotency::Once;
use platform::outbox::Outbox;
use platform::task::Tasks;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::channel::{address, webhook as signed};
use crate::config::Config;
use crate::domain::kind::Kind;
use crate::domain::way::Way;
use crate::events;
use crate::store::notification::{self, News, NotificationRow};
use crate::store::webhook::WebhookRow;
use crate::store::{preference, recipient, webhook};
use crate::worker::delivery;

/// Takes people's requests, each in a transaction of its own.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The service's database.
    pub pool: PgPool,
    /// Its tasks.
    pub tasks: Tasks,
    /// Where events are told.
    pub outbox: Outbox,
    /// How the service works.
    pub config: Config,
}

/// Somebody's webhook after a request to set one up.
#[derive(Debug)]
pub struct WebhookSet {
    /// Where notifications are sent to now; nowhere if it was removed since.
    pub webhook: Option<WebhookRow>,
    /// What signs what is sent there, for whoever set it up, as long as no other came in its place.
    pub secret: Option<String>,
}

impl Desk {
    /// Notes that somebody has read these of their notifications, or all of them; gives how many had been unread.
    ///
    /// # Errors
    /// `NO_ACCOUNT`; inner ones, masked.
    pub async fn mark_read(&self, once: Once<'_>, ids: Option<&[Uuid]>) -> Result<i32, Refused> {
        let mut tx = departure::begin(&self.pool, once.viewer()).await?;
        let marked = notification::mark_read(&mut tx, once.viewer(), ids).await?;
        // The number is the answer: as an id, since that is what is kept of answers.
        let answer = Uuid::from_u128(marked.into());
        let once = ids.unwrap_or_default().iter().fold(once, Once::of);
        let marked = match once.answer(&mut tx, answer).await? {
            Some(earlier) => earlier.as_u128(),
            None => {
                tx.commit().await?;
                marked.into()
            }
        };
        Ok(i32::try_from(marked).unwrap_or(i32::MAX))
    }

    /// Notes what somebody wants to hear of by which way; of what is named twice, the last holds.
    ///
    /// # Errors
    /// `NO_ACCOUNT`; inner ones, masked.
    pub async fn choose(
        &self,
        once: Once<'_>,
        choices: &[(Kind, Way, bool)],
    ) -> Result<(), Refused> {
        let chosen: BTreeMap<(&str, &str), bool> = choices
            .iter()
            .map(|(kind, way, is_on)| ((kind.as_str(), way.as_str()), *is_on))
            .collect();
        let kinds: Vec<String> = chosen.keys().map(|(kind, _)| (*kind).to_owned()).collect();
        let ways: Vec<String> = chosen.keys().map(|(_, way)| (*way).to_owned()).collect();
        let is_on: Vec<bool> = chosen.into_values().collect();
        let mut tx = departure::begin(&self.pool, once.viewer()).await?;
        if !once.is_repeated(&mut tx).await? {
            preference::put(&mut tx, once.viewer(), &kinds, &ways, &is_on).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Sends somebody's notifications to a URL from now on; gives the secret that signs them. Repeated, it is
    /// the same secret, unless another webhook was set up since.
    ///
    /// # Errors
    /// `CHANNEL_UNAVAILABLE`, `INVALID_URL`, `NO_ACCOUNT`; inner ones, masked.
    pub async fn set_webhook(&self, once: Once<'_>, url: &str) -> Result<WebhookSet, Refused> {
        let private_allowed = self.config.webhooks_private;
        let private_allowed = private_allowed.ok_or_else(|| unavailable(Way::Webhook))?;
        let url = address::check(url, private_allowed)
            .map_err(|reason| UserError::new("INVALID_URL", reason).on("url"))?;
        let (id, user) = (Uuid::now_v7(), once.viewer());
        let mut tx = departure::begin(&self.pool, user).await?;
        if let Some(earlier) = once.of(&url).answer(&mut tx, id).await? {
            let secret = webhook::secret(&mut tx, user, earlier).await?;
            drop(tx);
            return Ok(WebhookSet { webhook: webhook::of_user(&self.pool, user).await?, secret });
        }
        let secret = signed::new_secret();
        let row = webhook::put(&mut tx, user, id, url.as_str(), &secret).await?;
        tx.commit().await?;
        Ok(WebhookSet { webhook: Some(row), secret: Some(secret) })
    }

    /// Ends that somebody's notifications are sent to a URL.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND` when they aren't, `NO_ACCOUNT`; inner ones, masked.
    pub async fn remove_webhook(&self, once: Once<'_>, url: &str) -> Result<(), Refused> {
        let user = once.viewer();
        let mut tx = departure::begin(&self.pool, user).await?;
        if once.of(url).is_repeated(&mut tx).await? {
            return Ok(());
        }
        if !webhook::remove(&mut tx, user, url).await? {
            let message = "no notifications are sent there";
            return Err(UserError::new("WEBHOOK_NOT_FOUND", message).on("url").into());
        }
        tx.commit().await?;
        Ok(())
    }

    /// Sends a message to try a way, whatever was chosen.
    ///
    /// # Errors
    /// `CHANNEL_UNAVAILABLE`, `NO_ACCOUNT`, `QUEUE_FULL`; inner ones, masked.
    pub async fn test(&self, once: Once<'_>, way: Way) -> Result<NotificationRow, Refused> {
        let user = once.viewer();
        let to = recipient::by_id(&self.pool, user).await?;
        let reached = way == Way::Inbox
            || self.config.channels.reaching(to.as_ref()).any(|reaching| reaching == way);
        if !reached {
            return Err(unavailable(way).into());
        }
        let news = News {
            kind: Kind::Test,
            event_id: Uuid::now_v7(),
            words: json!({}),
            meeting_id: None,
            todo_id: None,
            task_id: None,
            person_id: None,
        };
        let mut tx = departure::begin(&self.pool, user).await?;
        let shown = way == Way::Inbox;
        let row = notification::insert(&mut tx, &news, &[user], &[shown]).await?.pop();
        // The event's id is new: nobody can have heard of it.
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        if let Some(earlier) = once.of(way.as_str()).answer(&mut tx, row.id).await? {
            drop(tx);
            let sent = notification::by_ids(&self.pool, &[earlier]).await?.pop();
            return Ok(sent.ok_or(sqlx::Error::RowNotFound)?);
        }
        if shown {
            self.outbox.append(&mut tx, events::created(&row)).await?;
        } else {
            self.tasks.request(&mut tx, delivery(&row, way).internal()?).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(row)
    }
}

/// Says by which way nobody can be reached here.
fn unavailable(way: Way) -> UserError {
    let message = match way {
        Way::Inbox | Way::Email => "this installation sends no email",
        Way::Sms => {
            "this installation sends no short messages, or your profile has no phone number"
        }
        Way::Webhook => "this installation has no webhooks, or you have set up none",
    };
    UserError::new("CHANNEL_UNAVAILABLE", message).on("channel")
}
