//! What administrators see and do.

use async_graphql::{Context, ID, InputObject, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::{
    error::{ApiError, Internal as _, UserError},
    idempotency::Once,
    identity::Identity,
};
use uuid::Uuid;

use super::object::User;
use crate::{
    account::Accounts,
    administration::{Account as Meant, Step, StepError},
    domain::{
        account::Refusal,
        role::{Permission, Role},
    },
    error::AccountError,
    store::user::UserRecord,
};

/// An account as administrators see it.
#[derive(SimpleObject)]
pub struct Account {
    /// Whose it is.
    pub user: User,
    /// Email address.
    pub email: String,
    /// What it is.
    pub roles: Vec<Role>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was shut; null: it is open.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Its id, for the cursor.
    #[graphql(skip)]
    pub id: Uuid,
}

impl Account {
    /// An account as `identity`, who administers, may see it.
    #[must_use]
    pub fn seen_by(identity: &Identity, record: UserRecord) -> Self {
        Self {
            id: record.id,
            email: record.email.clone(),
            roles: record.standing().roles().collect(),
            created_at: record.created_at,
            disabled_at: record.disabled_at,
            user: User::seen_by(identity, record),
        }
    }
}

/// Which accounts a list shows. Everything that is given must fit.
#[derive(Default, InputObject)]
pub struct AccountFilter {
    /// Part of a name, or the beginning of an email address; at most 100 characters.
    pub search: Option<String>,
    /// With this role.
    pub role: Option<Role>,
    /// Only those that are shut, or only those that are open.
    pub disabled: Option<bool>,
}

/// Which role somebody is to have.
#[derive(InputObject)]
pub struct GrantRoleInput {
    /// Who.
    pub user_id: ID,
    /// Which role.
    pub role: Role,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which role somebody is to have no more.
#[derive(InputObject)]
pub struct RevokeRoleInput {
    /// Who.
    pub user_id: ID,
    /// Which role.
    pub role: Role,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which account is to be shut.
#[derive(InputObject)]
pub struct DisableAccountInput {
    /// Whose.
    pub user_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which account is to be open again.
#[derive(InputObject)]
pub struct EnableAccountInput {
    /// Whose.
    pub user_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is to be evicted from the cache.
#[derive(InputObject)]
pub struct EvictCacheInput {
    /// Kind of value, like `meeting`; `all` for everything.
    pub kind: String,
    /// Id of the value; without it, all values of the kind go.
    pub key: Option<String>,
}

/// An account as it stands after a mutation, or why nothing changed.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The account; null when refused.
    pub account: Option<Account>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// What eviction came to.
#[derive(SimpleObject)]
pub struct EvictCachePayload {
    /// How many values there were; null when refused, and when everything went.
    pub evicted: Option<i32>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// The accounts, and who administers them: the access token says that they may, and so does the database
/// now.
///
/// # Errors
/// `UNAUTHENTICATED` without a log-in, `FORBIDDEN` without the permission.
pub(super) async fn permitted<'a>(
    ctx: &Context<'a>,
    permission: Permission,
) -> Result<(&'a Accounts, Uuid)> {
    let viewer = Identity::from_ctx(ctx).viewer()?;
    let accounts = ctx.data::<Accounts>()?;
    let scoped = viewer.scopes.iter().any(|scope| scope == permission.as_str());
    if !scoped || !accounts.administration().permits(viewer.id, permission).await.internal()? {
        return Err(ApiError::forbidden().into_graphql());
    }
    Ok((accounts, viewer.id))
}

/// A mutation that does something with an account.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Its name.
    pub(super) mutation: &'static str,
    /// The key that was given.
    pub(super) key: Option<&'a str>,
    /// Whose account.
    pub(super) user: &'a ID,
}

/// Does something with an account, for who may.
pub(super) async fn step(ctx: &Context<'_>, ask: Ask<'_>, step: Step) -> Result<AccountPayload> {
    let (accounts, actor) = permitted(ctx, Permission::ManageUsers).await?;
    let work = async |once| match Uuid::parse_str(ask.user) {
        Ok(id) => accounts.administration().step(Some(once), Meant::Id(id), step).await,
        Err(_) => Err(StepError::Refused(Refusal::UserNotFound)),
    };
    let outcome = Once::ask(actor, ask.mutation, ask.key, work).await;
    Ok(match outcome {
        Ok(record) => AccountPayload {
            account: Some(Account::seen_by(Identity::from_ctx(ctx), record)),
            user_errors: Vec::new(),
        },
        Err(error) => {
            let error = AccountError::from(error).told()?;
            AccountPayload { account: None, user_errors: vec![error] }
        }
    })
}

/// Evicts from the cache, for who may.
pub(super) async fn evict(ctx: &Context<'_>, input: EvictCacheInput) -> Result<EvictCachePayload> {
    let (accounts, _) = permitted(ctx, Permission::EvictCache).await?;
    let cache = accounts.cache();
    let EvictCacheInput { kind, key } = input;
    if kind == "all" && key.is_none() {
        cache.evict_all().await.internal()?;
        return Ok(EvictCachePayload { evicted: None, user_errors: Vec::new() });
    }
    let kinds: Vec<&str> = platform::cache::kinds().map(|(kind, _)| kind).collect();
    if !kinds.contains(&kind.as_str()) {
        let message = format!("nothing of this kind is cached; there are {}", kinds.join(", "));
        let error = UserError::new("UNKNOWN_CACHE_KIND", message).on("kind");
        return Ok(EvictCachePayload { evicted: None, user_errors: vec![error] });
    }
    let evicted = cache.evict(&kind, key.as_deref()).await.internal()?;
    let evicted = i32::try_from(evicted).unwrap_or(i32::MAX);
    Ok(EvictCachePayload { evicted: Some(evicted), user_errors: Vec::new() })
}
