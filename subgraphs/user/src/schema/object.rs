//! Types, inputs and payloads.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use platform::{access::viewer_independent, error::UserError, identity::Identity};

use crate::{
    account::Session,
    domain::role::{Permission, Role},
    error::AccountError,
    store::user::UserRecord,
};

/// A person with an account.
#[derive(Debug, Clone)]
pub struct User {
    pub(super) record: UserRecord,
    /// Is it the one who asks?
    own: bool,
}

impl User {
    /// A person as `identity` may see them.
    #[must_use]
    pub fn seen_by(identity: &Identity, record: UserRecord) -> Self {
        let own = matches!(identity, Identity::Viewer(viewer) if viewer.id == record.id);
        Self { record, own }
    }

    /// A person who has just proved to be the one who asks.
    #[must_use]
    pub fn oneself(record: UserRecord) -> Self {
        Self { record, own: true }
    }
}

/// A person with an account.
#[Object]
impl User {
    /// The person's id.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.record.id.into()
    }

    /// Email address; null unless it is one's own.
    async fn email(&self) -> Option<&str> {
        self.own.then_some(self.record.email.as_str())
    }

    /// Display name.
    #[graphql(directive = viewer_independent::apply())]
    async fn name(&self) -> &str {
        &self.record.name
    }

    /// Preferred language, like `ko` or `en-US`.
    async fn locale(&self) -> &str {
        &self.record.locale
    }

    /// IANA time zone, like `Asia/Seoul`.
    async fn time_zone(&self) -> &str {
        &self.record.time_zone
    }

    /// Telephone number in international form; null unless it is one's own.
    async fn phone(&self) -> Option<&str> {
        self.record.phone.as_deref().filter(|_| self.own)
    }

    /// What the account is; null unless it is one's own.
    async fn roles(&self) -> Option<Vec<Role>> {
        self.own.then(|| self.record.standing().roles().collect())
    }

    /// What one may do that not everybody may, as scopes of the access token; null unless it is one's own.
    /// A token has what was so when it was made: `refresh` gives one that is up to date.
    async fn permissions(&self) -> Option<Vec<&'static str>> {
        let standing = self.record.standing();
        let may = Permission::ALL.into_iter().filter(|permission| standing.permits(*permission));
        self.own.then(|| may.map(Permission::as_str).collect())
    }

    /// When the account was opened.
    async fn created_at(&self) -> DateTime<Utc> {
        self.record.created_at
    }
}

/// What is needed to open an account.
#[derive(InputObject)]
pub struct RegisterInput {
    /// Email address; not case-sensitive.
    pub email: String,
    /// At least 10 characters, not one repeated character, not the email address.
    #[graphql(secret)]
    pub password: String,
    /// Display name, 1 to 100 characters.
    pub name: String,
    /// Preferred language, Korean or English; `ko` when left out.
    pub locale: Option<String>,
}

/// What is needed to log in.
#[derive(InputObject)]
pub struct LoginInput {
    /// Email address; not case-sensitive.
    pub email: String,
    /// Password.
    #[graphql(secret)]
    pub password: String,
}

/// What is needed to stay logged in.
#[derive(InputObject)]
pub struct RefreshInput {
    /// The latest refresh token; each is good for one exchange.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// What is needed to log out.
#[derive(InputObject)]
pub struct LogoutInput {
    /// A refresh token of the session to end.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// What is to change of one's own profile; what is left out stays.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// Display name, 1 to 100 characters.
    pub name: Option<String>,
    /// Preferred language, Korean or English.
    pub locale: Option<String>,
    /// IANA time zone, like `Asia/Seoul`.
    pub time_zone: Option<String>,
    /// Telephone number in international form, like `+821012345678`; null removes it.
    pub phone: MaybeUndefined<String>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is needed to change one's own password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password that one has.
    #[graphql(secret)]
    pub current_password: String,
    /// The password that one wants: at least 10 characters.
    #[graphql(secret)]
    pub new_password: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is needed to delete one's own account.
#[derive(InputObject)]
pub struct DeleteAccountInput {
    /// The password once more.
    #[graphql(secret)]
    pub password: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// A profile as it stands after a mutation, or why nothing changed.
#[derive(SimpleObject)]
pub struct UpdateProfilePayload {
    /// The person; null when refused.
    pub user: Option<User>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl UpdateProfilePayload {
    /// Tells the outcome.
    ///
    /// # Errors
    /// What the user can't mend.
    pub fn tell(outcome: Result<UserRecord, AccountError>) -> Result<Self, async_graphql::Error> {
        Ok(match outcome {
            Ok(user) => Self { user: Some(User::oneself(user)), user_errors: Vec::new() },
            Err(error) => Self { user: None, user_errors: vec![error.told()?] },
        })
    }
}

/// Whether an account was deleted, or why not.
#[derive(SimpleObject)]
pub struct DeleteAccountPayload {
    /// True: the account is gone, and what others hold of it goes as they hear of it.
    pub deleted: bool,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl DeleteAccountPayload {
    /// Tells the outcome.
    ///
    /// # Errors
    /// What the user can't mend.
    pub fn tell(outcome: Result<(), AccountError>) -> Result<Self, async_graphql::Error> {
        Ok(match outcome {
            Ok(()) => Self { deleted: true, user_errors: Vec::new() },
            Err(error) => Self { deleted: false, user_errors: vec![error.told()?] },
        })
    }
}

/// A session, or why there is none.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// Signed token for the `authorization: Bearer …` header; null when refused.
    pub access_token: Option<String>,
    /// Token for the next `refresh`; null when refused.
    pub refresh_token: Option<String>,
    /// Seconds until the access token ends; null when refused.
    pub expires_in: Option<i32>,
    /// Who is logged in; null when refused.
    pub user: Option<User>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl SessionPayload {
    /// Tells the outcome of an account operation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub fn tell(outcome: Result<Session, AccountError>) -> Result<Self, async_graphql::Error> {
        match outcome {
            Ok(session) => Ok(Self {
                access_token: Some(session.access_token),
                refresh_token: Some(session.refresh_token),
                expires_in: Some(session.expires_in_s),
                user: Some(User::oneself(session.user)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(Self {
                access_token: None,
                refresh_token: None,
                expires_in: None,
                user: None,
                user_errors: vec![error.told()?],
            }),
        }
    }
}

/// The outcome of logging out.
#[derive(SimpleObject)]
pub struct LogoutPayload {
    /// True: no token of the session is accepted for an exchange any more.
    pub logged_out: bool,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}
