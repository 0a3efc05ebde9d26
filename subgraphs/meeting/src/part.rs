//! A recording that comes in parts while the meeting runs.
//!
//! Each part is a file of its own: in any order, once or repeated. Every change of parts, and the
//! decision that no more come, is made under the meeting's row, so that a part is either told to
//! those who recognise it or refused, and never neither.

use chrono::{DateTime, TimeDelta, Utc};
use platform::{departure, idempotency::Once};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::{
    domain::{
        media::{MAX_RECORDINGS, check_type},
        part::{Inventory, check_part_size, check_sequence, check_start, inventory, is_awaited},
        refusal::Refusal,
        signature::UPLOAD_URL_TTL_S,
        status::Status,
    },
    error::MeetingError,
    events,
    meeting::Meetings,
    recording::Ticket,
    store::{
        self,
        meeting::MeetingRecord,
        part::{self, Place, Renewal},
        recording::{self, NewRecording, RecordingRecord, RecordingStatus},
    },
};

/// Meetings whose missing parts are looked at in one go.
const CLOSED_AT_ONCE: i64 = 100;

/// What somebody who wants to send a part gives.
#[derive(Debug)]
pub struct PartRequest {
    /// Whose recording it is.
    pub meeting_id: String,
    /// Place of the part, from 0.
    pub sequence: i32,
    /// Where it begins in the recording, in milliseconds.
    pub start_ms: Option<i64>,
    /// Media type.
    pub content_type: String,
    /// Size, in bytes.
    pub size_bytes: i64,
}

/// A part, and where its file is to be sent, unless it is there.
#[derive(Debug)]
pub struct PartTicket {
    /// The recording that it belongs to.
    pub recording: RecordingRecord,
    /// The part.
    pub part: RecordingRecord,
    /// Where to send its file.
    pub ticket: Option<Ticket>,
}

impl Meetings {
    /// Opens a part of the recording of a meeting that the one who asks takes part in, and the recording with
    /// the first one. A part that was asked for before is answered again.
    ///
    /// # Errors
    /// [`MeetingError`]; refusals name the field to mend.
    pub async fn request_part(
        &self,
        once: Once<'_>,
        request: PartRequest,
    ) -> Result<PartTicket, MeetingError> {
        let viewer = once.viewer();
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let (meeting, _) = self.lock_as_participant(&mut tx, viewer, &request.meeting_id).await?;
        let sequence = check_sequence(request.sequence)?;
        let opened = part::of_meeting(&mut tx, meeting.id).await?;
        let there = match &opened {
            Some(recording) => part::at(&mut tx, recording.id, sequence).await?,
            None => None,
        };
        let wanted = Wanted {
            viewer,
            id: there.as_ref().map_or_else(Uuid::now_v7, |there| there.id),
            there,
            sequence,
            start_ms: request.start_ms,
            content_type: check_type(&request.content_type)?,
            size_bytes: request.size_bytes,
        };
        if let Some(earlier) = once.of(meeting.id).answer(&mut tx, wanted.id).await? {
            return self.answered(&mut tx, earlier).await;
        }
        let recording = self.open_parted(&mut tx, &meeting, opened, &wanted).await?;
        let part = wanted.put(&mut tx, &recording).await?;
        tx.commit().await?;
        Ok(self.part_ticket(recording, part))
    }

    async fn answered(
        &self,
        tx: &mut PgConnection,
        answer: Uuid,
    ) -> Result<PartTicket, MeetingError> {
        let part = recording::by_id(tx, answer).await?.ok_or(Refusal::RecordingNotFound)?;
        let recording = match part.part_of {
            Some(id) => recording::by_id(tx, id).await?,
            None => None,
        };
        Ok(self.part_ticket(recording.ok_or(Refusal::RecordingNotFound)?, part))
    }

    fn part_ticket(&self, recording: RecordingRecord, part: RecordingRecord) -> PartTicket {
        let is_awaited = part.status == RecordingStatus::Pending && recording.closed_at.is_none();
        let ticket = is_awaited.then(|| self.ticket(&part));
        PartTicket { recording, part, ticket }
    }

    /// The meeting's recording in parts, if it takes any now; opened while the meeting runs.
    async fn open_parted(
        &self,
        tx: &mut PgConnection,
        meeting: &MeetingRecord,
        opened: Option<RecordingRecord>,
        wanted: &Wanted,
    ) -> Result<RecordingRecord, MeetingError> {
        let step = "take a part of a recording";
        let illegal = Refusal::IllegalStatus { from: meeting.status, step };
        if meeting.status == Status::Cancelled {
            return Err(illegal.into());
        }
        if let Some(recording) = opened {
            let ended_with_it =
                meeting.status == Status::Ended && meeting.recording_id == Some(recording.id);
            return match (recording.closed_at, recording.deleted_at) {
                (None, None) if meeting.status == Status::InProgress || ended_with_it => {
                    Ok(recording)
                }
                (None, None) => Err(illegal.into()),
                _ => Err(Refusal::RecordingClosed.into()),
            };
        }
        if meeting.status != Status::InProgress {
            return Err(illegal.into());
        }
        if recording::count(tx, meeting.id).await? >= MAX_RECORDINGS {
            return Err(Refusal::TooManyRecordings.into());
        }
        let id = Uuid::now_v7();
        let new = NewRecording {
            id,
            meeting_id: meeting.id,
            requested_by: wanted.viewer,
            content_type: &wanted.content_type,
            size_bytes: 0,
            object_key: &format!("recordings/{}/{id}", meeting.id),
            upload_expires_at: expiry(),
        };
        Ok(part::open(tx, &new).await?)
    }

    /// The file of a part is there: final, and told to those who recognise it. `None` when the upload
    /// lost its right to write, or the recording is complete without it.
    pub(crate) async fn finish_part(
        &self,
        mut tx: Transaction<'_, Postgres>,
        part: &RecordingRecord,
        attempt: Uuid,
    ) -> Result<Option<RecordingRecord>, sqlx::Error> {
        let Some(meeting) = store::meeting::lock(&mut tx, part.meeting_id).await? else {
            return Ok(None);
        };
        let recording = part::of_meeting(&mut tx, meeting.id).await?;
        let open = recording
            .filter(|recording| recording.closed_at.is_none() && recording.deleted_at.is_none());
        let Some(recording) = open else { return Ok(None) };
        let is_held = matches!(meeting.status, Status::InProgress | Status::Ended);
        if !is_held {
            return Ok(None);
        }
        let Some(part) = recording::finish_upload(&mut tx, part.id, attempt).await? else {
            return Ok(None);
        };
        part::grow(&mut tx, recording.id, part.size_bytes).await?;
        let told = events::part_uploaded(&meeting, recording.id, &part);
        self.kernel.outbox.append(&mut tx, told).await?;
        self.close_if_due(&mut tx, &meeting, &recording, Utc::now()).await?;
        self.commit(tx, meeting.id).await?;
        Ok(Some(part))
    }

    /// Declares the recording that a meeting ended with as complete when no part is waited for any
    /// more, and tells what is missing. The caller has locked the meeting. `false`: it goes on.
    pub(crate) async fn close_if_due(
        &self,
        tx: &mut PgConnection,
        meeting: &MeetingRecord,
        recording: &RecordingRecord,
        now: DateTime<Utc>,
    ) -> Result<bool, sqlx::Error> {
        let (Status::Ended, Some(ended_at)) = (meeting.status, meeting.ended_at) else {
            return Ok(false);
        };
        if meeting.recording_id != Some(recording.id) || recording.closed_at.is_some() {
            return Ok(false);
        }
        let parts = part::sent(tx, recording.id).await?;
        let since_end_ms = (now - ended_at).num_milliseconds();
        if is_awaited(&parts, recording.part_count, since_end_ms) {
            return Ok(false);
        }
        let Inventory { part_count, missing } = inventory(&parts, recording.part_count);
        part::close(tx, recording.id, now).await?;
        let told = events::recording_closed(meeting, recording.id, part_count, &missing);
        self.kernel.outbox.append(tx, told).await?;
        Ok(true)
    }

    /// Looks after the recordings of ended meetings of which parts are missing; gives how many are
    /// complete since.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn close_due(&self, now: DateTime<Utc>) -> Result<usize, sqlx::Error> {
        let mut closed = 0;
        for id in part::awaited(self.pool(), CLOSED_AT_ONCE).await? {
            let mut tx = self.kernel.pool.begin().await?;
            let Some(meeting) = store::meeting::lock(&mut tx, id).await? else { continue };
            let Some(recording) = part::of_meeting(&mut tx, id).await? else { continue };
            if self.close_if_due(&mut tx, &meeting, &recording, now).await? {
                self.commit(tx, id).await?;
                closed += 1;
            }
        }
        Ok(closed)
    }
}

/// A part as somebody wants it, checked.
struct Wanted {
    viewer: Uuid,
    id: Uuid,
    /// What stands in its place already.
    there: Option<RecordingRecord>,
    sequence: i32,
    start_ms: Option<i64>,
    content_type: String,
    size_bytes: i64,
}

impl Wanted {
    /// Writes the part, or finds the one in its place.
    async fn put(
        self,
        tx: &mut PgConnection,
        recording: &RecordingRecord,
    ) -> Result<RecordingRecord, MeetingError> {
        if let Some(there) = &self.there {
            if there.requested_by != self.viewer {
                return Err(Refusal::SequenceTaken.into());
            }
            match there.status {
                RecordingStatus::Uploaded => return Ok(there.clone()),
                RecordingStatus::Deleted => return Err(Refusal::RecordingDeleted.into()),
                RecordingStatus::Pending => {}
            }
        }
        let room = part::room(tx, recording.id, self.sequence).await?;
        check_part_size(self.size_bytes, room.size_bytes)?;
        check_start(self.start_ms, room.before_ms, room.behind_ms)?;
        if let Some(there) = &self.there {
            let renewal = Renewal {
                content_type: &self.content_type,
                size_bytes: self.size_bytes,
                start_ms: self.start_ms,
                upload_expires_at: expiry(),
            };
            return Ok(part::renew(tx, there.id, &renewal)
                .await?
                .ok_or(Refusal::PartInProgress)?);
        }
        let new = NewRecording {
            id: self.id,
            meeting_id: recording.meeting_id,
            requested_by: self.viewer,
            content_type: &self.content_type,
            size_bytes: self.size_bytes,
            object_key: &format!("{}/{}", recording.object_key, self.id),
            upload_expires_at: expiry(),
        };
        let (recording_id, sequence, start_ms) = (recording.id, self.sequence, self.start_ms);
        let place = Place { recording_id, sequence, start_ms };
        Ok(part::insert(tx, &new, place).await?)
    }
}

fn expiry() -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(UPLOAD_URL_TTL_S)
}
