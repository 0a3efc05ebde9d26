//! Reading accounts.

use async_graphql::{Context, ID, Object, Result, dataloader::DataLoader};
use platform::{
    error::{ApiError, Internal as _},
    identity::Identity,
    page::{Connection, Page},
    search::{SEARCH_MAX_CHARS, typed},
};
use uuid::Uuid;

use super::{
    administration::{Account, AccountFilter, permitted},
    loader::UserLoader,
    object::User,
};
use crate::{
    account::Accounts,
    domain::role::{Permission, Role},
    store::user,
};

/// Most ids in one question of another service.
pub const MAX_EXIST_IDS: usize = 1_000;

/// Queries of the user subgraph.
pub struct Query;

/// Queries.
#[Object]
impl Query {
    /// The person who is logged in.
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let id = Identity::from_ctx(ctx).viewer()?.id;
        load(ctx, id).await
    }

    /// A person by id; null when there is none.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Result<Option<User>> {
        known(ctx)?;
        match Uuid::parse_str(&id) {
            Ok(id) => load(ctx, id).await,
            Err(_) => Ok(None),
        }
    }

    /// People whose name contains a text, or whose email address it is exactly; by name.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Part of a name, or a whole email address; 1 to 100 characters.")]
        search: String,
        #[graphql(desc = "Most people on the page: 20 unless given, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Cursor after which the page begins.")] after: Option<String>,
    ) -> Result<Connection<User>> {
        let identity = Identity::from_ctx(ctx);
        identity.viewer()?;
        let page = Page::new(first, after.as_deref())?;
        let Some(text) = typed(Some(&search))? else {
            let message = format!("`search` needs 1 to {SEARCH_MAX_CHARS} characters");
            return Err(ApiError::bad_input(message).into_graphql());
        };
        let pool = ctx.data::<Accounts>()?.pool();
        let rows = user::search(pool, text, page.after, page.limit()).await.internal()?;
        let people = rows.into_iter().map(|record| User::seen_by(identity, record)).collect();
        Ok(Connection::new(page, people, |user| user.record.id))
    }

    /// All accounts, the newest first; for administrators (`users:read`).
    #[graphql(requires_scopes = "users:read")]
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Most accounts on the page: 20 unless given, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Cursor after which the page begins.")] after: Option<String>,
        #[graphql(desc = "Which ones; all when left out.")] filter: Option<AccountFilter>,
    ) -> Result<Connection<Account>> {
        let (accounts, _) = permitted(ctx, Permission::ReadUsers).await?;
        let page = Page::new(first, after.as_deref())?;
        let AccountFilter { search, role, disabled } = filter.unwrap_or_default();
        let text = typed(search.as_deref())?;
        // Everybody is one.
        let role = role.filter(|role| *role != Role::User).map(Role::as_str);
        let rows =
            user::list(accounts.pool(), text, role, disabled, page.after, page.limit()).await;
        let identity = Identity::from_ctx(ctx);
        let found = rows.internal()?.into_iter().map(|row| Account::seen_by(identity, row));
        Ok(Connection::new(page, found.collect(), |account: &Account| account.id))
    }

    /// May somebody do this now? For other services only.
    #[graphql(inaccessible)]
    async fn permits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] user_id: ID,
        #[graphql(desc = "Name of the permission.")] permission: String,
    ) -> Result<bool> {
        Identity::from_ctx(ctx).service()?;
        match (Uuid::parse_str(&user_id), Permission::named(&permission)) {
            (Ok(id), Some(permission)) => {
                let administration = ctx.data::<Accounts>()?.administration();
                Ok(administration.permits(id, permission).await.internal()?)
            }
            _ => Ok(false),
        }
    }

    /// Which of these ids belong to people. For other services only.
    #[graphql(inaccessible)]
    async fn users_exist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 1,000 ids.")] ids: Vec<ID>,
    ) -> Result<Vec<ID>> {
        Identity::from_ctx(ctx).service()?;
        if ids.len() > MAX_EXIST_IDS {
            let message = format!("at most {MAX_EXIST_IDS} ids at once");
            return Err(ApiError::bad_input(message).into_graphql());
        }
        let ids: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        let found = user::existing(ctx.data::<Accounts>()?.pool(), &ids).await.internal()?;
        Ok(found.into_iter().map(ID::from).collect())
    }

    #[graphql(entity)]
    async fn find_user_by_id(
        &self,
        ctx: &Context<'_>,
        #[graphql(key)] id: ID,
    ) -> Result<Option<User>> {
        known(ctx)?;
        match Uuid::parse_str(&id) {
            Ok(id) => load(ctx, id).await,
            Err(_) => Ok(None),
        }
    }
}

/// People are shown to people who logged in, and to our services.
fn known(ctx: &Context<'_>) -> Result<()> {
    match Identity::from_ctx(ctx) {
        Identity::Anonymous => Err(ApiError::unauthenticated().into_graphql()),
        // Whoever belongs to a group sees who else does.
        Identity::Viewer(_) | Identity::Service { .. } | Identity::Group { .. } => Ok(()),
    }
}

async fn load(ctx: &Context<'_>, id: Uuid) -> Result<Option<User>> {
    let record = ctx.data::<DataLoader<UserLoader>>()?.load_one(id).await?;
    Ok(record.map(|record| User::seen_by(Identity::from_ctx(ctx), record)))
}
