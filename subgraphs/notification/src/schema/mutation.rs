//! Changes that people ask for.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use platform::access;
use platform::error::{ApiError, Refused, UserError};
use platform::idempotency::Once;
use platform::identity::Identity;
use uuid::Uuid;

use super::announcement::{
    AnnounceInput, AnnounceToMeetingInput, Announcement, AnnouncementPayload,
};
use super::object::{Notification, User, Webhook};
use crate::announcement::{Announcer, Draft};
use crate::desk::Desk;
use crate::domain::kind::Kind;
use crate::domain::way::Way;

/// Most notifications that are named in one request.
pub const IDS_MAX: usize = 100;
/// Most choices that are made in one request.
pub const PREFERENCES_MAX: usize = 100;

/// Which notifications were read.
#[derive(Debug, InputObject)]
pub struct MarkNotificationsReadInput {
    /// At most 100 of one's own; left out: all of them. What isn't one's own is passed over.
    pub notification_ids: Option<Vec<ID>>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What marking came to.
#[derive(Debug, SimpleObject)]
pub struct MarkNotificationsReadPayload {
    /// The person whose inbox it is, with the inbox as it is now.
    pub me: User,
    /// How many of them had been unread.
    pub marked_count: i32,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// A choice of what one hears of by a channel.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct NotificationPreferenceInput {
    /// Of what.
    pub kind: Kind,
    /// By which channel.
    pub channel: Way,
    /// Whether one wants to hear of it.
    pub enabled: bool,
}

/// What one hears of by which channel.
#[derive(Debug, InputObject)]
pub struct SetNotificationPreferencesInput {
    /// At most 100; of what is named twice, the last holds.
    pub preferences: Vec<NotificationPreferenceInput>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What choosing came to.
#[derive(Debug, SimpleObject)]
pub struct SetNotificationPreferencesPayload {
    /// The person, with all choices as they are now.
    pub me: User,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// Where notifications are to be sent to.
#[derive(Debug, InputObject)]
pub struct SetWebhookInput {
    /// An `https` address that anybody can reach, at most 2000 characters.
    pub url: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What setting a webhook up came to.
#[derive(Debug, SimpleObject)]
pub struct SetWebhookPayload {
    /// Where notifications are sent to; null when refused.
    pub webhook: Option<Webhook>,
    /// What signs each request, as the Standard Webhooks specification says. It is told here and never again, but
    /// to whoever sends the same `idempotencyKey` again; null then, if another webhook was set up since, or none is
    /// left.
    pub secret: Option<String>,
    /// What to mend.
    pub user_errors: Vec<UserError>,
}

/// Where notifications are no longer to be sent to.
#[derive(Debug, InputObject)]
pub struct RemoveWebhookInput {
    /// The address, as `webhook { url }` gives it.
    pub url: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What removing a webhook came to.
#[derive(Debug, SimpleObject)]
pub struct RemoveWebhookPayload {
    /// The person, as it is now.
    pub me: User,
    /// What to mend.
    pub user_errors: Vec<UserError>,
}

/// A message to try a channel.
#[derive(Debug, InputObject)]
pub struct SendTestNotificationInput {
    /// The channel to try.
    pub channel: Way,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What trying a channel came to.
#[derive(Debug, SimpleObject)]
pub struct SendTestNotificationPayload {
    /// What is on its way.
    pub notification: Option<Notification>,
    /// What to mend.
    pub user_errors: Vec<UserError>,
}

/// Changes that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Notes that notifications were read; those that were read before stay as they are. User errors: NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] input: MarkNotificationsReadInput,
    ) -> Result<MarkNotificationsReadPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let ids = input.notification_ids.as_deref();
        if ids.is_some_and(|ids| ids.len() > IDS_MAX) {
            let message = format!("at most {IDS_MAX} ids at once");
            return Err(ApiError::bad_input(message).into_graphql());
        }
        let ids: Option<Vec<Uuid>> = ids.map(|ids| ids.iter().filter_map(access::id).collect());
        let (desk, key) = (ctx.data::<Desk>()?, input.idempotency_key.as_deref());
        let mark = |once| desk.mark_read(once, ids.as_deref());
        let marked = Once::ask(viewer, "markNotificationsRead", key, mark).await;
        let (marked_count, user_errors) = told(marked)?;
        let marked_count = marked_count.unwrap_or_default();
        Ok(MarkNotificationsReadPayload { me: User(viewer), marked_count, user_errors })
    }

    /// Chooses what one hears of by which channel; the rest stays as it is. User errors: NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn set_notification_preferences(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The choices.")] input: SetNotificationPreferencesInput,
    ) -> Result<SetNotificationPreferencesPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        if input.preferences.len() > PREFERENCES_MAX {
            let message = format!("at most {PREFERENCES_MAX} preferences at once");
            return Err(ApiError::bad_input(message).into_graphql());
        }
        let choices: Vec<_> =
            input.preferences.iter().map(|one| (one.kind, one.channel, one.enabled)).collect();
        let (desk, key) = (ctx.data::<Desk>()?, input.idempotency_key.as_deref());
        let choose = |once| desk.choose(once, &choices);
        let chosen = Once::ask(viewer, "setNotificationPreferences", key, choose).await;
        let (_, user_errors) = told(chosen)?;
        Ok(SetNotificationPreferencesPayload { me: User(viewer), user_errors })
    }

    /// Has one's notifications sent to an address as signed HTTP requests from now on, in place of the
    /// address before. User errors: INVALID_URL, CHANNEL_UNAVAILABLE, NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn set_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where they are sent to.")] input: SetWebhookInput,
    ) -> Result<SetWebhookPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (desk, key) = (ctx.data::<Desk>()?, input.idempotency_key.as_deref());
        let set = |once| desk.set_webhook(once, &input.url);
        let (set, user_errors) = told(Once::ask(viewer, "setWebhook", key, set).await)?;
        let (webhook, secret) = set.map_or((None, None), |set| (set.webhook, set.secret));
        Ok(SetWebhookPayload { webhook: webhook.map(Webhook::from), secret, user_errors })
    }

    /// Has one's notifications sent there no longer. User errors: WEBHOOK_NOT_FOUND, NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn remove_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RemoveWebhookInput,
    ) -> Result<RemoveWebhookPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (desk, key) = (ctx.data::<Desk>()?, input.idempotency_key.as_deref());
        let remove = |once| desk.remove_webhook(once, &input.url);
        let removed = Once::ask(viewer, "removeWebhook", key, remove).await;
        let (_, user_errors) = told(removed)?;
        Ok(RemoveWebhookPayload { me: User(viewer), user_errors })
    }

    /// Announces something to everybody with an account, but oneself; for administrators
    /// (`announcements:send`). It answers at once, and people are told in the background.
    /// User errors: INVALID_TITLE, INVALID_BODY, INVALID_IDEMPOTENCY_KEY, NO_ACCOUNT. While too much waits: QUEUE_FULL
    /// with `retryAfter` in seconds.
    #[graphql(requires_scopes = "announcements:send")]
    async fn announce(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is announced.")] input: AnnounceInput,
    ) -> Result<AnnouncementPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?;
        let AnnounceInput { title, body, idempotency_key } = input;
        let (announcer, draft) = (ctx.data::<Announcer>()?, Draft { title, body });
        let announce = |once| announcer.to_all(viewer, once, draft);
        let key = idempotency_key.as_deref();
        let made = Once::ask(viewer.id, "announce", key, announce).await;
        let (announcement, user_errors) = told(made)?;
        Ok(AnnouncementPayload { announcement: announcement.map(Announcement), user_errors })
    }

    /// Announces something to all who take part in a meeting, but oneself; for its host and for
    /// administrators (`announcements:send`). It answers at once, and people are told in the background.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, INVALID_TITLE, INVALID_BODY, INVALID_IDEMPOTENCY_KEY,
    /// NO_ACCOUNT. While too much waits: QUEUE_FULL with `retryAfter` in seconds.
    async fn announce_to_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is announced to whom.")] input: AnnounceToMeetingInput,
    ) -> Result<AnnouncementPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?;
        let AnnounceToMeetingInput { meeting_id, title, body, idempotency_key } = input;
        let (announcer, draft) = (ctx.data::<Announcer>()?, Draft { title, body });
        let meeting = access::id(&meeting_id);
        let announce = |once| announcer.to_meeting(viewer, once, meeting, draft);
        let key = idempotency_key.as_deref();
        let made = Once::ask(viewer.id, "announceToMeeting", key, announce).await;
        let (announcement, user_errors) = told(made)?;
        Ok(AnnouncementPayload { announcement: announcement.map(Announcement), user_errors })
    }

    /// Sends oneself a message to see whether it arrives, whatever was chosen. User errors:
    /// CHANNEL_UNAVAILABLE, NO_ACCOUNT, INVALID_IDEMPOTENCY_KEY. While too much waits: QUEUE_FULL with `retryAfter`
    /// in seconds.
    async fn send_test_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which channel.")] input: SendTestNotificationInput,
    ) -> Result<SendTestNotificationPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (desk, key) = (ctx.data::<Desk>()?, input.idempotency_key.as_deref());
        let test = |once| desk.test(once, input.channel);
        let sent = Once::ask(viewer, "sendTestNotification", key, test).await;
        let (notification, user_errors) = told(sent)?;
        let notification = notification.map(Notification);
        Ok(SendTestNotificationPayload { notification, user_errors })
    }
}

/// What came of a request, and what to mend.
fn told<T>(outcome: std::result::Result<T, Refused>) -> Result<(Option<T>, Vec<UserError>)> {
    Ok(match outcome {
        Ok(done) => (Some(done), Vec::new()),
        Err(refused) => (None, refused.told()?),
    })
}
