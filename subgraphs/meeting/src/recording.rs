//! Asking for an upload, and what becomes of the recording when it is there.

use chrono::{DateTime, TimeDelta, Utc};
use platform::{departure, idempotency::Once};
use uuid::Uuid;

use crate::{
    domain::{
        media::{MAX_RECORDINGS, check_size, check_type},
        refusal::Refusal,
        signature::UPLOAD_URL_TTL_S,
    },
    error::MeetingError,
    events::Happening,
    meeting::Meetings,
    store::{
        self,
        recording::{self, NewRecording, RecordingRecord},
    },
};

/// What somebody who wants to upload gives.
#[derive(Debug)]
pub struct UploadRequest {
    /// Whose recording it is.
    pub meeting_id: String,
    /// Media type.
    pub content_type: String,
    /// Size, in bytes.
    pub size_bytes: i64,
}

/// Where and how to send the file.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Signed address, good for one file.
    pub url: String,
    /// HTTP method.
    pub method: &'static str,
    /// Headers that have to be sent.
    pub headers: Vec<(&'static str, String)>,
    /// When the address ends.
    pub expires_at: DateTime<Utc>,
}

impl Meetings {
    /// Opens a recording for a meeting that the one who asks takes part in.
    ///
    /// # Errors
    /// [`MeetingError`]; refusals name the field to mend.
    pub async fn request_upload(
        &self,
        once: Once<'_>,
        request: UploadRequest,
    ) -> Result<(RecordingRecord, Ticket), MeetingError> {
        let viewer = once.viewer();
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let (meeting, _) = self.lock_as_participant(&mut tx, viewer, &request.meeting_id).await?;
        let content_type = check_type(&request.content_type)?;
        check_size(request.size_bytes)?;

        let id = Uuid::now_v7();
        if let Some(earlier) = once.of(meeting.id).answer(&mut tx, id).await? {
            let recording = recording::by_id(&mut tx, earlier).await?;
            let recording = recording.ok_or(Refusal::RecordingNotFound)?;
            let ticket = self.ticket(&recording);
            return Ok((recording, ticket));
        }
        if !meeting.status.takes_recording(meeting.recording_id.is_some()) {
            let step = "take a recording";
            return Err(Refusal::IllegalStatus { from: meeting.status, step }.into());
        }
        if recording::count(&mut tx, meeting.id).await? >= MAX_RECORDINGS {
            return Err(Refusal::TooManyRecordings.into());
        }
        let new = NewRecording {
            id,
            meeting_id: meeting.id,
            requested_by: viewer,
            content_type: &content_type,
            size_bytes: request.size_bytes,
            object_key: &format!("recordings/{}/{id}", meeting.id),
            upload_expires_at: Utc::now() + TimeDelta::seconds(UPLOAD_URL_TTL_S),
        };
        let recording = recording::insert(&mut tx, &new).await?;
        tx.commit().await?;
        let ticket = self.ticket(&recording);
        Ok((recording, ticket))
    }

    /// The file of a recording, or of a part, is there: final, and told to those who watch the
    /// meeting. `None` when the upload lost its right to write.
    pub(crate) async fn finish_upload(
        &self,
        id: Uuid,
        attempt: Uuid,
    ) -> Result<Option<RecordingRecord>, sqlx::Error> {
        let mut tx = self.kernel.pool.begin().await?;
        let known = recording::by_id(&mut tx, id).await?;
        if let Some(part) = known.filter(|known| known.part_of.is_some()) {
            return self.finish_part(tx, &part, attempt).await;
        }
        let Some(recording) = recording::finish_upload(&mut tx, id, attempt).await? else {
            return Ok(None);
        };
        let meetings = store::meeting::by_ids(&mut *tx, &[recording.meeting_id]).await?;
        if let Some(meeting) = meetings.get(&recording.meeting_id) {
            let happening = Happening::Updated {
                change: "RECORDING_UPLOADED",
                recording_id: Some(recording.id),
            };
            self.tell(&mut tx, meeting, happening).await?;
        }
        self.commit(tx, recording.meeting_id).await?;
        Ok(Some(recording))
    }

    /// The signed address of a recording or part whose file is to come.
    pub(crate) fn ticket(&self, recording: &RecordingRecord) -> Ticket {
        let expires = recording.upload_expires_at.timestamp();
        let signature = self.upload_keys.sign(recording.id, expires);
        Ticket {
            url: format!(
                "{}/uploads/{}?expires={expires}&signature={signature}",
                self.config.upload_base_url, recording.id
            ),
            method: "PUT",
            headers: vec![("content-type", recording.content_type.clone())],
            expires_at: DateTime::from_timestamp(expires, 0).unwrap_or(recording.upload_expires_at),
        }
    }
}
