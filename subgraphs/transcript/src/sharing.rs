//! The host shares a meeting's transcript and minutes: with people who don't take part, and by links.
//!
//! Both let read, and nothing else. A link's token is told once, to who makes it; only its hash is kept. Of a
//! request with an idempotency key the token is derived from that key, the link's id and a secret of the service,
//! so that the same request can be answered again without keeping the token.
//! A token that was never given, one that has ended and one that was revoked all get the same answer.

use chrono::{DateTime, Utc};
use contract::attendance;
use platform::address::AddressKeys;
use platform::departure::{self, BeginError};
use platform::idempotency::{BadKey, Once};
use platform::kernel::Kernel;
use platform::membership::Membership;
use platform::subgraph::PeerError;
use rand::{TryRngCore as _, rngs::OsRng};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::config::Config;
use crate::domain::refusal::Refusal;
use crate::domain::share::{self as rules, LINKS_MAX, PEOPLE_AT_ONCE_MAX, PEOPLE_MAX};
use crate::events::{self, Shared};
use crate::host::Hosts;
use crate::store::share::{self, LinkRow};
use crate::store::transcript;

/// What the secret of links' tokens is for.
const PURPOSE: &str = "moim transcript share link";

/// Why nothing was shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The user can mend it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key for repeating the request can't be used.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The user service can't be asked.
    #[error("the user service can't be asked")]
    Users(#[from] PeerError),
    /// The random source failed.
    #[error("the random source failed")]
    Random(#[from] rand::rand_core::OsError),
}

impl From<BeginError> for ShareError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Gone => Refusal::NoAccount.into(),
            BeginError::Database(error) => error.into(),
        }
    }
}

/// Takes what hosts share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sharing {
    kernel: Kernel,
    membership: Membership,
    hosts: Hosts,
    keys: AddressKeys,
}

impl Sharing {
    /// Over the transcripts in the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, membership: Membership, hosts: Hosts, config: &Config) -> Self {
        let keys = AddressKeys::derive(PURPOSE, config.download_secrets());
        Self { kernel: kernel.clone(), membership, hosts, keys }
    }

    /// Lets people read. Who can already, or takes part, stays as they are.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn with_people(
        &self,
        once: Once<'_>,
        meeting: &str,
        people: &[String],
    ) -> Result<Uuid, ShareError> {
        let viewer = once.viewer();
        let meeting = self.led(viewer, meeting).await?;
        if !(1..=PEOPLE_AT_ONCE_MAX).contains(&people.len()) {
            return Err(Refusal::InvalidPeople.into());
        }
        let ids = people.iter().map(|id| Uuid::parse_str(id).map_err(|_| Refusal::UnknownPerson));
        let mut ids = ids.collect::<Result<Vec<Uuid>, Refusal>>()?;
        ids.sort_unstable();
        ids.dedup();
        let once = ids.iter().fold(once.of(meeting), Once::of);
        let known = attendance::existing(&self.kernel, &ids).await?;
        if known.len() != ids.len() {
            return Err(Refusal::UnknownPerson.into());
        }
        let mut outside = Vec::new();
        for id in ids {
            if !self.membership.contains(meeting, id).await? {
                outside.push(id);
            }
        }
        let mut tx = departure::begin(&self.kernel.pool, viewer).await?;
        let gone = departure::gone_among(&mut tx, &outside).await?;
        outside.retain(|person| !gone.contains(person));
        self.kernel.outbox.order(&mut tx, meeting).await?;
        if once.is_repeated(&mut tx).await? {
            return Ok(meeting);
        }
        let transcript_id = Self::text(&mut tx, meeting).await?;
        let new = share::add_readers(&mut tx, meeting, viewer, &outside).await?;
        if share::count_readers(&mut tx, meeting).await? > PEOPLE_MAX {
            return Err(Refusal::TooManyPeople.into());
        }
        if !new.is_empty() {
            let told = Shared {
                meeting_id: meeting,
                transcript_id,
                shared_by: viewer,
                user_ids: &new,
                expires_at: None,
            };
            self.kernel.outbox.append(&mut tx, events::transcript_shared(told)).await?;
        }
        tx.commit().await?;
        self.kernel.outbox.wake();
        Ok(meeting)
    }

    /// Lets somebody read no more. That they couldn't is fine.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn withdraw(
        &self,
        once: Once<'_>,
        meeting: &str,
        person: &str,
    ) -> Result<Uuid, ShareError> {
        let viewer = once.viewer();
        let meeting = self.led(viewer, meeting).await?;
        if let Ok(person) = Uuid::parse_str(person) {
            let mut tx = departure::begin(&self.kernel.pool, viewer).await?;
            if !once.of(meeting).of(person).is_repeated(&mut tx).await? {
                share::remove_reader(&mut tx, meeting, person).await?;
            }
            tx.commit().await?;
        }
        Ok(meeting)
    }

    /// Makes a link; gives it, and its token. Under the same idempotency key it is the same link, and its token
    /// as long as the service's secret is the same.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn create_link(
        &self,
        once: Once<'_>,
        meeting: &str,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(LinkRow, Option<String>), ShareError> {
        let viewer = once.viewer();
        let meeting = self.led(viewer, meeting).await?;
        let once = once.of(meeting);
        // Judged only of a new link: repeated, the end may have come near.
        let expires_at = rules::link_end(expires_at, Utc::now());
        let id = Uuid::now_v7();
        let token = self.token(once.key(), id)?;
        let hash = rules::token_hash(&token).unwrap_or_default();
        let mut tx = departure::begin(&self.kernel.pool, viewer).await?;
        self.kernel.outbox.order(&mut tx, meeting).await?;
        if let Some(earlier) = once.answer(&mut tx, id).await? {
            drop(tx);
            let found = share::link(&self.kernel.pool, earlier).await?;
            let link = found.ok_or(Refusal::LinkNotFound)?;
            let token = self.token(once.key(), earlier)?;
            let opened = self.open(&token).await?.filter(|opened| opened.id == earlier);
            return Ok((link, opened.map(|_| token)));
        }
        let transcript_id = Self::text(&mut tx, meeting).await?;
        if share::count_links(&mut tx, meeting).await? >= LINKS_MAX {
            return Err(Refusal::TooManyLinks.into());
        }
        let link = share::add_link(&mut tx, id, meeting, viewer, &hash, expires_at?).await?;
        let told = Shared {
            meeting_id: meeting,
            transcript_id,
            shared_by: viewer,
            user_ids: &[],
            expires_at: Some(link.expires_at),
        };
        self.kernel.outbox.append(&mut tx, events::transcript_shared(told)).await?;
        tx.commit().await?;
        self.kernel.outbox.wake();
        Ok((link, Some(token)))
    }

    /// A token that nobody can guess: random, or of a request that may come again, derived.
    fn token(&self, key: Option<&str>, link: Uuid) -> Result<String, ShareError> {
        let mut random = [0; rules::TOKEN_BYTES];
        match key {
            Some(key) => random.copy_from_slice(&self.keys.digest(&format!("{link} {key}"))),
            None => OsRng.try_fill_bytes(&mut random)?,
        }
        Ok(rules::token(&random))
    }

    /// Revokes a link, at once and for good. That can be repeated as often as one likes: an idempotency key
    /// changes nothing.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn revoke_link(&self, once: Once<'_>, id: &str) -> Result<LinkRow, ShareError> {
        let viewer = once.viewer();
        let id = Uuid::parse_str(id).map_err(|_| Refusal::LinkNotFound)?;
        let found = share::link(&self.kernel.pool, id).await?.ok_or(Refusal::LinkNotFound)?;
        // Who doesn't take part doesn't hear that there is such a link.
        if !self.membership.contains(found.meeting_id, viewer).await? {
            return Err(Refusal::LinkNotFound.into());
        }
        if !self.hosts.leads(found.meeting_id, viewer).await? {
            return Err(Refusal::NotHost.into());
        }
        Ok(share::revoke_link(&self.kernel.pool, id).await?)
    }

    /// The link that a token opens; `None` when it opens none, or none any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(&self, token: &str) -> Result<Option<LinkRow>, sqlx::Error> {
        match rules::token_hash(token) {
            Some(hash) => share::open_link(&self.kernel.pool, &hash).await,
            None => Ok(None),
        }
    }

    /// Whether somebody leads this meeting, of which they see who reads it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_led_by(&self, meeting: Uuid, viewer: Uuid) -> Result<bool, sqlx::Error> {
        Ok(self.membership.contains(meeting, viewer).await?
            && self.hosts.leads(meeting, viewer).await?)
    }

    /// A meeting that the viewer leads.
    async fn led(&self, viewer: Uuid, meeting: &str) -> Result<Uuid, ShareError> {
        let meeting = Uuid::parse_str(meeting).map_err(|_| Refusal::MeetingNotFound)?;
        if !self.membership.contains(meeting, viewer).await? {
            return Err(Refusal::MeetingNotFound.into());
        }
        match self.hosts.leads(meeting, viewer).await? {
            true => Ok(meeting),
            false => Err(Refusal::NotHost.into()),
        }
    }

    async fn text(tx: &mut PgConnection, meeting: Uuid) -> Result<Uuid, ShareError> {
        let newest = transcript::newest_complete(tx, meeting).await?;
        Ok(newest.ok_or(Refusal::TranscriptNotReady)?)
    }
}
