//! What somebody can do with the account they have: changing the profile, deleting all of it.

use async_graphql::MaybeUndefined;
use platform::identity::ClientAddress;
use platform::membership::Revoking;
use uuid::Uuid;

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
        viewer: Uuid,
        change: Change,
    ) -> Result<UserRecord, AccountError> {
        if let Some(zone) = &change.time_zone
            && !(check_time_zone(zone) && user::knows_time_zone(self.pool(), zone).await?)
        {
            return Err(Refusal::InvalidTimeZone.into());
        }
        let mut tx = self.pool().begin().await?;
        let mut profile = user::lock(&mut tx, viewer).await?.ok_or(Refusal::NoAccount)?;
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
    /// Access tokens that are still out end by themselves; they open nothing that is left.
    ///
    /// # Errors
    /// [`AccountError`]; the password is asked for once more.
    pub async fn delete(
        &self,
        viewer: Uuid,
        password: String,
        client: Option<ClientAddress>,
    ) -> Result<(), AccountError> {
        self.confirm(viewer, password, client).await?;
        let mut tx = self.pool().begin().await?;
        if !user::delete(&mut tx, viewer).await? {
            return Err(Refusal::NoAccount.into());
        }
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
