//! The immutable transcript object: what other services read of what was said.

use chrono::{DateTime, FixedOffset, NaiveDate, Offset as _, Utc};
use platform::object::{ObjectError, Objects};
use serde::{Deserialize, Serialize};
use text::{Piece, Said};
use uuid::Uuid;

/// Largest transcript object that is read, in bytes: about 100 hours of speech.
pub const SPOKEN_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What was said in a meeting. Its key in object storage stands in
/// [`crate::event::TranscriptCreated`]; fields that a reader doesn't know are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spoken {
    /// The transcript.
    pub transcript_id: Uuid,
    /// The meeting.
    pub meeting_id: Uuid,
    /// Language tag; `und` when nobody knows.
    pub language: String,
    /// Length of the recording, milliseconds.
    pub duration_ms: i64,
    /// The pieces of speech in the order of the recording.
    pub segments: Vec<Piece>,
}

/// Why the object can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpokenError {
    /// Object storage has no such object, or fails.
    #[error("the transcript object can't be fetched")]
    Object(#[from] ObjectError),
    /// It isn't a transcript object.
    #[error("the transcript object can't be read")]
    Malformed(#[from] serde_json::Error),
}

/// Offset of the zone in which days are counted, in seconds east of UTC: the one of users who don't
/// choose another (Asia/Seoul, which has no summer time).
const ZONE_EAST_S: i32 = 9 * 60 * 60;

/// The zone in which days are counted.
fn zone() -> FixedOffset {
    FixedOffset::east_opt(ZONE_EAST_S).unwrap_or_else(|| Utc.fix())
}

/// The last second of a day.
#[must_use]
pub fn end_of_day(day: NaiveDate) -> DateTime<Utc> {
    let last = day.and_hms_opt(23, 59, 59).unwrap_or_default();
    (last - zone()).and_utc()
}

impl Spoken {
    /// What was said, for an engine, in a meeting that was held then.
    #[must_use]
    pub fn said(self, held_at: DateTime<Utc>) -> Said {
        let day = held_at.with_timezone(&zone()).date_naive();
        Said { language: self.language, day, pieces: self.segments }
    }

    /// Reads a transcript object of at most [`SPOKEN_MAX_BYTES`].
    ///
    /// # Errors
    /// [`SpokenError`].
    pub async fn read(objects: &Objects, key: &str) -> Result<Self, SpokenError> {
        let bytes = objects.get(key, SPOKEN_MAX_BYTES).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}
