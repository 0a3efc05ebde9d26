//! What somebody can do with the account they have: changing the profile, deleting all of it.

use async_graphql::MaybeUndefined;
use platform::departure::{self, BeginError};
use platform::idempotency::{self, Once};
use platform::identity::ClientAddress;
use platform::membership::Revoking;

use crate::{
    NAME,
    account::Accounts,
    domain::account::{Refusal, check_locale, check_name},
    domain::profile::{check_phone, check_time_zone},
    error::AccountError,
    events,
    store::user::{self, UserRecord},
};

/// What is to change of a profile; what is left out stays.
#[derive(Debug, Default)]
pub struct Change {
    /// New display name, as typed.
    pub name: Option<String>,
    /// New language tag.
    pub locale: Option<String>,
    /// New IANA time zone.
    pub time_zone: Option<String>,
    /// New telephone number; null: none.
    pub phone: MaybeUndefined<String>,
}

impl Accounts {
    /// Changes somebody's own profile.
    ///
    /// # Errors
    /// [`AccountError`]; refusals name the field to mend.
    pub async fn update_profile(
        &self,
        once: Once<'_>,
        change: Change,
    ) -> Result<UserRecord, AccountError> {
        let viewer = once.viewer();
        if let Some(zone) = &change.time_zone
            && !(check_time_zone(zone) && user::knows_time_zone(self.pool(), zone).await?)
        {
            return Err(Refusal::InvalidTimeZone.into());
        }
        let mut tx = self.pool().begin().await?;
        let mut profile = user::lock(&mut tx, viewer).await?.ok_or(Refusal::NoAccount)?;
        if once.is_repeated(&mut tx).await? {
            return Ok(profile);
        }
        if let Some(name) = &change.name {
            profile.name = check_name(name)?;
        }
        if let Some(locale) = &change.locale {
            profile.locale = check_locale(locale)?;
        }
        if let Some(zone) = change.time_zone {
            profile.time_zone = zone;
        }
        match change.phone {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => profile.phone = None,
            MaybeUndefined::Value(phone) => profile.phone = Some(check_phone(&phone)?),
        }
        let profile = user::update(&mut tx, &profile).await?;
        let keys = self.administration.cache_keys(viewer);
        let event = events::user_updated(&profile, keys.clone());
        self.kernel.outbox.append(&mut tx, event).await?;
        tx.commit().await?;
        // The relay drops it too, before it publishes: this is for who asks right away.
        self.kernel.cache.invalidate(&keys).await;
        self.kernel.outbox.wake();
        Ok(profile)
    }

    /// Deletes somebody's own account: here at once, everywhere else as the others hear of it.
    /// Access tokens that are still out end by themselves; they open nothing that is left. A request with a key
    /// that comes again is answered by the departure: of the key nothing stays either.
    ///
    /// # Errors
    /// [`AccountError`]; the password is asked for once more.
    pub async fn delete(
        &self,
        once: Once<'_>,
        password: String,
        client: Option<ClientAddress>,
    ) -> Result<(), AccountError> {
        let viewer = once.viewer();
        if once.key().is_some() {
            match departure::begin(self.pool(), viewer).await {
                Err(BeginError::Gone) => return Ok(()),
                Err(BeginError::Database(error)) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        self.confirm(viewer, password, client).await?;
        let mut tx = self.pool().begin().await?;
        departure::note(&mut tx, viewer).await?;
        if !user::delete(&mut tx, viewer).await? {
            // It was there a moment ago: the same request was faster, or another one.
            return once.key().map(|_| ()).ok_or_else(|| Refusal::NoAccount.into());
        }
        idempotency::forget(&mut tx, viewer).await?;
        let keys = self.administration.cache_keys(viewer);
        let event = events::user_deleted(viewer, keys.clone());
        self.kernel.outbox.append(&mut tx, event).await?;
        let revoking = Revoking::new(self.kernel.outbox.clone(), NAME);
        revoking.tell(&mut tx, viewer, viewer).await?;
        tx.commit().await?;
        self.kernel.cache.invalidate(&keys).await;
        self.kernel.outbox.wake();
        Ok(())
    }
}
