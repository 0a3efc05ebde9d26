//! Opening an account, logging in and out.

use async_graphql::{Context, Object, Result};
use platform::error::internal;

use super::object::{
    LoginInput, LogoutInput, LogoutPayload, RefreshInput, RegisterInput, SessionPayload,
};
use crate::account::{Accounts, Registration};

/// Mutations of the user subgraph.
pub struct Mutation;

/// Mutations.
#[Object]
impl Mutation {
    /// Opens an account and logs in.
    /// User errors: INVALID_EMAIL, EMAIL_TAKEN, WEAK_PASSWORD, INVALID_NAME, INVALID_LOCALE.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who registers.")] input: RegisterInput,
    ) -> Result<SessionPayload> {
        let RegisterInput { email, password, name, locale } = input;
        let given = Registration { email, password, name, locale };
        SessionPayload::tell(ctx.data::<Accounts>()?.register(given).await)
    }

    /// Logs in. User error: INVALID_CREDENTIALS, whichever of the two is wrong.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: LoginInput,
    ) -> Result<SessionPayload> {
        let outcome = ctx.data::<Accounts>()?.login(&input.email, input.password).await;
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
