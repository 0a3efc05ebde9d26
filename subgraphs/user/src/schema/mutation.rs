//! Opening an account, logging in and out.

use async_graphql::{Context, Object, Result};
use platform::{
    error::internal,
    idempotency::Once,
    identity::{ClientAddress, Identity},
};

use super::administration::{
    self, AccountPayload, Ask, DisableAccountInput, EnableAccountInput, EvictCacheInput,
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
    /// User errors: INVALID_NAME, INVALID_LOCALE, INVALID_TIME_ZONE, INVALID_PHONE, NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateProfileInput,
    ) -> Result<UpdateProfilePayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let UpdateProfileInput { name, locale, time_zone, phone, idempotency_key } = input;
        let change = Change { name, locale, time_zone, phone };
        let (accounts, key) = (ctx.data::<Accounts>()?, idempotency_key.as_deref());
        let update = |once| accounts.update_profile(once, change);
        UpdateProfilePayload::tell(Once::ask(viewer, "updateProfile", key, update).await)
    }

    /// Changes one's own password. All sessions end, on every device, and a new one begins; access
    /// tokens that are still out end by themselves within 15 minutes. Sent again with the same `idempotencyKey` it
    /// gives new tokens of the session that it began, as long as the new password is still the account's.
    /// User errors: WRONG_PASSWORD, WEAK_PASSWORD, NO_ACCOUNT, ACCOUNT_DISABLED, INVALID_IDEMPOTENCY_KEY. Error
    /// RATE_LIMITED with `retryAfter` in seconds after many that were wrong.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Both passwords.")] input: ChangePasswordInput,
    ) -> Result<SessionPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (accounts, client) = (ctx.data::<Accounts>()?, ClientAddress::from_ctx(ctx));
        let ChangePasswordInput { current_password, new_password, idempotency_key } = input;
        let key = idempotency_key.as_deref();
        let change = |once| accounts.change_password(once, current_password, new_password, client);
        let outcome = Once::ask(viewer, "changePassword", key, change).await;
        let mut payload = SessionPayload::tell(outcome)?;
        for error in &mut payload.user_errors {
            if error.field.as_deref() == Some("password") {
                let is_wrong = error.code == Refusal::WrongPassword.code();
                let field = if is_wrong { "currentPassword" } else { "newPassword" };
                error.field = Some(field.to_owned());
            }
        }
        Ok(payload)
    }

    /// Deletes one's own account for good, and with it what is held of the person everywhere.
    /// Meetings that others take part in stay with them. Sent again with an `idempotencyKey`, an account that is
    /// gone is deleted; without one there is NO_ACCOUNT. User errors: WRONG_PASSWORD, NO_ACCOUNT,
    /// INVALID_IDEMPOTENCY_KEY. Error RATE_LIMITED with `retryAfter` in seconds after many that were wrong.
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password once more.")] input: DeleteAccountInput,
    ) -> Result<DeleteAccountPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (accounts, client) = (ctx.data::<Accounts>()?, ClientAddress::from_ctx(ctx));
        let DeleteAccountInput { password, idempotency_key } = input;
        let delete = |once| accounts.delete(once, password, client);
        let key = idempotency_key.as_deref();
        DeleteAccountPayload::tell(Once::ask(viewer, "deleteAccount", key, delete).await)
    }

    /// Gives somebody a role; for administrators (`users:manage`). It is in access tokens that are made
    /// from then on. User errors: USER_NOT_FOUND, ROLE_OF_ALL, INVALID_IDEMPOTENCY_KEY.
    #[graphql(requires_scopes = "users:manage")]
    async fn grant_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets which role.")] input: GrantRoleInput,
    ) -> Result<AccountPayload> {
        let key = input.idempotency_key.as_deref();
        let ask = Ask { mutation: "grantRole", key, user: &input.user_id };
        administration::step(ctx, ask, Step::Grant(input.role)).await
    }

    /// Takes a role from somebody, at once; for administrators (`users:manage`). Somebody who administers
    /// always stays. User errors: USER_NOT_FOUND, ROLE_OF_ALL, LAST_ADMIN, INVALID_IDEMPOTENCY_KEY.
    #[graphql(requires_scopes = "users:manage")]
    async fn revoke_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who loses which role.")] input: RevokeRoleInput,
    ) -> Result<AccountPayload> {
        let key = input.idempotency_key.as_deref();
        let ask = Ask { mutation: "revokeRole", key, user: &input.user_id };
        administration::step(ctx, ask, Step::Revoke(input.role)).await
    }

    /// Shuts an account: nobody logs in to it, and its sessions end; streams and access tokens that are
    /// out end within 15 minutes. For administrators (`users:manage`).
    /// User errors: USER_NOT_FOUND, LAST_ADMIN, OWN_ACCOUNT, INVALID_IDEMPOTENCY_KEY.
    #[graphql(requires_scopes = "users:manage")]
    async fn disable_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account.")] input: DisableAccountInput,
    ) -> Result<AccountPayload> {
        let key = input.idempotency_key.as_deref();
        let ask = Ask { mutation: "disableAccount", key, user: &input.user_id };
        administration::step(ctx, ask, Step::Disable).await
    }

    /// Opens an account that was shut; for administrators (`users:manage`).
    /// User errors: USER_NOT_FOUND, INVALID_IDEMPOTENCY_KEY.
    #[graphql(requires_scopes = "users:manage")]
    async fn enable_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account.")] input: EnableAccountInput,
    ) -> Result<AccountPayload> {
        let key = input.idempotency_key.as_deref();
        let ask = Ask { mutation: "enableAccount", key, user: &input.user_id };
        administration::step(ctx, ask, Step::Enable).await
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
