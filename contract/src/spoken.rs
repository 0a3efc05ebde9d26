//! The immutable transcript object: what other services read of what was said.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use platform::object::{ObjectError, Objects};
use serde::{Deserialize, Serialize};
use text::{Piece, Said};
use uuid::Uuid;

use crate::attendance::Attendance;

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

/// The last second of a day in a time zone.
#[must_use]
pub fn end_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    moment(day, NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default(), zone)
}

/// A time of a day in a time zone; where clocks are set back the later of the two, and one that is
/// left out as if they had not been set forward.
#[must_use]
pub fn moment(day: NaiveDate, time: NaiveTime, zone: Tz) -> DateTime<Utc> {
    let local = day.and_time(time);
    let exact = |local| zone.from_local_datetime(&local).latest();
    let hour = TimeDelta::hours(1);
    exact(local)
        .or_else(|| exact(local - hour).map(|before| before + hour))
        .map_or_else(|| local.and_utc(), |time| time.to_utc())
}

impl Spoken {
    /// What was said, for an engine, in a meeting that was held then and there.
    #[must_use]
    pub fn said(self, held_at: DateTime<Utc>, attendance: Attendance) -> Said {
        let Attendance { people, zone } = attendance;
        Said {
            language: self.language,
            day: held_at.with_timezone(&zone).date_naive(),
            time_zone: zone.name().to_owned(),
            people,
            pieces: self.segments,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_where_the_meeting_was() {
        let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
        let end = |day, zone| end_of_day(day, zone).to_rfc3339();
        assert_eq!(end(day(11, 27), Tz::Asia__Seoul), "2026-11-27T14:59:59+00:00");
        assert_eq!(end(day(11, 27), Tz::America__New_York), "2026-11-28T04:59:59+00:00");
        // Clocks are set forward from 2 to 3 o'clock on that day.
        let skipped = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        let skipped = moment(day(3, 29), skipped, Tz::Europe__Berlin);
        assert_eq!(skipped.to_rfc3339(), "2026-03-29T01:30:00+00:00");
    }
}
