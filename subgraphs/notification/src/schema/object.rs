//! Types.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::Internal as _;
use platform::identity::Identity;
use platform::page::{Connection, Page};
use sqlx::PgPool;
use uuid::Uuid;

use super::loader::{LocaleOf, Reads};
use crate::domain::kind::Kind;
use crate::domain::language::Language;
use crate::store::notification::{self, NotificationRow};

/// A notification of the asker's own.
#[derive(Debug, Clone)]
pub struct Notification(pub NotificationRow);

impl Notification {
    /// Its text in the language of its owner.
    async fn text(&self, ctx: &Context<'_>) -> Result<(String, String)> {
        let reads = ctx.data::<Reads>()?;
        let locale = reads.load_one(LocaleOf(self.0.user_id)).await.internal()?;
        let language = Language::of(locale.as_deref().unwrap_or_default());
        Ok(self.0.kind.text(language, &self.0.words))
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
    ) -> Result<Option<Connection<Notification>>> {
        if !self.is_oneself(ctx) {
            return Ok(None);
        }
        let page = Page::new(first, after.as_deref())?;
        let pool = ctx.data::<PgPool>()?;
        let rows = notification::inbox(pool, self.0, page.after, page.limit()).await.internal()?;
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
}
