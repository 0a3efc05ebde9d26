//! What people announce.

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::UserError;

use super::object::Meeting;
use crate::store::announcement::AnnouncementRow;

/// Something that one announced.
#[derive(Debug, Clone)]
pub struct Announcement(pub AnnouncementRow);

/// Something that one announced. Each of those who are told finds it in the inbox once, and is sent it as they
/// chose for ANNOUNCEMENT.
#[Object]
impl Announcement {
    /// Id of the announcement.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// One line.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The text.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// The meeting whose people are told; null: everybody is.
    async fn meeting(&self) -> Option<Meeting> {
        self.0.meeting_id.map(|id| Meeting { id: id.into() })
    }

    /// How many were told so far.
    async fn told_count(&self) -> i32 {
        self.0.told
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When everybody was told; null: not yet.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }
}

/// What is to be announced to everybody.
#[derive(Debug, InputObject)]
pub struct AnnounceInput {
    /// One line, 1 to 120 characters.
    pub title: String,
    /// The text, 1 to 2,000 characters.
    pub body: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What is to be announced to the people of a meeting.
#[derive(Debug, InputObject)]
pub struct AnnounceToMeetingInput {
    /// Which meeting.
    pub meeting_id: ID,
    /// One line, 1 to 120 characters.
    pub title: String,
    /// The text, 1 to 2,000 characters.
    pub body: String,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What announcing came to.
#[derive(Debug, SimpleObject)]
pub struct AnnouncementPayload {
    /// What is being told; null when refused.
    pub announcement: Option<Announcement>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}
