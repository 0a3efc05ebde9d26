//! What can be done with a todo: making it, changing it, moving it on.

use async_graphql::MaybeUndefined;
use chrono::{DateTime, Utc};
use platform::cache::{Cache, Kind};
use platform::departure;
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::membership::Membership;
use platform::outbox::Outbox;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::domain::plan::{check_description, check_title};
use crate::domain::priority::Priority;
use crate::domain::refusal::Refusal;
use crate::domain::status::Status;
use crate::error::TodoError;
use crate::events::{self, Happening, Told};
use crate::store::todo::{self, Statistics, TodoRow};

/// What somebody who makes a todo gives.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be done, as typed.
    pub title: String,
    /// The same at length.
    pub description: Option<String>,
    /// The meeting that it belongs to.
    pub meeting_id: Option<String>,
    /// Who is to do it.
    pub assignee_id: Option<String>,
    /// By when.
    pub due_at: Option<DateTime<Utc>>,
    /// How pressing it is.
    pub priority: Option<Priority>,
}

/// What is to change of a todo; what is left out stays.
#[derive(Debug, Default)]
pub struct Change {
    /// New title.
    pub title: Option<String>,
    /// New description; an empty one is none.
    pub description: Option<String>,
    /// Who is to do it; null: nobody.
    pub assignee_id: MaybeUndefined<String>,
    /// By when; null: at any time.
    pub due_at: MaybeUndefined<DateTime<Utc>>,
    /// How pressing it is.
    pub priority: Option<Priority>,
}

/// The todos. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Todos {
    pool: PgPool,
    outbox: Outbox,
    membership: Membership,
    cache: Cache,
    newest: Kind<Vec<TodoRow>>,
    statistics: Kind<Statistics>,
}

impl Todos {
    /// The todos in the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, membership: Membership) -> Self {
        Self {
            pool: kernel.pool.clone(),
            outbox: kernel.outbox.clone(),
            membership,
            cache: kernel.cache.clone(),
            newest: kernel.cache.kind("todo.of_user"),
            statistics: kernel.cache.kind("todo.statistics"),
        }
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The cached newest todos of each person: the longest page, and one more.
    #[must_use]
    pub fn cached_newest(&self) -> &Kind<Vec<TodoRow>> {
        &self.newest
    }

    /// The cached statistics of each person.
    #[must_use]
    pub fn cached_statistics(&self) -> &Kind<Statistics> {
        &self.statistics
    }

    /// Drops what the cache holds of these people, after a commit that changed it. The relay drops it
    /// too, before it publishes: this is for who asks right away.
    pub async fn drop_cached(&self, owners: impl Iterator<Item = Uuid>) {
        let owners: Vec<Uuid> = owners.collect();
        if !owners.is_empty() {
            self.cache.invalidate(&self.cache_keys(&owners)).await;
        }
    }

    pub(crate) fn cache_keys(&self, owners: &[Uuid]) -> Vec<String> {
        let keys = |owner: &Uuid| [self.newest.key(owner), self.statistics.key(owner)];
        owners.iter().flat_map(keys).collect()
    }

    /// Makes a todo.
    ///
    /// # Errors
    /// [`TodoError`]; refusals name the field to mend.
    pub async fn create(&self, once: Once<'_>, plan: Plan) -> Result<TodoRow, TodoError> {
        let viewer = once.viewer();
        let title = check_title(&plan.title)?;
        let description = check_description(plan.description.as_deref())?;
        let meeting_id = match plan.meeting_id.as_deref() {
            None => None,
            Some(id) => Some(self.meeting(viewer, id).await?),
        };
        let assignee_id = match plan.assignee_id.as_deref() {
            None => meeting_id.is_none().then_some(viewer),
            Some(id) => Some(self.assignee(viewer, meeting_id, id).await?),
        };
        let now = Utc::now();
        let new = TodoRow {
            id: Uuid::now_v7(),
            meeting_id,
            title,
            description,
            status: Status::Open,
            assignee_id,
            created_by: Some(viewer),
            due_at: plan.due_at,
            priority: plan.priority.unwrap_or(Priority::Normal),
            evidence: Vec::new(),
            task_id: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut tx = departure::begin(&self.pool, viewer).await?;
        if let Some(assignee) = assignee_id {
            refuse_gone(&mut tx, assignee).await?;
        }
        self.outbox.order(&mut tx, events::ordering_key(&new)).await?;
        let once = match meeting_id {
            Some(meeting) => once.of(meeting),
            None => once,
        };
        if let Some(earlier) = once.answer(&mut tx, new.id).await? {
            return Ok(todo::lock(&mut tx, earlier).await?.ok_or(Refusal::TodoNotFound)?);
        }
        let row = todo::insert(&mut tx, &new).await?;
        self.tell(&mut tx, &row, Happening::Created, Some(viewer), None).await?;
        self.commit(tx, &row, None).await?;
        Ok(row)
    }

    /// Changes a todo that isn't finished.
    ///
    /// # Errors
    /// [`TodoError`]; `VERSION_CONFLICT` when somebody else was faster.
    pub async fn update(
        &self,
        once: Once<'_>,
        id: &str,
        version: i32,
        change: Change,
    ) -> Result<TodoRow, TodoError> {
        let viewer = once.viewer();
        let seen = self.visible(viewer, id).await?;
        // Asked before the transaction: another service may have to answer.
        let assignee_id = match &change.assignee_id {
            MaybeUndefined::Value(id) => {
                MaybeUndefined::Value(self.assignee(viewer, seen.meeting_id, id).await?)
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        };
        let named = assignee_id.value().copied();
        let (mut tx, mut row) = match self.lock(once, &seen, Some(version), named).await? {
            Locked::Now(tx, row) => (tx, row),
            Locked::Answered(row) => return Ok(row),
        };
        if row.status.is_final() {
            return Err(Refusal::Finished.into());
        }
        if let Some(title) = &change.title {
            row.title = check_title(title)?;
        }
        if let Some(description) = &change.description {
            row.description = check_description(Some(description))?;
        }
        if let Some(priority) = change.priority {
            row.priority = priority;
        }
        change.due_at.update_to(&mut row.due_at);
        let before = row.assignee_id;
        assignee_id.update_to(&mut row.assignee_id);
        let row = todo::update(&mut tx, &row).await?;
        let happening = Happening::Updated { assignee_changed: row.assignee_id != before };
        self.tell(&mut tx, &row, happening, Some(viewer), before).await?;
        self.commit(tx, &row, before).await?;
        Ok(row)
    }

    /// Moves a todo on; one that is there already is answered as it is.
    ///
    /// # Errors
    /// [`TodoError`].
    pub async fn set_status(
        &self,
        once: Once<'_>,
        id: &str,
        version: Option<i32>,
        to: Status,
    ) -> Result<TodoRow, TodoError> {
        let viewer = once.viewer();
        let seen = self.visible(viewer, id).await?;
        let (mut tx, mut row) = match self.lock(once, &seen, version, None).await? {
            Locked::Now(tx, row) => (tx, row),
            Locked::Answered(row) => return Ok(row),
        };
        let from = row.status;
        if !from.go(to)? {
            tx.commit().await?;
            return Ok(row);
        }
        row.status = to;
        let row = todo::update(&mut tx, &row).await?;
        self.tell(&mut tx, &row, Happening::StatusChanged { from }, Some(viewer), None).await?;
        if to == Status::Done {
            self.tell(&mut tx, &row, Happening::Completed, Some(viewer), None).await?;
        }
        self.commit(tx, &row, None).await?;
        Ok(row)
    }

    /// Writes todos that were found in a text, and tells of them. The caller's transaction holds the
    /// meeting's ordering key; after its commit comes [`Todos::drop_cached`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn propose(
        &self,
        tx: &mut PgConnection,
        found: &[TodoRow],
    ) -> Result<(), sqlx::Error> {
        for new in found {
            let row = todo::insert(tx, new).await?;
            self.tell(tx, &row, Happening::Created, None, None).await?;
        }
        Ok(())
    }

    /// Tells of a todo, in order with all else about its meeting, and live to those whose own it is
    /// or was.
    async fn tell(
        &self,
        tx: &mut PgConnection,
        row: &TodoRow,
        happening: Happening,
        actor_id: Option<Uuid>,
        assignee_before: Option<Uuid>,
    ) -> Result<(), sqlx::Error> {
        let progress = match row.meeting_id {
            Some(meeting) => Some(todo::progress(tx, meeting).await?),
            None => None,
        };
        let mut owners: Vec<Uuid> = row.assignee_id.into_iter().chain(assignee_before).collect();
        // Always after the meeting's key, and in their order: nobody waits in a circle.
        owners.sort_unstable();
        owners.dedup();
        let invalidates = self.cache_keys(&owners);
        let told = Told { row, happening, actor_id, progress, invalidates: &invalidates };
        self.outbox.append(tx, told.event()).await?;
        for owner in owners {
            self.outbox.append(tx, told.live(owner)).await?;
        }
        Ok(())
    }

    /// A todo that `viewer` may see: of a meeting that they take part in, or their own.
    async fn visible(&self, viewer: Uuid, id: &str) -> Result<TodoRow, TodoError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::TodoNotFound)?;
        let found = todo::by_ids(&self.pool, &[id]).await?.pop().ok_or(Refusal::TodoNotFound)?;
        let visible = match found.meeting_id {
            Some(meeting) => self.membership.contains(meeting, viewer).await?,
            None => is_own(&found, viewer),
        };
        if visible { Ok(found) } else { Err(Refusal::TodoNotFound.into()) }
    }

    /// Locks a todo, and refuses an editor who saw an older version, unless it is what they did themselves; `named`
    /// is who is to do it since.
    async fn lock(
        &self,
        once: Once<'_>,
        seen: &TodoRow,
        version: Option<i32>,
        named: Option<Uuid>,
    ) -> Result<Locked, TodoError> {
        let mut tx = departure::begin(&self.pool, once.viewer()).await?;
        if let Some(named) = named {
            refuse_gone(&mut tx, named).await?;
        }
        self.outbox.order(&mut tx, events::ordering_key(seen)).await?;
        let row = todo::lock(&mut tx, seen.id).await?.ok_or(Refusal::TodoNotFound)?;
        if once.of(row.id).is_repeated(&mut tx).await? {
            return Ok(Locked::Answered(row));
        }
        if version.is_some_and(|version| version != row.version) {
            return Err(Refusal::VersionConflict.into());
        }
        Ok(Locked::Now(tx, row))
    }

    async fn meeting(&self, viewer: Uuid, id: &str) -> Result<Uuid, TodoError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::MeetingNotFound)?;
        match self.membership.contains(id, viewer).await? {
            true => Ok(id),
            false => Err(Refusal::MeetingNotFound.into()),
        }
    }

    async fn assignee(
        &self,
        viewer: Uuid,
        meeting: Option<Uuid>,
        id: &str,
    ) -> Result<Uuid, TodoError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::InvalidAssignee)?;
        let possible = match meeting {
            Some(meeting) => self.membership.contains(meeting, id).await?,
            None => id == viewer,
        };
        if possible { Ok(id) } else { Err(Refusal::InvalidAssignee.into()) }
    }

    async fn commit(
        &self,
        tx: Transaction<'_, Postgres>,
        row: &TodoRow,
        assignee_before: Option<Uuid>,
    ) -> Result<(), sqlx::Error> {
        tx.commit().await?;
        self.drop_cached(row.assignee_id.into_iter().chain(assignee_before)).await;
        self.outbox.wake();
        Ok(())
    }
}

/// A todo that somebody wants to change.
enum Locked {
    /// As it is, locked.
    Now(Transaction<'static, Postgres>, TodoRow),
    /// The change was made before, under the same key: as it is.
    Answered(TodoRow),
}

/// Refuses to name somebody whose account is deleted.
async fn refuse_gone(tx: &mut PgConnection, assignee: Uuid) -> Result<(), TodoError> {
    match departure::has_gone(tx, assignee).await? {
        true => Err(Refusal::InvalidAssignee.into()),
        false => Ok(()),
    }
}

/// Whether a todo of no meeting is somebody's.
#[must_use]
pub fn is_own(row: &TodoRow, viewer: Uuid) -> bool {
    row.created_by == Some(viewer) || row.assignee_id == Some(viewer)
}
