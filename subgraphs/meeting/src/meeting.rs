//! What can be done with a meeting: planning, starting, ending, calling it off.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use platform::{cache::Kind, departure, idempotency::Once, kernel::Kernel, task::Tasks};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::{
    config::Config,
    domain::{
        part::check_count,
        plan::{check_agenda, check_attendees, check_language, check_title},
        refusal::Refusal,
        role::Role,
        signature::UploadKeys,
        status::{Outcome, Status, Step},
        template::{self, Outline},
    },
    error::MeetingError,
    events::{self, Happening},
    store::{
        self,
        meeting::{MeetingRecord, NewMeeting},
        part,
        participant::{self, ParticipantRecord},
        recording::{self, RecordingRecord, RecordingStatus},
        template::TemplateRecord,
    },
};

/// Most people that the user service is asked for at once.
const USERS_PER_QUESTION: usize = 1_000;

/// What somebody who plans a meeting gives.
#[derive(Debug, Default)]
pub struct Plan {
    /// Title as typed; without one, the template's.
    pub title: Option<String>,
    /// Agenda as typed; without one, the template's.
    pub agenda: Option<String>,
    /// When it is to be.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Ids of the attendees, the host included or not.
    pub participant_ids: Vec<String>,
    /// Id of a template.
    pub template_id: Option<String>,
    /// Spoken language.
    pub language: Option<String>,
}

/// A plan that was checked: what is written of it, under an id that was chosen before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    /// Id of the meeting that it becomes.
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) agenda: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) template_id: Uuid,
    /// What the meeting keeps of it, if it isn't a built-in one.
    #[serde(default)]
    pub(crate) template: Option<Outline>,
    pub(crate) scheduled_at: Option<DateTime<Utc>>,
    /// Who takes part besides the host.
    pub(crate) attendees: Vec<Uuid>,
}

impl Checked {
    /// Checks the plan of somebody who has these templates, but not whether those whom it names exist.
    pub(crate) fn of(host: Uuid, plan: &Plan, own: &[TemplateRecord]) -> Result<Self, Refusal> {
        let (template_id, own) = check_template(plan.template_id.as_deref(), own)?;
        let title = plan.title.as_deref().or(own.and_then(|own| own.title.as_deref()));
        let agenda = plan.agenda.as_deref().or(own.and_then(|own| own.agenda.as_deref()));
        Ok(Self {
            id: Uuid::now_v7(),
            title: check_title(title.unwrap_or_default())?,
            agenda: check_agenda(agenda)?,
            language: check_language(plan.language.as_deref())?,
            template_id,
            template: own.map(TemplateRecord::outline),
            scheduled_at: plan.scheduled_at,
            attendees: check_attendees(host, &plan.participant_ids)?,
        })
    }
}

/// What is to change of a plan; `None` stays as it is.
#[derive(Debug, Default)]
pub struct Change {
    /// The version that the editor saw.
    pub version: Option<i32>,
    /// New title.
    pub title: Option<String>,
    /// New agenda; an empty one is none.
    pub agenda: Option<String>,
    /// New time.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// With what a meeting ends.
#[derive(Debug, Default, Clone, Copy)]
pub struct End<'a> {
    /// The recording, if one is named.
    pub recording_id: Option<&'a str>,
    /// How many parts the recording in parts has, if somebody says so.
    pub part_count: Option<i32>,
    /// When it was over; now unless given.
    pub at: Option<DateTime<Utc>>,
}

/// The meetings; cheap to clone.
#[derive(Clone)]
pub struct Meetings {
    pub(crate) kernel: Kernel,
    pub(crate) config: Arc<Config>,
    pub(crate) upload_keys: UploadKeys,
    pub(crate) tasks: Tasks,
    meetings: Kind<MeetingRecord>,
    participants: Kind<Vec<ParticipantRecord>>,
    templates: Kind<Vec<TemplateRecord>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsersExist {
    users_exist: HashSet<Uuid>,
}

impl Meetings {
    /// The meetings in the kernel's database.
    #[must_use]
    pub fn new(kernel: Kernel, config: Config) -> Self {
        Self {
            meetings: kernel.cache.kind("meeting").versioned(MeetingRecord::cached_version),
            participants: kernel.cache.kind("meeting.participants"),
            templates: kernel.cache.kind("meeting.templates"),
            upload_keys: UploadKeys::derive(config.secrets()),
            tasks: kernel.tasks(),
            config: Arc::new(config),
            kernel,
        }
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.kernel.pool
    }

    /// The cached meetings.
    #[must_use]
    pub fn cached_meetings(&self) -> &Kind<MeetingRecord> {
        &self.meetings
    }

    /// The cached participants of each meeting.
    #[must_use]
    pub fn cached_participants(&self) -> &Kind<Vec<ParticipantRecord>> {
        &self.participants
    }

    /// The cached templates of each person's own.
    #[must_use]
    pub fn cached_templates(&self) -> &Kind<Vec<TemplateRecord>> {
        &self.templates
    }

    /// The templates of somebody's own, if one of these plans may follow one.
    pub(crate) async fn own_templates(
        &self,
        owner: Uuid,
        plans: &[Plan],
    ) -> Result<Vec<TemplateRecord>, sqlx::Error> {
        let built_in = |id: &str| Uuid::parse_str(id).is_ok_and(|id| template::by_id(id).is_some());
        if plans.iter().filter_map(|plan| plan.template_id.as_deref()).all(built_in) {
            return Ok(Vec::new());
        }
        let mut found = store::template::by_owners(&self.kernel.pool, &[owner]).await?;
        Ok(found.remove(&owner).unwrap_or_default())
    }

    /// Plans a meeting whose host is the one who asks.
    ///
    /// # Errors
    /// [`MeetingError`]; refusals name the field to mend.
    pub async fn create(&self, once: Once<'_>, plan: Plan) -> Result<MeetingRecord, MeetingError> {
        let viewer = once.viewer();
        let own = self.own_templates(viewer, std::slice::from_ref(&plan)).await?;
        let checked = Checked::of(viewer, &plan, &own)?;
        self.check_users(&checked.attendees).await?;

        let mut tx = departure::begin(self.pool(), viewer).await?;
        if let Some(earlier) = once.answer(&mut tx, checked.id).await? {
            let meeting = store::meeting::lock(&mut tx, earlier).await?;
            return Ok(meeting.ok_or(Refusal::MeetingNotFound)?);
        }
        let meeting = self.put(&mut tx, viewer, &checked).await?;
        self.commit(tx, meeting.id).await?;
        Ok(meeting)
    }

    /// Writes a new meeting, and tells of it.
    pub(crate) async fn put(
        &self,
        tx: &mut PgConnection,
        host: Uuid,
        plan: &Checked,
    ) -> Result<MeetingRecord, sqlx::Error> {
        let new = NewMeeting {
            id: plan.id,
            title: &plan.title,
            agenda: plan.agenda.as_deref(),
            language: plan.language.as_deref(),
            host_id: host,
            template_id: plan.template_id,
            template: plan.template.as_ref(),
            scheduled_at: plan.scheduled_at,
        };
        let meeting = store::meeting::insert(tx, &new).await?;
        participant::insert(tx, plan.id, host, &plan.attendees).await?;
        self.tell(tx, &meeting, Happening::Created).await?;
        Ok(meeting)
    }

    /// Changes the plan of a meeting that hasn't ended.
    ///
    /// # Errors
    /// [`MeetingError`]; `VERSION_CONFLICT` when somebody else was faster.
    pub async fn update(
        &self,
        once: Once<'_>,
        meeting_id: &str,
        change: Change,
    ) -> Result<MeetingRecord, MeetingError> {
        let (tx, mut meeting) = match self.lead(once, meeting_id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        if !meeting.status.is_open() {
            return Err(Refusal::IllegalStatus { from: meeting.status, step: "be changed" }.into());
        }
        if change.version.is_some_and(|seen| seen != meeting.version) {
            return Err(Refusal::VersionConflict.into());
        }
        if let Some(title) = &change.title {
            meeting.title = check_title(title)?;
        }
        if let Some(agenda) = &change.agenda {
            meeting.agenda = check_agenda(Some(agenda))?;
        }
        if change.scheduled_at.is_some() {
            meeting.scheduled_at = change.scheduled_at;
        }
        let happening = Happening::Updated { change: "PLAN", recording_id: None };
        self.write_and_commit(tx, &meeting, happening).await
    }

    /// Starts a meeting; one that runs already is answered as it is.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn start(&self, once: Once<'_>, id: &str) -> Result<MeetingRecord, MeetingError> {
        self.start_at(once, id, Utc::now()).await
    }

    /// Starts a meeting that began then; one that runs already is answered as it is.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn start_at(
        &self,
        once: Once<'_>,
        id: &str,
        at: DateTime<Utc>,
    ) -> Result<MeetingRecord, MeetingError> {
        let (tx, mut meeting) = match self.lead(once, id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        match meeting.status.after(Step::Start)? {
            Outcome::Already => as_it_is(tx, meeting).await,
            Outcome::Move(status) => {
                meeting.status = status;
                meeting.started_at = Some(at);
                self.write_and_commit(tx, &meeting, Happening::Started).await
            }
        }
    }

    /// Calls a meeting off; one that is called off already is answered as it is.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn cancel(&self, once: Once<'_>, id: &str) -> Result<MeetingRecord, MeetingError> {
        let (mut tx, mut meeting) = match self.lead(once, id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        match meeting.status.after(Step::Cancel)? {
            Outcome::Already => as_it_is(tx, meeting).await,
            Outcome::Move(status) => {
                meeting.status = status;
                if let Some(parted) = part::of_meeting(&mut tx, meeting.id).await? {
                    part::close(&mut tx, parted.id, Utc::now()).await?;
                }
                self.write_and_commit(tx, &meeting, Happening::Cancelled).await
            }
        }
    }

    /// Ends a meeting with or without a recording; one that has ended is answered as it is,
    /// unless it has no recording and is given one now: that ends it once more, with it. Without one
    /// named, a recording in parts is taken, if there is one.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn end(
        &self,
        once: Once<'_>,
        id: &str,
        end: End<'_>,
    ) -> Result<MeetingRecord, MeetingError> {
        let part_count = end.part_count.map(check_count).transpose()?;
        let (mut tx, mut meeting) = match self.lead(once, id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        let outcome = meeting.status.after(Step::End)?;
        let named = end.recording_id.map(Uuid::parse_str).and_then(Result::ok);
        if outcome == Outcome::Already && named.is_some() && named == meeting.recording_id {
            return as_it_is(tx, meeting).await;
        }
        let parted = part::of_meeting(&mut tx, meeting.id).await?;
        let recording = match end.recording_id {
            Some(recording_id) => Some(uploaded(&mut tx, meeting.id, recording_id).await?),
            None => parted.clone().filter(|parted| parted.deleted_at.is_none()),
        };
        match (outcome, &recording, meeting.recording_id) {
            (Outcome::Move(status), ..) => {
                meeting.status = status;
                meeting.ended_at = Some(end.at.unwrap_or_else(Utc::now));
            }
            (Outcome::Already, None, _) => return as_it_is(tx, meeting).await,
            (Outcome::Already, Some(_), _) if end.recording_id.is_none() => {
                return as_it_is(tx, meeting).await;
            }
            (Outcome::Already, Some(_), None) if meeting.status == Status::Ended => {}
            (Outcome::Already, Some(_), _) => return Err(Refusal::OtherRecording.into()),
        }
        meeting.recording_id = recording.as_ref().map(|recording| recording.id);
        let happening = Happening::Ended { recording: recording.as_ref() };
        let meeting = self.write(&mut tx, &meeting, happening).await?;
        if let Some(mut parted) = parted {
            if let Some(count) = part_count {
                part::announce(&mut tx, parted.id, count).await?;
                parted.part_count = Some(count);
            }
            if meeting.recording_id == Some(parted.id) {
                self.close_if_due(&mut tx, &meeting, &parted, Utc::now()).await?;
            } else {
                // Ended with another one: nobody recognises these parts any more.
                part::close(&mut tx, parted.id, Utc::now()).await?;
            }
        }
        self.commit(tx, meeting.id).await?;
        Ok(meeting)
    }

    /// Reads and locks a meeting that `viewer` takes part in, and what they are there.
    pub(crate) async fn lock_as_participant(
        &self,
        tx: &mut PgConnection,
        viewer: Uuid,
        meeting_id: &str,
    ) -> Result<(MeetingRecord, Role), MeetingError> {
        let id = Uuid::parse_str(meeting_id).map_err(|_| Refusal::MeetingNotFound)?;
        let role = participant::role_of(tx, id, viewer).await?.ok_or(Refusal::MeetingNotFound)?;
        let meeting = store::meeting::lock(tx, id).await?.ok_or(Refusal::MeetingNotFound)?;
        Ok((meeting, role))
    }

    /// Opens the transaction of what the host of a meeting asks for, with the meeting locked, unless it was done
    /// before under the same key.
    pub(crate) async fn lead(&self, once: Once<'_>, meeting_id: &str) -> Result<Led, MeetingError> {
        let viewer = once.viewer();
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let meeting = match self.lock_as_participant(&mut tx, viewer, meeting_id).await? {
            (meeting, Role::Host) => meeting,
            (_, Role::Attendee) => return Err(Refusal::NotHost.into()),
        };
        Ok(match once.of(meeting.id).is_repeated(&mut tx).await? {
            true => Led::Answered(meeting),
            false => Led::Now(tx, meeting),
        })
    }

    /// Writes a changed meeting and the event about it.
    pub(crate) async fn write(
        &self,
        tx: &mut PgConnection,
        meeting: &MeetingRecord,
        happening: Happening<'_>,
    ) -> Result<MeetingRecord, sqlx::Error> {
        let meeting = store::meeting::update(tx, meeting).await?;
        self.tell(tx, &meeting, happening).await?;
        Ok(meeting)
    }

    /// Writes the event about a meeting.
    pub(crate) async fn tell(
        &self,
        tx: &mut PgConnection,
        meeting: &MeetingRecord,
        happening: Happening<'_>,
    ) -> Result<(), sqlx::Error> {
        let participants = participant::ids_of(tx, meeting.id).await?;
        let keys = self.cache_keys(meeting.id);
        let event = events::about(meeting, happening, &participants, Utc::now(), keys);
        self.kernel.outbox.append(tx, event).await?;
        Ok(())
    }

    /// Commits, drops what the cache holds of the meeting, and has its events published.
    pub(crate) async fn commit(
        &self,
        tx: Transaction<'_, Postgres>,
        meeting_id: Uuid,
    ) -> Result<(), sqlx::Error> {
        tx.commit().await?;
        // The relay drops them too, before it publishes: this is for who asks right away.
        self.kernel.cache.invalidate(&self.cache_keys(meeting_id)).await;
        self.kernel.outbox.wake();
        Ok(())
    }

    async fn write_and_commit(
        &self,
        mut tx: Transaction<'_, Postgres>,
        meeting: &MeetingRecord,
        happening: Happening<'_>,
    ) -> Result<MeetingRecord, MeetingError> {
        let meeting = self.write(&mut tx, meeting, happening).await?;
        self.commit(tx, meeting.id).await?;
        Ok(meeting)
    }

    pub(crate) fn cache_keys(&self, meeting_id: Uuid) -> Vec<String> {
        vec![self.meetings.key(meeting_id), self.participants.key(meeting_id)]
    }

    /// Are all of them users of this system?
    pub(crate) async fn check_users(&self, ids: &[Uuid]) -> Result<(), MeetingError> {
        let known = self.users_among(ids).await?;
        if ids.iter().all(|id| known.contains(id)) {
            Ok(())
        } else {
            Err(Refusal::UnknownParticipant.into())
        }
    }

    /// Which of them are users of this system, asked for [`USERS_PER_QUESTION`] at a time.
    pub(crate) async fn users_among(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, MeetingError> {
        let mut known = HashSet::new();
        for ids in ids.chunks(USERS_PER_QUESTION) {
            let answer = self
                .kernel
                .ask(
                    "user",
                    "query MeetingUsersExist($ids: [ID!]!) { usersExist(ids: $ids) }",
                    json!({ "ids": ids }),
                )
                .await
                .map_err(MeetingError::Users)?;
            let UsersExist { users_exist } =
                serde_json::from_value(answer).map_err(MeetingError::UsersAnswer)?;
            known.extend(users_exist);
        }
        Ok(known)
    }
}

/// A meeting of which its host wants something.
pub(crate) enum Led {
    /// As it is, locked.
    Now(Transaction<'static, Postgres>, MeetingRecord),
    /// It was done before, under the same key: as it is.
    Answered(MeetingRecord),
}

/// Answers with a meeting that is already as it is to be; the key is noted.
async fn as_it_is(
    tx: Transaction<'_, Postgres>,
    meeting: MeetingRecord,
) -> Result<MeetingRecord, MeetingError> {
    tx.commit().await?;
    Ok(meeting)
}

/// A built-in template, or one of these.
fn check_template<'a>(
    id: Option<&str>,
    own: &'a [TemplateRecord],
) -> Result<(Uuid, Option<&'a TemplateRecord>), Refusal> {
    let Some(id) = id else { return Ok((template::GENERAL.id, None)) };
    let id = Uuid::parse_str(id).map_err(|_| Refusal::TemplateNotFound)?;
    if template::by_id(id).is_some() {
        return Ok((id, None));
    }
    let own = own.iter().find(|own| own.id == id).ok_or(Refusal::TemplateNotFound)?;
    Ok((id, Some(own)))
}

/// A recording of this meeting whose file is there, or whose parts are or will be.
async fn uploaded(
    tx: &mut PgConnection,
    meeting_id: Uuid,
    recording_id: &str,
) -> Result<RecordingRecord, MeetingError> {
    let id = Uuid::parse_str(recording_id).map_err(|_| Refusal::RecordingNotFound)?;
    let recording = recording::by_id(tx, id)
        .await?
        .filter(|recording| recording.meeting_id == meeting_id && recording.part_of.is_none())
        .ok_or(Refusal::RecordingNotFound)?;
    match recording.status {
        RecordingStatus::Uploaded => Ok(recording),
        RecordingStatus::Deleted => Err(Refusal::RecordingDeleted.into()),
        RecordingStatus::Pending if recording.parted => Ok(recording),
        RecordingStatus::Pending => Err(Refusal::RecordingNotUploaded.into()),
    }
}
