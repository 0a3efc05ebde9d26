//! People mend what was recognised, and say who speaks.
//!
//! An edit keeps what was there as an earlier revision. The transcript's text follows at once, and a
//! later attempt at the transcription only adds segments, so that it takes nothing back. The immutable
//! object that other services read stays as it was when the transcription was completed.

use async_graphql::MaybeUndefined;
use platform::cache::{Cache, Kind};
use platform::departure;
use platform::idempotency::Once;
use platform::kernel::Kernel;
use platform::membership::Membership;
use platform::outbox::Outbox;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::edit::{SPEAKERS_MAX, check_label, check_text};
use crate::domain::refusal::Refusal;
use crate::error::EditError;
use crate::events;
use crate::schema::loader;
use crate::store::segment::{Edit, SegmentRow};
use crate::store::speaker::{NewSpeaker, SpeakerRow};
use crate::store::transcript::TranscriptRow;
use crate::store::{segment, speaker, transcript};
use crate::transcription::text_of;

/// Why a segment didn't change.
pub type SegmentError = EditError<SegmentRow>;
/// Why a speaker didn't change.
pub type SpeakerError = EditError<SpeakerRow>;

/// What is to change of a segment; what is left out stays.
#[derive(Debug, Default)]
pub struct Change {
    /// Its words.
    pub text: Option<String>,
    /// Who speaks; null: nobody knows.
    pub speaker_id: MaybeUndefined<String>,
}

/// Takes what people do to segments and speakers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Editing {
    pool: PgPool,
    outbox: Outbox,
    membership: Membership,
    cached: Kind<TranscriptRow>,
    cache: Cache,
}

impl Editing {
    /// Over the transcripts in the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, membership: Membership) -> Self {
        Self {
            pool: kernel.pool.clone(),
            outbox: kernel.outbox.clone(),
            membership,
            cached: loader::transcripts(&kernel.cache),
            cache: kernel.cache.clone(),
        }
    }

    /// Edits a segment. An edit that changes nothing is answered with the segment as it is.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub async fn edit(
        &self,
        once: Once<'_>,
        id: &str,
        revision: i32,
        change: Change,
    ) -> Result<SegmentRow, SegmentError> {
        let viewer = once.viewer();
        let id = Uuid::parse_str(id).map_err(|_| Refusal::SegmentNotFound)?;
        let found = segment::by_ids(&self.pool, &[id]).await?.pop();
        let seen = found.ok_or(Refusal::SegmentNotFound)?;
        if !self.membership.contains(seen.meeting_id, viewer).await? {
            return Err(Refusal::SegmentNotFound.into());
        }
        let text = change.text.as_deref().map(check_text).transpose()?;
        let mut tx = departure::begin(&self.pool, viewer).await?;
        self.outbox.order(&mut tx, seen.meeting_id).await?;
        let current = segment::lock(&mut tx, id).await?.ok_or(Refusal::SegmentNotFound)?;
        // Nobody else changes it from here on.
        let now = segment::in_transaction(&mut tx, id).await?;
        if once.of(id).is_repeated(&mut tx).await? {
            return Ok(now);
        }
        if current != revision {
            return Err(EditError::Conflict(Box::new(now)));
        }
        let mut speaker_id = now.speaker_id;
        self.speaker(&mut tx, &now, &change.speaker_id).await?.update_to(&mut speaker_id);
        let text = text.unwrap_or_else(|| now.text.clone());
        if text == now.text && speaker_id == now.speaker_id {
            tx.commit().await?;
            return Ok(now);
        }
        segment::edit(&mut tx, Edit { id, text: &text, speaker_id, by: viewer }).await?;
        let whole = text_of(&segment::texts(&mut tx, now.transcript_id).await?);
        transcript::set_text(&mut tx, now.transcript_id, &whole).await?;
        let row = segment::in_transaction(&mut tx, id).await?;
        let stale = vec![self.cached.key(row.transcript_id)];
        self.outbox.append(&mut tx, events::segment_edited(&row, viewer, stale.clone())).await?;
        tx.commit().await?;
        self.outbox.wake();
        self.cache.invalidate(&stale).await;
        Ok(row)
    }

    /// Adds a speaker to a transcript.
    ///
    /// # Errors
    /// [`SpeakerError`].
    pub async fn add_speaker(
        &self,
        once: Once<'_>,
        transcript: &str,
        label: &str,
        user: Option<&str>,
    ) -> Result<SpeakerRow, SpeakerError> {
        let viewer = once.viewer();
        let transcript_id = Uuid::parse_str(transcript).map_err(|_| Refusal::TranscriptNotFound)?;
        let found = transcript::meeting_of(&self.pool, transcript_id).await?;
        let meeting_id = found.ok_or(Refusal::TranscriptNotFound)?;
        if !self.membership.contains(meeting_id, viewer).await? {
            return Err(Refusal::TranscriptNotFound.into());
        }
        let label = check_label(label)?;
        let user_id = match user {
            Some(user) => Some(self.person(meeting_id, user).await?),
            None => None,
        };
        let id = Uuid::now_v7();
        let row = SpeakerRow { id, transcript_id, meeting_id, label, user_id, version: 1 };
        let mut tx = departure::begin(&self.pool, viewer).await?;
        refuse_gone(&mut tx, user_id).await?;
        self.outbox.order(&mut tx, meeting_id).await?;
        let others = speaker::of(&mut tx, transcript_id).await?;
        if let Some(earlier) = once.of(transcript_id).answer(&mut tx, id).await? {
            let known = others.into_iter().find(|speaker| speaker.id == earlier);
            return Ok(known.ok_or(Refusal::SpeakerNotFound)?);
        }
        if others.len() >= SPEAKERS_MAX {
            return Err(Refusal::TooManySpeakers.into());
        }
        refuse_taken(&others, &row)?;
        let new = NewSpeaker { id: row.id, transcript_id, label: &row.label, user_id };
        speaker::insert(&mut tx, new).await?;
        self.outbox.append(&mut tx, events::speaker_changed(&row, true, viewer)).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(row)
    }

    /// Calls a speaker otherwise, or says whose voice it is; refuses an editor who saw an older version.
    ///
    /// # Errors
    /// [`SpeakerError`].
    pub async fn rename_speaker(
        &self,
        once: Once<'_>,
        id: &str,
        version: Option<i32>,
        label: Option<&str>,
        user: MaybeUndefined<String>,
    ) -> Result<SpeakerRow, SpeakerError> {
        let viewer = once.viewer();
        let id = Uuid::parse_str(id).map_err(|_| Refusal::SpeakerNotFound)?;
        let seen = speaker::by_id(&self.pool, id).await?.ok_or(Refusal::SpeakerNotFound)?;
        if !self.membership.contains(seen.meeting_id, viewer).await? {
            return Err(Refusal::SpeakerNotFound.into());
        }
        let label = label.map(check_label).transpose()?;
        let user = match user {
            MaybeUndefined::Value(user) => {
                MaybeUndefined::Value(self.person(seen.meeting_id, &user).await?)
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        };
        let mut tx = departure::begin(&self.pool, viewer).await?;
        refuse_gone(&mut tx, user.value().copied()).await?;
        self.outbox.order(&mut tx, seen.meeting_id).await?;
        let all = speaker::of(&mut tx, seen.transcript_id).await?;
        let mut row =
            all.iter().find(|one| one.id == id).cloned().ok_or(Refusal::SpeakerNotFound)?;
        if once.of(id).is_repeated(&mut tx).await? {
            return Ok(row);
        }
        if version.is_some_and(|version| version != row.version) {
            return Err(EditError::Conflict(Box::new(row)));
        }
        let before = (row.label.clone(), row.user_id);
        row.label = label.unwrap_or(row.label);
        user.update_to(&mut row.user_id);
        refuse_taken(&all, &row)?;
        if before == (row.label.clone(), row.user_id) {
            tx.commit().await?;
            return Ok(row);
        }
        row.version += 1;
        speaker::update(&mut tx, &row).await?;
        self.outbox.append(&mut tx, events::speaker_changed(&row, false, viewer)).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(row)
    }

    /// The speaker that an edit names: one of the same transcript.
    async fn speaker(
        &self,
        tx: &mut PgConnection,
        of: &SegmentRow,
        named: &MaybeUndefined<String>,
    ) -> Result<MaybeUndefined<Uuid>, SegmentError> {
        let MaybeUndefined::Value(named) = named else {
            return Ok(match named {
                MaybeUndefined::Null => MaybeUndefined::Null,
                _ => MaybeUndefined::Undefined,
            });
        };
        let known = speaker::of(tx, of.transcript_id).await?;
        let id = Uuid::parse_str(named).ok().filter(|id| known.iter().any(|one| one.id == *id));
        Ok(MaybeUndefined::Value(id.ok_or(Refusal::SpeakerNotFound)?))
    }

    /// Somebody who takes part in the meeting.
    async fn person(&self, meeting: Uuid, id: &str) -> Result<Uuid, SpeakerError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::InvalidPerson)?;
        match self.membership.contains(meeting, id).await? {
            true => Ok(id),
            false => Err(Refusal::InvalidPerson.into()),
        }
    }
}

/// Refuses to name somebody whose account is deleted.
async fn refuse_gone(tx: &mut PgConnection, user: Option<Uuid>) -> Result<(), SpeakerError> {
    match user {
        Some(user) if departure::has_gone(tx, user).await? => Err(Refusal::InvalidPerson.into()),
        _ => Ok(()),
    }
}

/// Two speakers of a transcript aren't called the same.
fn refuse_taken(all: &[SpeakerRow], row: &SpeakerRow) -> Result<(), Refusal> {
    match all.iter().any(|other| other.id != row.id && other.label == row.label) {
        true => Err(Refusal::LabelTaken),
        false => Ok(()),
    }
}
