//! Types.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::page::{Connection, Page};
use sqlx::PgPool;
use uuid::Uuid;

use super::loader::{Known, Reads};
use crate::desk::Desk;
use crate::domain::kind::Kind;
use crate::domain::language::Language;
use crate::domain::way::Way;
use crate::store::notification::{self, NotificationRow};
use crate::store::webhook::{self, WebhookRow};
use crate::store::{preference, recipient};

/// Which notifications a list shows. Everything that is given must fit.
#[derive(Debug, Default, InputObject)]
pub struct NotificationFilter {
    /// Only those that aren't read yet, or only those that are.
    pub unread: Option<bool>,
    /// Of one of these kinds.
    pub kind: Option<Vec<Kind>>,
}

/// A notification of the asker's own.
#[derive(Debug, Clone)]
pub struct Notification(pub NotificationRow);

impl Notification {
    /// Its text in the language of its owner.
    async fn text(&self, ctx: &Context<'_>) -> Result<(String, String)> {
        let reads = ctx.data::<Reads>()?;
        let people = [Some(self.0.user_id), self.0.person_id];
        let known = reads.load_many(people.into_iter().flatten().map(Known)).await.internal()?;
        let owner = known.get(&Known(self.0.user_id));
        let language = Language::of(owner.map_or("", |owner| &owner.locale));
        let person = self.0.person_id.and_then(|person| known.get(&Known(person)));
        Ok(self.0.kind.text(language, &self.0.words, person.map(|person| person.name.as_str())))
    }
}

/// Something that one is told.
#[Object]
impl Notification {
    /// Id of the notification.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is about.
    async fn kind(&self) -> Kind {
        self.0.kind
    }

    /// One line, in one's own language.
    async fn title(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.text(ctx).await?.0)
    }

    /// A sentence or two, in one's own language.
    async fn body(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.text(ctx).await?.1)
    }

    /// The meeting that it is about; null when one may not see it any more.
    async fn meeting(&self) -> Option<Meeting> {
        self.0.meeting_id.map(|id| Meeting { id: id.into() })
    }

    /// The todo that it is about, likewise.
    async fn todo(&self) -> Option<Todo> {
        self.0.todo_id.map(|id| Todo { id: id.into() })
    }

    /// Whom it is about, besides whom it is told; null when nobody, or they have no account any more.
    async fn person(&self) -> Option<User> {
        self.0.person_id.map(User)
    }

    /// Id of the task that it is about.
    async fn task_id(&self) -> Option<ID> {
        self.0.task_id.map(ID::from)
    }

    /// When it came.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was read; null: not yet.
    async fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read_at
    }
}

/// A gathering of people.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Meeting {
    /// Id of the meeting.
    pub id: ID,
}

/// Something that somebody is to do.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Todo {
    /// Id of the todo.
    pub id: ID,
}

/// A person with an account.
#[derive(Debug, Clone, Copy)]
pub struct User(pub Uuid);

impl User {
    /// Whether it is the asker.
    fn is_oneself(self, ctx: &Context<'_>) -> bool {
        matches!(Identity::from_ctx(ctx), Identity::Viewer(viewer) if viewer.id == self.0)
    }
}

/// A person with an account.
#[Object]
impl User {
    /// The person's id.
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// What the person was told, the newest first; null unless it is oneself.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many notifications, at most 100 (20 when it isn't given).")]
        first: Option<i32>,
        #[graphql(desc = "The cursor of the notification after which to begin.")] after: Option<
            String,
        >,
        #[graphql(desc = "Which ones; all when it isn't given.")] filter: Option<
            NotificationFilter,
        >,
    ) -> Result<Option<Connection<Notification>>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let page = Page::new(first, after.as_deref())?;
        let pool = ctx.data::<PgPool>()?;
        let NotificationFilter { unread, kind } = filter.unwrap_or_default();
        let (is_read, kinds) = (unread.map(|unread| !unread), kind.as_deref());
        let rows =
            notification::inbox(pool, self.0, is_read, kinds, page.after, page.limit()).await;
        let rows = rows.internal()?;
        let items = rows.into_iter().map(Notification).collect();
        Ok(Some(Connection::new(page, items, |item: &Notification| item.0.id)))
    }

    /// How many notifications the person hasn't read; null unless it is oneself.
    async fn unread_notification_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let count = notification::unread(ctx.data::<PgPool>()?, self.0).await.internal()?;
        Ok(Some(i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// What the person hears of by which channel; null unless it is oneself.
    async fn notification_preferences(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<Vec<NotificationPreference>>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let rows = preference::of_user(ctx.data::<PgPool>()?, self.0).await.internal()?;
        let chosen = |kind: Kind, channel: Way| {
            let made = rows
                .iter()
                .find(|row| row.kind == kind.as_str() && row.channel == channel.as_str());
            made.map_or_else(|| channel.is_on_by_default(kind), |row| row.is_on)
        };
        let all = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Test).flat_map(|kind| {
            Way::ALL.map(|channel| NotificationPreference {
                kind,
                channel,
                enabled: chosen(kind, channel),
            })
        });
        Ok(Some(all.collect()))
    }

    /// The channels by which this installation can reach the person now; null unless it is oneself.
    async fn notification_channels(&self, ctx: &Context<'_>) -> Result<Option<Vec<Way>>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let to = recipient::by_id(ctx.data::<PgPool>()?, self.0).await.internal()?;
        let channels = &ctx.data::<Desk>()?.config.channels;
        let mut ways: Vec<Way> =
            std::iter::once(Way::Inbox).chain(channels.reaching(to.as_ref())).collect();
        ways.sort_unstable();
        Ok(Some(ways))
    }

    /// Where the person's notifications are sent to; null when they are sent nowhere, and unless it is
    /// oneself.
    async fn webhook(&self, ctx: &Context<'_>) -> Result<Option<Webhook>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let found = webhook::of_user(ctx.data::<PgPool>()?, self.0).await.internal()?;
        Ok(found.map(Webhook::from))
    }
}

/// Whether one hears of something by a channel.
#[derive(Debug, Clone, SimpleObject)]
pub struct NotificationPreference {
    /// Of what.
    pub kind: Kind,
    /// By which channel.
    pub channel: Way,
    /// Whether one hears of it.
    pub enabled: bool,
}

/// Where notifications are sent to as signed HTTP requests.
#[derive(Debug, Clone, SimpleObject)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// When it was set up.
    pub created_at: DateTime<Utc>,
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self { url: row.url, created_at: row.created_at }
    }
}
