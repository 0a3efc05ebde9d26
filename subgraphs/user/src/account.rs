//! What can be done with an account: opening it, logging in and out, and staying logged in.

use std::sync::Arc;

use chrono::Utc;
use platform::{
    cache::{Cache, Kind},
    idempotency::Once,
    identity::ClientAddress,
    kernel::Kernel,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    administration::Administration,
    config::Config,
    domain::{
        account::{
            DEFAULT_LOCALE, DEFAULT_TIME_ZONE, Email, MAX_PASSWORD_BYTES, Refusal, check_locale,
            check_name, check_password,
        },
        session::{Claims, Presented, Verdict, judge, refresh_expiry},
    },
    error::{AccountError, StartError},
    events,
    password::Passwords,
    store::{
        session,
        user::{self, NewUser, UserRecord},
    },
    throttle::Attempts,
    token::{Signer, new_refresh_token, refresh_token_hash},
};

/// What somebody who registers gives. It has no `Debug`: it holds a password.
pub struct Registration {
    /// Email address as typed.
    pub email: String,
    /// Password as typed.
    pub password: String,
    /// Display name as typed.
    pub name: String,
    /// Language tag, if chosen.
    pub locale: Option<String>,
}

/// Somebody is logged in. It has no `Debug`: it holds tokens.
pub struct Session {
    /// Signed, short-lived.
    pub access_token: String,
    /// Opaque, exchanged once.
    pub refresh_token: String,
    /// How long the access token is good for, in seconds.
    pub expires_in_s: i32,
    /// Who it is.
    pub user: UserRecord,
}

/// The accounts; cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) kernel: Kernel,
    pub(crate) administration: Administration,
    pub(crate) passwords: Passwords,
    signer: Signer,
    config: Arc<Config>,
    attempts: Attempts,
}

impl Accounts {
    /// Prepares keys and hashing.
    ///
    /// # Errors
    /// [`StartError`] when the signing key can't be had.
    pub fn new(kernel: Kernel, config: Config) -> Result<Self, StartError> {
        Ok(Self {
            administration: Administration::new(
                kernel.pool.clone(),
                kernel.cache.clone(),
                kernel.outbox.clone(),
            ),
            passwords: Passwords::new()?,
            signer: Signer::from_file(&config.signing_key_file)?,
            attempts: Attempts::new(&kernel.cache, &config.throttles),
            config: Arc::new(config),
            kernel,
        })
    }

    /// The keys that check our access tokens, as JSON.
    #[must_use]
    pub fn jwks(&self) -> &str {
        self.signer.jwks()
    }

    /// The cached profiles.
    #[must_use]
    pub fn profiles(&self) -> &Kind<UserRecord> {
        self.administration.profiles()
    }

    /// What administrators do.
    #[must_use]
    pub fn administration(&self) -> &Administration {
        &self.administration
    }

    /// The cache, to evict from.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.kernel.cache
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &sqlx::PgPool {
        &self.kernel.pool
    }

    /// Opens an account and logs in.
    ///
    /// # Errors
    /// [`AccountError`]; refusals name the field to mend.
    pub async fn register(
        &self,
        given: Registration,
        client: Option<ClientAddress>,
    ) -> Result<Session, AccountError> {
        self.attempts.register(client).await?;
        let email = Email::parse(&given.email)?;
        check_password(&given.password, &email)?;
        let name = check_name(&given.name)?;
        let locale = check_locale(given.locale.as_deref().unwrap_or(DEFAULT_LOCALE))?;
        // Spares the hashing; the unique index has the last word.
        if user::email_taken(&self.kernel.pool, email.as_str()).await? {
            return Err(Refusal::EmailTaken.into());
        }
        let password_hash = self.passwords.hash(given.password).await?;

        let mut tx = self.kernel.pool.begin().await?;
        let new = NewUser {
            id: Uuid::now_v7(),
            email: email.as_str(),
            name: &name,
            locale: &locale,
            time_zone: DEFAULT_TIME_ZONE,
            password_hash: &password_hash,
        };
        let user = user::insert(&mut tx, &new).await?.ok_or(Refusal::EmailTaken)?;
        let event = events::user_created(&user, self.administration.cache_keys(user.id));
        self.kernel.outbox.append(&mut tx, event).await?;
        let session = self.open_session(&mut tx, user).await?;
        tx.commit().await?;
        self.kernel.outbox.wake();
        Ok(session)
    }

    /// Logs in. An unknown address takes as long and gets the same answer as a wrong password, and is
    /// slowed down in the same way.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn login(
        &self,
        email: &str,
        password: String,
        client: Option<ClientAddress>,
    ) -> Result<Session, AccountError> {
        let attempt = self.attempts.log_in(email, client).await?;
        let outcome = self.judge_login(email, password).await;
        match &outcome {
            Ok(_) => attempt.succeeded().await,
            Err(AccountError::Refused(_)) => {}
            Err(_) => attempt.unknown().await,
        }
        outcome
    }

    async fn judge_login(&self, email: &str, password: String) -> Result<Session, AccountError> {
        let stored = match Email::parse(email) {
            Ok(email) if password.len() <= MAX_PASSWORD_BYTES => {
                user::credentials(&self.kernel.pool, email.as_str()).await?
            }
            _ => None,
        };
        let (id, hash) = stored.clone().unzip();
        let password = if id.is_some() { password } else { String::new() };
        let right = self.passwords.verify(password, hash).await?;
        let (id, hash) = stored.filter(|_| right).ok_or(Refusal::InvalidCredentials)?;

        let user = self.user(id).await?.ok_or(Refusal::InvalidCredentials)?;
        // Only who knows the password hears of it.
        if user.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled.into());
        }
        let mut tx = self.kernel.pool.begin().await?;
        // A change of the password ends the sessions there are; none may open behind its back.
        if !user::still_has_hash(&mut tx, id, &hash).await? {
            return Err(Refusal::InvalidCredentials.into());
        }
        // The row is held since: who shuts the account ends the session that opens here, or it is seen.
        let user = user::by_id(&mut tx, id).await?.ok_or(Refusal::InvalidCredentials)?;
        let session = self.open_session(&mut tx, user).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Exchanges a refresh token for a new pair. One that was exchanged before ends its session.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn refresh(&self, token: &str) -> Result<Session, AccountError> {
        let hash = refresh_token_hash(token);
        let mut tx = self.kernel.pool.begin().await?;
        let row = session::lock_token(&mut tx, &hash).await?.ok_or(Refusal::InvalidRefreshToken)?;
        let presented = Presented {
            expires_at: row.expires_at,
            used_at: row.used_at,
            revoked_at: row.revoked_at,
        };
        match judge(presented, Utc::now()) {
            Verdict::Refuse => return Err(Refusal::InvalidRefreshToken.into()),
            Verdict::RevokeSession => {
                session::revoke(&mut tx, row.session_id).await?;
                tx.commit().await?;
                tracing::warn!(user_id = %row.user_id, "a refresh token was used twice: session ended");
                return Err(Refusal::InvalidRefreshToken.into());
            }
            Verdict::Rotate => {}
        }
        let user = user::by_id(&mut tx, row.user_id).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(Refusal::InvalidRefreshToken)?;
        session::mark_used(&mut tx, &hash).await?;
        let session = self.issue(&mut tx, row.session_id, user).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Ends the session that a refresh token belongs to; an unknown one is fine.
    ///
    /// # Errors
    /// [`AccountError::Database`].
    pub async fn logout(&self, token: &str) -> Result<(), AccountError> {
        Ok(session::revoke_by_token(&self.kernel.pool, &refresh_token_hash(token)).await?)
    }

    /// Changes somebody's own password. All their sessions end, and a new one begins.
    ///
    /// # Errors
    /// [`AccountError`]; the password that was is asked for, and wrong ones are slowed down as at log-in.
    pub async fn change_password(
        &self,
        once: Once<'_>,
        current: String,
        new: String,
        client: Option<ClientAddress>,
    ) -> Result<Session, AccountError> {
        let viewer = once.viewer();
        let earlier = async || once.answered(&mut *self.kernel.pool.acquire().await?).await;
        if let Some(session_id) = earlier().await? {
            return self.changed(viewer, session_id, new, client).await;
        }
        let (user, before) = match self.confirm(viewer, current, client).await {
            // Wrong since a moment, if the same request came twice at once.
            Err(AccountError::Refused(Refusal::WrongPassword)) => {
                let session_id = earlier().await?.ok_or(Refusal::WrongPassword)?;
                return self.changed(viewer, session_id, new, client).await;
            }
            confirmed => confirmed?,
        };
        check_password(&new, &Email::parse(&user.email)?)?;
        let hash = self.passwords.hash(new.clone()).await?;
        let session_id = Uuid::now_v7();
        let mut tx = self.kernel.pool.begin().await?;
        if let Some(session_id) = once.answer(&mut tx, session_id).await? {
            drop(tx);
            return self.changed(viewer, session_id, new, client).await;
        }
        if !user::change_hash(&mut tx, viewer, &before, &hash).await? {
            return Err(Refusal::WrongPassword.into());
        }
        session::revoke_all(&mut tx, viewer).await?;
        // As it is now: it may have been shut while this was on its way.
        let user = user::by_id(&mut tx, viewer).await?.ok_or(Refusal::NoAccount)?;
        session::open(&mut tx, session_id, viewer).await?;
        let session = self.issue(&mut tx, session_id, user).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Answers a change of password again: with new tokens of the session that it began, since those of before
    /// aren't kept, or of another one if that ended. Whoever asks knows the new password.
    async fn changed(
        &self,
        viewer: Uuid,
        session_id: Uuid,
        new: String,
        client: Option<ClientAddress>,
    ) -> Result<Session, AccountError> {
        let (_, hash) = self.confirm(viewer, new, client).await?;
        let mut tx = self.kernel.pool.begin().await?;
        if !user::still_has_hash(&mut tx, viewer, &hash).await? {
            return Err(Refusal::WrongPassword.into());
        }
        let user = user::by_id(&mut tx, viewer).await?.ok_or(Refusal::NoAccount)?;
        let session = match session::lock(&mut tx, session_id).await? {
            true => self.issue(&mut tx, session_id, user).await?,
            false => self.open_session(&mut tx, user).await?,
        };
        tx.commit().await?;
        Ok(session)
    }

    /// Asks somebody who is logged in for the password once more; gives the account and the hash.
    ///
    /// # Errors
    /// [`AccountError`]; wrong ones are slowed down as at log-in.
    pub(crate) async fn confirm(
        &self,
        viewer: Uuid,
        password: String,
        client: Option<ClientAddress>,
    ) -> Result<(UserRecord, String), AccountError> {
        let known = self.user(viewer).await?.ok_or(Refusal::NoAccount)?;
        let attempt = self.attempts.log_in(&known.email, client).await?;
        let stored = user::credentials(&self.kernel.pool, &known.email).await;
        let hash = match stored {
            Ok(stored) => stored.map(|(_, hash)| hash),
            Err(error) => {
                attempt.unknown().await;
                return Err(error.into());
            }
        };
        let right = password.len() <= MAX_PASSWORD_BYTES
            && match self.passwords.verify(password, hash.clone()).await {
                Ok(right) => right,
                Err(error) => {
                    attempt.unknown().await;
                    return Err(error.into());
                }
            };
        let hash = hash.filter(|_| right).ok_or(Refusal::WrongPassword)?;
        attempt.succeeded().await;
        Ok((known, hash))
    }

    async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, sqlx::Error> {
        let mut conn = self.kernel.pool.acquire().await?;
        user::by_id(&mut conn, id).await
    }

    async fn open_session(
        &self,
        tx: &mut PgConnection,
        user: UserRecord,
    ) -> Result<Session, AccountError> {
        let session_id = Uuid::now_v7();
        session::open(tx, session_id, user.id).await?;
        self.issue(tx, session_id, user).await
    }

    async fn issue(
        &self,
        tx: &mut PgConnection,
        session_id: Uuid,
        user: UserRecord,
    ) -> Result<Session, AccountError> {
        // Whichever way somebody comes: a shut account gets no tokens.
        if user.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled.into());
        }
        let now = Utc::now();
        let refresh_token = new_refresh_token()?;
        let hash = refresh_token_hash(&refresh_token);
        session::add_token(tx, session_id, &hash, refresh_expiry(now)).await?;
        let access_token = self.signer.sign(&Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: user.id.to_string(),
            iat: now.timestamp(),
            exp: now.timestamp() + i64::from(self.config.access_token_ttl_s),
            jti: Uuid::now_v7().to_string(),
            scope: user.standing().scopes().join(" "),
            roles: user.roles.clone(),
        })?;
        let expires_in_s = self.config.access_token_ttl_s;
        Ok(Session { access_token, refresh_token, expires_in_s, user })
    }
}
