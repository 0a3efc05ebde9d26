//! Who comes to a meeting and who goes: by the host, and with an account that is deleted.

use platform::{departure, erasure, idempotency::Once, membership::Revoking};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    NAME,
    domain::{
        plan::{MAX_PARTICIPANTS, check_attendees},
        refusal::Refusal,
        response::{self, Response},
        role::Role,
        status::{Outcome, Status, Step},
    },
    error::MeetingError,
    events::{self, Coming, Happening},
    meeting::{Led, Meetings},
    store::{self, meeting::MeetingRecord, participant},
};

impl Meetings {
    /// Adds people to a meeting that isn't called off; for its host. Who takes part already stays.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn add_participants(
        &self,
        once: Once<'_>,
        meeting_id: &str,
        ids: &[String],
    ) -> Result<MeetingRecord, MeetingError> {
        let viewer = once.viewer();
        let attendees = check_attendees(viewer, ids)?;
        // Asked before the transaction, but judged only of a new request: repeated, they may have gone.
        let known = self.check_users(&attendees).await;
        let once = attendees.iter().fold(once, Once::of);
        let (mut tx, meeting) = match self.lead(once, meeting_id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        known?;
        if meeting.status == Status::Cancelled {
            let step = "get participants";
            return Err(Refusal::IllegalStatus { from: meeting.status, step }.into());
        }
        let added = participant::add(&mut tx, meeting.id, &attendees).await?;
        if participant::ids_of(&mut tx, meeting.id).await?.len() > MAX_PARTICIPANTS {
            return Err(Refusal::TooManyParticipants.into());
        }
        let mut meeting = meeting;
        if !added.is_empty() {
            meeting = store::meeting::update(&mut tx, &meeting).await?;
        }
        for user_id in added {
            let coming = Coming { user_id, role: Role::Attendee, actor_id: Some(viewer) };
            self.tell_coming(&mut tx, &meeting, coming, true).await?;
        }
        self.commit(tx, meeting.id).await?;
        Ok(meeting)
    }

    /// Takes somebody out of a meeting; for its host.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn remove_participant(
        &self,
        once: Once<'_>,
        meeting_id: &str,
        user_id: &str,
    ) -> Result<MeetingRecord, MeetingError> {
        let viewer = once.viewer();
        let user_id = Uuid::parse_str(user_id).map_err(|_| Refusal::NotParticipant)?;
        let (mut tx, meeting) = match self.lead(once.of(user_id), meeting_id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        match participant::remove(&mut tx, meeting.id, user_id).await? {
            None => return Err(Refusal::NotParticipant.into()),
            Some(Role::Host) => return Err(Refusal::HostStays.into()),
            Some(Role::Attendee) => {}
        }
        let meeting = store::meeting::update(&mut tx, &meeting).await?;
        let going = Coming { user_id, role: Role::Attendee, actor_id: Some(viewer) };
        self.tell_coming(&mut tx, &meeting, going, false).await?;
        self.commit(tx, meeting.id).await?;
        Ok(meeting)
    }

    /// Answers the invitation to a meeting that hasn't ended; for oneself. The same answer again changes
    /// nothing.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn respond(
        &self,
        once: Once<'_>,
        meeting_id: &str,
        response: Response,
    ) -> Result<MeetingRecord, MeetingError> {
        let viewer = once.viewer();
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let (meeting, _) = self.lock_as_participant(&mut tx, viewer, meeting_id).await?;
        let id = meeting.id;
        // A late repetition mustn't undo what was answered since.
        if once.of(id).is_repeated(&mut tx).await? {
            return Ok(meeting);
        }
        // Once more behind the lock: they may have been removed while this waited.
        let role = participant::role_of(&mut tx, id, viewer).await?;
        response::check(role.ok_or(Refusal::MeetingNotFound)?, meeting.status)?;
        if participant::respond(&mut tx, id, viewer, response).await? {
            let keys = self.cache_keys(id);
            let event = events::response(&meeting, viewer, response, keys);
            self.kernel.outbox.append(&mut tx, event).await?;
        }
        self.commit(tx, id).await?;
        Ok(meeting)
    }

    /// Erases somebody whose account is deleted: at once what is theirs alone, and in the background
    /// (`crate::erasure`) their part in meetings, of which there may be many.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn forget(
        &self,
        tx: &mut PgConnection,
        user_id: Uuid,
    ) -> Result<(), sqlx::Error> {
        // First: whatever their last token is still used for leaves nothing behind this.
        erasure::note(tx, user_id).await?;
        self.forget_templates(tx, user_id).await?;
        // What is still to be created for them would have no host.
        for task in store::task::open_of(tx, user_id).await? {
            self.tasks.cancel(tx, task).await?;
        }
        Ok(())
    }

    /// Takes somebody whose account is deleted out of a meeting. What they led goes to who was invited
    /// next; with nobody left it is called off, if it hasn't ended.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn leave(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        user_id: Uuid,
    ) -> Result<(), sqlx::Error> {
        let Some(mut meeting) = store::meeting::lock(tx, id).await? else { return Ok(()) };
        let Some(role) = participant::remove(tx, id, user_id).await? else { return Ok(()) };
        let heir = participant::ids_of(tx, id).await?.first().copied();
        if role == Role::Host
            && let Some(heir) = heir
        {
            participant::lead(tx, id, heir).await?;
            store::meeting::hand_over(tx, id, heir).await?;
            meeting.host_id = heir;
        }
        let meeting = store::meeting::update(tx, &meeting).await?;
        let going = Coming { user_id, role, actor_id: None };
        self.tell_coming(tx, &meeting, going, false).await?;
        if heir.is_none()
            && let Ok(Outcome::Move(status)) = meeting.status.after(Step::Cancel)
        {
            let called_off = MeetingRecord { status, ..meeting };
            self.write(tx, &called_off, Happening::Cancelled).await?;
        }
        Ok(())
    }

    /// Tells that somebody comes or goes; and who goes loses what was opened before.
    async fn tell_coming(
        &self,
        tx: &mut PgConnection,
        meeting: &MeetingRecord,
        coming: Coming,
        comes: bool,
    ) -> Result<(), sqlx::Error> {
        let people = participant::ids_of(tx, meeting.id).await?;
        let keys = self.cache_keys(meeting.id);
        // First: whoever goes hears of nothing that comes after it.
        if !comes {
            let revoking = Revoking::new(self.kernel.outbox.clone(), NAME);
            revoking.tell(tx, meeting.id, coming.user_id).await?;
        }
        let event = events::participation(meeting, coming, comes, &people, keys);
        self.kernel.outbox.append(tx, event).await?;
        Ok(())
    }
}
