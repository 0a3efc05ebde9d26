//! For how long the files of recordings are kept.

use chrono::{DateTime, TimeDelta, Utc};

use super::refusal::Refusal;

/// Longest time that can be chosen, in days.
pub const RETENTION_MAX_DAYS: i32 = 3_650;
/// How long an upload that never came is waited for beyond the end of its address, in seconds.
pub const UNSENT_AFTER_S: i64 = 60 * 60;
/// How long after its row an object is deleted, in seconds: longer than an upload that lost its right to
/// write may go on.
pub const OBJECT_DELETED_AFTER_S: i64 = 120;

/// What an installation says: for so long after the meeting's end, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention(Option<TimeDelta>);

impl Retention {
    /// Reads `keep`, or hours or days like `12h` and `30d`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "keep" {
            return Some(Self(None));
        }
        let digits = text.strip_suffix(['h', 'd'])?;
        let count: i64 = digits.parse().ok()?;
        let hours = if text.ends_with('d') { count.checked_mul(24)? } else { count };
        let in_range = (1..=i64::from(RETENTION_MAX_DAYS) * 24).contains(&hours);
        in_range.then(|| Self(Some(TimeDelta::hours(hours))))
    }

    /// The same in seconds; `None`: for ever.
    #[must_use]
    pub fn seconds(self) -> Option<i64> {
        self.0.map(|time| time.num_seconds())
    }

    /// When a file is deleted that was there at `uploaded_at`, of a meeting that was over at `over_at`
    /// and whose host wants it kept for `days`: the shorter of both times counts.
    #[must_use]
    pub fn ends(
        self,
        days: Option<i32>,
        over_at: Option<DateTime<Utc>>,
        uploaded_at: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let chosen = days.map(|days| TimeDelta::days(days.into()));
        let time = match (self.0, chosen) {
            (Some(installation), Some(chosen)) => installation.min(chosen),
            (one, other) => one.or(other)?,
        };
        Some(over_at?.max(uploaded_at?) + time)
    }
}

/// Checks a host's choice.
///
/// # Errors
/// [`Refusal::InvalidRetention`].
pub fn check_days(days: Option<i32>) -> Result<Option<i32>, Refusal> {
    match days {
        Some(days) if !(1..=RETENTION_MAX_DAYS).contains(&days) => Err(Refusal::InvalidRetention),
        days => Ok(days),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_time_counts_from_the_later_moment() {
        let at = |hour: i64| DateTime::from_timestamp(hour * 3_600, 0);
        let month = Retention::parse("30d").unwrap();
        assert_eq!(month.ends(None, at(0), at(2)), at(2 + 30 * 24));
        assert_eq!(month.ends(Some(7), at(3), at(2)), at(3 + 7 * 24));
        assert_eq!(month.ends(Some(60), at(3), at(2)), at(3 + 30 * 24));
        let keep = Retention::parse("keep").unwrap();
        assert_eq!(keep, Retention::default());
        assert_eq!(keep.ends(None, at(0), at(0)), None);
        assert_eq!(keep.ends(Some(1), at(0), at(0)), at(24));
        assert_eq!(month.ends(None, None, at(0)), None, "it runs");
    }

    #[test]
    fn days_are_bounded() {
        assert_eq!(check_days(None), Ok(None));
        assert_eq!(check_days(Some(3_650)), Ok(Some(3_650)));
        assert_eq!(check_days(Some(0)), Err(Refusal::InvalidRetention));
        assert_eq!(check_days(Some(3_651)), Err(Refusal::InvalidRetention));
    }
}
