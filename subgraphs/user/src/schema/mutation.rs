//! Opening an account, logging in and out.

use async_graphql::{Context, Object, Result};
use platform::{
    error::internal,
    identity::{ClientAddress, Identity},
};

use super::administration::{
    self, AccountPayload, DisableAccountInput, EnableAccountInput, EvictCacheInput,
    EvictCachePayload, GrantRoleInput, RevokeRoleInput,
};
use super::object::{
    ChangePasswordInput, DeleteAccountInput, DeleteAccountPayload, LoginInput, LogoutInput,
    LogoutPayload, RefreshInput, RegisterInput, SessionPayload, UpdateProfileInput,
    UpdateProfilePayload,
};
use crate::{
    account::{Accounts, Registration},
    administration::Step,
    domain::account::Refusal,
    profile::Change,
};

/// Mutations of the user subgraph.
pub struct Mutation;

/// Mutations.
#[Object]
impl Mutation {
    /// Opens an account and logs in.
    /// User errors: INVALID_EMAIL, EMAIL_TAKEN, WEAK_PASSWORD, INVALID_NAME, INVALID_LOCALE. Error
    /// RATE_LIMITED with `retryAfter` in seconds after many from one address.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who registers.")] input: RegisterInput,
    ) -> Result<SessionPayload> {
        let RegisterInput { email, password, name, locale } = input;
        let given = Registration { email, password, name, locale };
        let client = ClientAddress::from_ctx(ctx);
        SessionPayload::tell(ctx.data::<Accounts>()?.register(given, client).await)
    }

    /// Logs in. User errors: INVALID_CREDENTIALS, whichever of the two is wrong; ACCOUNT_DISABLED. Error RATE_LIMITED with
    /// `retryAfter` in seconds after many that were wrong, for one account or from one address.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: LoginInput,
    ) -> Result<SessionPayload> {
        let (accounts, client) = (ctx.data::<Accounts>()?, ClientAddress::from_ctx(ctx));
        let outcome = accounts.login(&input.email, input.password, client).await;
        SessionPayload::tell(outcome)
    }

    /// Exchanges a refresh token for a new pair of tokens. Each is good for one exchange: using one
    /// again ends the session. User error: INVALID_REFRESH_TOKEN.
    async fn refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token to exchange.")] input: RefreshInput,
    ) -> Result<SessionPayload> {
        SessionPayload::tell(ctx.data::<Accounts>()?.refresh(&input.refresh_token).await)
    }

    /// Changes one's own profile.
    /// User errors: INVALID_NAME, INVALID_LOCALE, INVALID_TIME_ZONE, INVALID_PHONE, NO_ACCOUNT.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateProfileInput,
    ) -> Result<UpdateProfilePayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let UpdateProfileInput { name, locale, time_zone, phone } = input;
        let change = Change { name, locale, time_zone, phone };
        UpdateProfilePayload::tell(ctx.data::<Accounts>()?.update_profile(viewer, change).await)
    }

    /// Changes one's own password. All sessions end, on every device, and a new one begins; access
    /// tokens that are still out end by themselves within 15 minutes.
    /// User errors: WRONG_PASSWORD, WEAK_PASSWORD, NO_ACCOUNT, ACCOUNT_DISABLED. Error RATE_LIMITED with
    /// `retryAfter` in seconds after many that were wrong.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Both passwords.")] input: ChangePasswordInput,
    ) -> Result<SessionPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (accounts, client) = (ctx.data::<Accounts>()?, ClientAddress::from_ctx(ctx));
        let ChangePasswordInput { current_password, new_password } = input;
        let outcome = accounts.change_password(viewer, current_password, new_password, client);
        let mut payload = SessionPayload::tell(outcome.await)?;
        for error in payload.user_errors.iter_mut().filter(|error| error.field.is_some()) {
            let is_wrong = error.code == Refusal::WrongPassword.code();
            error.field = Some(if is_wrong { "currentPassword" } else { "newPassword" }.to_owned());
        }
        Ok(payload)
    }

    /// Deletes one's own account for good, and with it what is held of the person everywhere.
    /// Meetings that others take part in stay with them. User errors: WRONG_PASSWORD, NO_ACCOUNT. Error
    /// RATE_LIMITED with `retryAfter` in seconds after many that were wrong.
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password once more.")] input: DeleteAccountInput,
    ) -> Result<DeleteAccountPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let client = ClientAddress::from_ctx(ctx);
        let outcome = ctx.data::<Accounts>()?.delete(viewer, input.password, client).await;
        DeleteAccountPayload::tell(outcome)
    }

    /// Gives somebody a role; for administrators (`users:manage`). It is in access tokens that are made
    /// from then on. User errors: USER_NOT_FOUND, ROLE_OF_ALL.
    #[graphql(requires_scopes = "users:manage")]
    async fn grant_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets which role.")] input: GrantRoleInput,
    ) -> Result<AccountPayload> {
        administration::step(ctx, &input.user_id, Step::Grant(input.role)).await
    }

    /// Takes a role from somebody, at once; for administrators (`users:manage`). Somebody who administers
    /// always stays. User errors: USER_NOT_FOUND, ROLE_OF_ALL, LAST_ADMIN.
    #[graphql(requires_scopes = "users:manage")]
    async fn revoke_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who loses which role.")] input: RevokeRoleInput,
    ) -> Result<AccountPayload> {
        administration::step(ctx, &input.user_id, Step::Revoke(input.role)).await
    }

    /// Shuts an account: nobody logs in to it, and its sessions end; streams and access tokens that are
    /// out end within 15 minutes. For administrators (`users:manage`).
    /// User errors: USER_NOT_FOUND, LAST_ADMIN, OWN_ACCOUNT.
    #[graphql(requires_scopes = "users:manage")]
    async fn disable_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account.")] input: DisableAccountInput,
    ) -> Result<AccountPayload> {
        administration::step(ctx, &input.user_id, Step::Disable).await
    }

    /// Opens an account that was shut; for administrators (`users:manage`).
    /// User errors: USER_NOT_FOUND.
    #[graphql(requires_scopes = "users:manage")]
    async fn enable_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account.")] input: EnableAccountInput,
    ) -> Result<AccountPayload> {
        administration::step(ctx, &input.user_id, Step::Enable).await
    }

    /// Evicts one value, all of a kind, or everything from the cache, for what was changed in a database
    /// by hand; for administrators (`cache:evict`). User errors: UNKNOWN_CACHE_KIND.
    #[graphql(requires_scopes = "cache:evict")]
    async fn evict_cache(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to go.")] input: EvictCacheInput,
    ) -> Result<EvictCachePayload> {
        administration::evict(ctx, input).await
    }

    /// Ends a session. Access tokens that are still out end by themselves within 15 minutes.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to end.")] input: LogoutInput,
    ) -> Result<LogoutPayload> {
        ctx.data::<Accounts>()?.logout(&input.refresh_token).await.map_err(internal)?;
        Ok(LogoutPayload { logged_out: true, user_errors: Vec::new() })
    }
}
