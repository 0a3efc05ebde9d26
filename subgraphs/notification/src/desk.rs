//! What people ask for besides reading: choices, webhooks, a message to try.

use std::collections::BTreeMap;

use platform::departure;
use platform::error::UserError;
use platform::outbox::Outbox;
use platform::queue::QueueError;
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

/// An outcome with what the asker can mend.
type Answer<T> = Result<T, UserError>;

impl Desk {
    /// Notes what somebody wants to hear of by which way; of what is named twice, the last holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn choose(
        &self,
        user: Uuid,
        choices: &[(Kind, Way, bool)],
    ) -> Result<Answer<()>, sqlx::Error> {
        let chosen: BTreeMap<(&str, &str), bool> = choices
            .iter()
            .map(|(kind, way, is_on)| ((kind.as_str(), way.as_str()), *is_on))
            .collect();
        let kinds: Vec<String> = chosen.keys().map(|(kind, _)| (*kind).to_owned()).collect();
        let ways: Vec<String> = chosen.keys().map(|(_, way)| (*way).to_owned()).collect();
        let is_on: Vec<bool> = chosen.into_values().collect();
        let mut tx = self.pool.begin().await?;
        if departure::has_gone(&mut tx, user).await? {
            return Ok(Err(no_account()));
        }
        preference::put(&mut tx, user, &kinds, &ways, &is_on).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Sends somebody's notifications to a URL from now on; gives the secret that signs them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_webhook(
        &self,
        user: Uuid,
        url: &str,
    ) -> Result<Answer<(WebhookRow, String)>, sqlx::Error> {
        let Some(private_allowed) = self.config.webhooks_private else {
            return Ok(Err(unavailable(Way::Webhook)));
        };
        let url = match address::check(url, private_allowed) {
            Ok(url) => url,
            Err(reason) => return Ok(Err(UserError::new("INVALID_URL", reason).on("url"))),
        };
        let secret = signed::new_secret();
        let mut tx = self.pool.begin().await?;
        if departure::has_gone(&mut tx, user).await? {
            return Ok(Err(no_account()));
        }
        let row = webhook::put(&mut tx, user, url.as_str(), &secret).await?;
        tx.commit().await?;
        Ok(Ok((row, secret)))
    }

    /// Sends a message to try a way, whatever was chosen.
    ///
    /// # Errors
    /// [`QueueError::Full`], or the database fails.
    pub async fn test(&self, user: Uuid, way: Way) -> Result<Answer<NotificationRow>, QueueError> {
        let to = recipient::by_id(&self.pool, user).await?;
        let reached = way == Way::Inbox
            || self.config.channels.reaching(to.as_ref()).any(|reaching| reaching == way);
        if !reached {
            return Ok(Err(unavailable(way)));
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
        let mut tx = self.pool.begin().await?;
        if departure::has_gone(&mut tx, user).await? {
            return Ok(Err(no_account()));
        }
        let shown = way == Way::Inbox;
        let row = notification::insert(&mut tx, &news, &[user], &[shown]).await?.pop();
        // The event's id is new: nobody can have heard of it.
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        if shown {
            self.outbox.append(&mut tx, events::created(&row)).await?;
        } else {
            let new = delivery(&row, way).map_err(|error| sqlx::Error::Encode(error.into()))?;
            self.tasks.request(&mut tx, new).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(Ok(row))
    }
}

/// Says that there is nobody any more whom it could concern.
pub(crate) fn no_account() -> UserError {
    UserError::new("NO_ACCOUNT", "this account doesn't exist any more")
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
