//! Minutes are looked over by those who take part: sections are mended, verified and, by the host,
//! reopened. Minutes are final while all of their sections are verified.
//!
//! Every change names the version that its author saw; of two at once the second is told.

use chrono::Utc;
use platform::cache::Kind;
use platform::departure;
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::membership::Membership;
use platform::outbox::Outbox;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::domain::edit::{check_body, check_title};
use crate::domain::refusal::Refusal;
use crate::error::EditError;
use crate::events::{self, SectionChange};
use crate::host::Hosts;
use crate::schema::loader;
use crate::store::minutes::{self, SectionRow};

/// Why a section didn't change.
pub type SectionError = EditError<SectionRow>;

/// Takes what people do to sections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Review {
    pool: PgPool,
    outbox: Outbox,
    membership: Membership,
    hosts: Hosts,
    cached: Kind<Vec<SectionRow>>,
    cache: platform::cache::Cache,
}

impl Review {
    /// Over the minutes in the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, membership: Membership, hosts: Hosts) -> Self {
        Self {
            pool: kernel.pool.clone(),
            outbox: kernel.outbox.clone(),
            membership,
            hosts,
            cached: loader::sections(&kernel.cache),
            cache: kernel.cache.clone(),
        }
    }

    /// Changes the words of a section that isn't verified.
    ///
    /// # Errors
    /// [`SectionError`].
    pub async fn update(
        &self,
        once: Once<'_>,
        id: &str,
        version: i32,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<SectionRow, SectionError> {
        let viewer = once.viewer();
        let seen = self.visible(viewer, id).await?;
        let title = title.map(check_title).transpose()?;
        let body = body.map(check_body).transpose()?;
        let (mut tx, mut row) = self.lock(viewer, &seen).await?;
        if once.of(row.id).is_repeated(&mut tx).await? {
            return Ok(row);
        }
        if row.version != version {
            return Err(EditError::Conflict(Box::new(row)));
        }
        if row.verified_at.is_some() {
            return Err(Refusal::SectionLocked.into());
        }
        row.title = title.unwrap_or(row.title);
        row.body = body.unwrap_or(row.body);
        (row.edited_at, row.edited_by) = (Some(Utc::now()), Some(viewer));
        self.write(tx, &row, SectionChange::Updated, viewer).await
    }

    /// Verifies a section as its author saw it, and locks it. One that is verified already is
    /// answered as it is.
    ///
    /// # Errors
    /// [`SectionError`].
    pub async fn verify(
        &self,
        once: Once<'_>,
        id: &str,
        version: i32,
    ) -> Result<SectionRow, SectionError> {
        let viewer = once.viewer();
        let seen = self.visible(viewer, id).await?;
        let (mut tx, mut row) = self.lock(viewer, &seen).await?;
        if once.of(row.id).is_repeated(&mut tx).await? {
            return Ok(row);
        }
        // Verifying leaves the words as they are: who saw them before sees them now.
        let is_same = |verified: bool| version == row.version - i32::from(verified);
        match row.verified_at {
            Some(_) if version == row.version || is_same(true) => {
                tx.commit().await?;
                return Ok(row);
            }
            None if is_same(false) => {}
            _ => return Err(EditError::Conflict(Box::new(row))),
        }
        (row.verified_at, row.verified_by) = (Some(Utc::now()), Some(viewer));
        self.write(tx, &row, SectionChange::Verified, viewer).await
    }

    /// Reopens a verified section; for the host. One that is open already is answered as it is.
    ///
    /// # Errors
    /// [`SectionError`].
    pub async fn reopen(
        &self,
        once: Once<'_>,
        id: &str,
        version: i32,
    ) -> Result<SectionRow, SectionError> {
        let viewer = once.viewer();
        let seen = self.visible(viewer, id).await?;
        if !self.hosts.leads(seen.meeting_id, viewer).await? {
            return Err(Refusal::NotHost.into());
        }
        let (mut tx, mut row) = self.lock(viewer, &seen).await?;
        if once.of(row.id).is_repeated(&mut tx).await? {
            return Ok(row);
        }
        let is_same = |open: bool| version == row.version - i32::from(open);
        match row.verified_at {
            None if version == row.version || is_same(true) => {
                tx.commit().await?;
                return Ok(row);
            }
            Some(_) if is_same(false) => {}
            _ => return Err(EditError::Conflict(Box::new(row))),
        }
        (row.verified_at, row.verified_by) = (None, None);
        self.write(tx, &row, SectionChange::Reopened, viewer).await
    }

    /// A section of a meeting that the viewer takes part in.
    async fn visible(&self, viewer: Uuid, id: &str) -> Result<SectionRow, SectionError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::SectionNotFound)?;
        let found = minutes::sections_by_ids(&self.pool, &[id]).await?.pop();
        let found = found.ok_or(Refusal::SectionNotFound)?;
        match self.membership.contains(found.meeting_id, viewer).await? {
            true => Ok(found),
            false => Err(Refusal::SectionNotFound.into()),
        }
    }

    async fn lock(
        &self,
        viewer: Uuid,
        seen: &SectionRow,
    ) -> Result<(Transaction<'static, Postgres>, SectionRow), SectionError> {
        let mut tx = departure::begin(&self.pool, viewer).await?;
        self.outbox.order(&mut tx, seen.meeting_id).await?;
        // It is gone when the minutes were drafted anew in between.
        let row = minutes::lock_section(&mut tx, seen.id).await?;
        Ok((tx, row.ok_or(Refusal::SectionNotFound)?))
    }

    /// Writes the section and what follows for its minutes, and tells it, in one transaction.
    async fn write(
        &self,
        mut tx: Transaction<'static, Postgres>,
        row: &SectionRow,
        change: SectionChange,
        actor: Uuid,
    ) -> Result<SectionRow, SectionError> {
        let row = minutes::write_section(&mut tx, row).await?;
        let settled = minutes::settle(&mut tx, row.minutes_id).await?;
        let stale = vec![self.cached.key(row.minutes_id)];
        let told = events::section_changed(&row, &settled, change, actor, stale.clone());
        self.outbox.append(&mut tx, told).await?;
        if settled.is_new && settled.status == "FINAL" {
            let by = minutes::verifiers(&mut tx, row.minutes_id).await?;
            self.outbox.append(&mut tx, events::transcript_verified(&row, &settled, &by)).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        self.cache.invalidate(&stale).await;
        Ok(row)
    }
}
