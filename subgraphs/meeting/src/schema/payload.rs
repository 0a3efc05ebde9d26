//! What mutations answer.

use async_graphql::{Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::{
    error::{Refused, UserError},
    task::Task,
};

use super::{
    object::{Meeting, MeetingTemplate, Recording, RecordingPart},
    task::MeetingTask,
};
use crate::{
    error::MeetingError,
    part::PartTicket,
    recording::Ticket,
    store::{meeting::MeetingRecord, recording::RecordingRecord, template::TemplateRecord},
};

/// A meeting as it stands after a mutation, or why nothing changed.
#[derive(SimpleObject)]
pub struct MeetingPayload {
    /// The meeting; null when refused.
    pub meeting: Option<Meeting>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl MeetingPayload {
    /// Tells the outcome of a mutation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub(super) fn tell(outcome: Result<MeetingRecord, MeetingError>) -> Result<Self> {
        Ok(match outcome {
            Ok(meeting) => Self { meeting: Some(Meeting(meeting)), user_errors: Vec::new() },
            Err(error) => Self { meeting: None, user_errors: vec![error.told()?] },
        })
    }
}

/// A task as it stands after a mutation, or why nothing changed.
#[derive(SimpleObject)]
pub struct MeetingTaskPayload {
    /// The task; null when refused.
    pub task: Option<MeetingTask>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl MeetingTaskPayload {
    /// Tells the outcome of a mutation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub(super) fn tell(outcome: std::result::Result<Task, Refused>) -> Result<Self> {
        Ok(match outcome {
            Ok(task) => Self { task: Some(MeetingTask(task)), user_errors: Vec::new() },
            Err(refused) => Self { task: None, user_errors: refused.told()? },
        })
    }
}

/// A template of one's own as it stands after a mutation, or why nothing changed.
#[derive(SimpleObject)]
pub struct MeetingTemplatePayload {
    /// The template, as it was before if it is deleted; null when refused, and when the same request deleted it
    /// before.
    pub template: Option<MeetingTemplate>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl MeetingTemplatePayload {
    /// Tells the outcome of a mutation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub(super) fn tell(outcome: Result<Option<TemplateRecord>, MeetingError>) -> Result<Self> {
        Ok(match outcome {
            Ok(own) => Self { template: own.map(MeetingTemplate::Own), user_errors: Vec::new() },
            Err(error) => Self { template: None, user_errors: vec![error.told()?] },
        })
    }
}

/// Where and how to send a file.
#[derive(SimpleObject)]
pub struct RecordingUpload {
    /// Signed address, good for one file.
    pub url: String,
    /// HTTP method.
    pub method: String,
    /// Headers to send with it.
    pub headers: Vec<UploadHeader>,
    /// When the address ends.
    pub expires_at: DateTime<Utc>,
}

/// A header of an upload.
#[derive(SimpleObject)]
pub struct UploadHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Where to send a file, or why it isn't accepted.
#[derive(SimpleObject)]
pub struct RequestRecordingUploadPayload {
    /// The recording, still without its file; null when refused.
    pub recording: Option<Recording>,
    /// Where to send the file; null when refused.
    pub upload: Option<RecordingUpload>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl RequestRecordingUploadPayload {
    /// Tells the outcome of the mutation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub(super) fn tell(outcome: Result<(RecordingRecord, Ticket), MeetingError>) -> Result<Self> {
        Ok(match outcome {
            Ok((recording, ticket)) => Self {
                recording: Some(Recording(recording)),
                upload: Some(ticket.into()),
                user_errors: Vec::new(),
            },
            Err(error) => Self { recording: None, upload: None, user_errors: vec![error.told()?] },
        })
    }
}

/// Where to send the file of a part, or why it isn't accepted.
#[derive(SimpleObject)]
pub struct RequestRecordingPartUploadPayload {
    /// The recording that the part belongs to; null when refused.
    pub recording: Option<Recording>,
    /// The part; null when refused.
    pub part: Option<RecordingPart>,
    /// Where to send the file; null when refused, and when the file is there already.
    pub upload: Option<RecordingUpload>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl RequestRecordingPartUploadPayload {
    /// Tells the outcome of the mutation.
    ///
    /// # Errors
    /// What the user can't mend.
    pub(super) fn tell(outcome: Result<PartTicket, MeetingError>) -> Result<Self> {
        Ok(match outcome {
            Ok(PartTicket { recording, part, ticket }) => Self {
                recording: Some(Recording(recording)),
                part: Some(RecordingPart(part)),
                upload: ticket.map(Into::into),
                user_errors: Vec::new(),
            },
            Err(error) => {
                Self { recording: None, part: None, upload: None, user_errors: vec![error.told()?] }
            }
        })
    }
}

impl From<Ticket> for RecordingUpload {
    fn from(ticket: Ticket) -> Self {
        let header = |(name, value): (&str, String)| UploadHeader { name: name.to_owned(), value };
        Self {
            url: ticket.url,
            method: ticket.method.to_owned(),
            headers: ticket.headers.into_iter().map(header).collect(),
            expires_at: ticket.expires_at,
        }
    }
}
