//! What administrators and operators do with accounts: giving and taking roles, shutting and opening.

use platform::{
    cache::{Cache, Kind},
    idempotency::{BadKey, Once},
    outbox::Outbox,
};
use sqlx::{PgConnection, PgPool};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    domain::{
        account::{Email, Refusal},
        role::{Permission, Role, Standing},
    },
    events,
    store::{
        session,
        user::{self, UserRecord},
    },
};

/// What is done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It gets a role.
    Grant(Role),
    /// It loses a role.
    Revoke(Role),
    /// It is shut: nobody logs in, and its sessions end.
    Disable,
    /// It is open again.
    Enable,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum StepError {
    /// Whoever asked can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Which account is meant.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    /// The one with this id.
    Id(Uuid),
    /// The one with this email address, as typed.
    Email(&'a str),
}

/// Looks after accounts; cheap to clone.
#[derive(Clone)]
pub struct Administration {
    pool: PgPool,
    cache: Cache,
    outbox: Outbox,
    profiles: Kind<UserRecord>,
    standings: Kind<Standing>,
}

impl Administration {
    /// Over this database, whose values are in this cache.
    #[must_use]
    pub fn new(pool: PgPool, cache: Cache, outbox: Outbox) -> Self {
        Self {
            profiles: cache.kind("user.profile").versioned(UserRecord::cached_version),
            standings: cache.kind("user.permissions"),
            pool,
            cache,
            outbox,
        }
    }

    /// The cached profiles.
    #[must_use]
    pub fn profiles(&self) -> &Kind<UserRecord> {
        &self.profiles
    }

    /// What the cache holds of somebody.
    #[must_use]
    pub fn cache_keys(&self, id: Uuid) -> Vec<String> {
        vec![self.profiles.key(id), self.standings.key(id)]
    }

    /// Whether somebody may do this now, whatever their access token says; nobody may whose account is
    /// gone or shut.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn permits(&self, id: Uuid, permission: Permission) -> Result<bool, sqlx::Error> {
        let load = async |missing: Vec<Uuid>| user::standings(&self.pool, &missing).await;
        let found = self.standings.get_many(&[id], load).await?;
        Ok(found.get(&id).is_some_and(|standing| standing.permits(permission)))
    }

    /// Does something with an account, at somebody's request or, by a command, at the operator's. What is so
    /// already is answered as it is.
    ///
    /// # Errors
    /// [`StepError`]; `LAST_ADMIN` for what would leave nobody who administers.
    pub async fn step(
        &self,
        request: Option<Once<'_>>,
        account: Account<'_>,
        step: Step,
    ) -> Result<UserRecord, StepError> {
        let actor = request.as_ref().map(Once::viewer);
        let mut tx = self.pool.begin().await?;
        // Whoever else takes a role or shuts an account waits: two can't take away the last two.
        let admins = user::lock_admins(&mut tx).await?;
        let id = match account {
            Account::Id(id) => Some(id),
            Account::Email(email) => id_by_email(&mut tx, email).await?,
        };
        let id = id.ok_or(Refusal::UserNotFound)?;
        let before = user::lock(&mut tx, id).await?.ok_or(Refusal::UserNotFound)?;
        if let Some(once) = request
            && once.of(id).is_repeated(&mut tx).await?
        {
            return Ok(before);
        }
        let mut after = before.clone();
        match step {
            Step::Grant(Role::User) | Step::Revoke(Role::User) => {
                return Err(Refusal::RoleOfAll.into());
            }
            Step::Grant(role) if before.has(role) => {}
            Step::Grant(role) => after.roles.push(role.as_str().to_owned()),
            Step::Revoke(role) => after.roles.retain(|name| Role::parse(name) != Some(role)),
            Step::Disable if actor == Some(id) => return Err(Refusal::OwnAccount.into()),
            Step::Disable => after.disabled_at = before.disabled_at.or(Some(chrono::Utc::now())),
            Step::Enable => after.disabled_at = None,
        }
        if after == before {
            tx.commit().await?;
            return Ok(before);
        }
        let administers = |user: &UserRecord| user.has(Role::Admin) && user.disabled_at.is_none();
        if administers(&before) && !administers(&after) && admins == [id] {
            return Err(Refusal::LastAdmin.into());
        }
        let after = user::write_standing(&mut tx, &after).await?;
        if after.disabled_at.is_some() {
            session::revoke_all(&mut tx, id).await?;
        }
        let keys = self.cache_keys(id);
        self.outbox.append(&mut tx, events::user_updated(&after, keys.clone())).await?;
        tx.commit().await?;
        tracing::info!(user_id = %id, actor = ?actor, ?step, "an account was administered");
        // The relay drops them too, before it publishes: this is for who asks right away.
        self.cache.invalidate(&keys).await;
        self.outbox.wake();
        Ok(after)
    }
}

async fn id_by_email(tx: &mut PgConnection, email: &str) -> Result<Option<Uuid>, StepError> {
    let email = Email::parse(email)?;
    Ok(user::id_by_email(tx, email.as_str()).await?)
}
