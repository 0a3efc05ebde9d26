//! Recordings that come in parts while the meeting runs, and when no more are waited for.

use super::{
    media::{MAX_RECORDING_BYTES, check_size},
    refusal::Refusal,
};

/// Most parts of a recording: sixteen hours of half-minute parts.
pub const MAX_PARTS: i32 = 2_000;
/// Largest part, in bytes: nine minutes of uncompressed stereo.
pub const MAX_PART_BYTES: i64 = 100_000_000;
/// How long parts that are missing are waited for after the meeting's end, in ms.
pub const PARTS_GRACE_MS: i64 = 60_000;
/// How long parts whose bytes are arriving are waited for after the meeting's end, in ms.
pub const PARTS_LONGEST_MS: i64 = 600_000;
/// Latest beginning of a part in its recording, in ms: a day.
pub const MAX_START_MS: i64 = 24 * 60 * 60 * 1_000;

/// Checks a part's place.
///
/// # Errors
/// [`Refusal::InvalidSequence`].
pub fn check_sequence(sequence: i32) -> Result<i32, Refusal> {
    if (0..MAX_PARTS).contains(&sequence) { Ok(sequence) } else { Err(Refusal::InvalidSequence) }
}

/// Checks how many parts there are to be.
///
/// # Errors
/// [`Refusal::InvalidPartCount`].
pub fn check_count(count: i32) -> Result<i32, Refusal> {
    if (1..=MAX_PARTS).contains(&count) { Ok(count) } else { Err(Refusal::InvalidPartCount) }
}

/// Checks a part's size beside `others_bytes` of the other parts.
///
/// # Errors
/// [`Refusal::RecordingEmpty`], [`Refusal::PartTooLarge`], [`Refusal::RecordingTooLarge`].
pub fn check_part_size(size_bytes: i64, others_bytes: i64) -> Result<(), Refusal> {
    check_size(size_bytes)?;
    if size_bytes > MAX_PART_BYTES {
        return Err(Refusal::PartTooLarge);
    }
    match u64::try_from(size_bytes.saturating_add(others_bytes)) {
        Ok(together) if together <= MAX_RECORDING_BYTES => Ok(()),
        _ => Err(Refusal::RecordingTooLarge),
    }
}

/// Checks where a part begins: behind the beginnings of those before it, before those behind it.
///
/// # Errors
/// [`Refusal::InvalidStart`].
pub fn check_start(
    start_ms: Option<i64>,
    before_ms: Option<i64>,
    behind_ms: Option<i64>,
) -> Result<(), Refusal> {
    let Some(start_ms) = start_ms else { return Ok(()) };
    let in_range = (0..=MAX_START_MS).contains(&start_ms);
    let in_order = before_ms.is_none_or(|before| before < start_ms)
        && behind_ms.is_none_or(|behind| start_ms < behind);
    if in_range && in_order { Ok(()) } else { Err(Refusal::InvalidStart) }
}

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its place, from 0.
    pub sequence: i32,
    /// Whether its file is there.
    pub is_there: bool,
    /// Whether its bytes are arriving.
    pub is_coming: bool,
}

/// What there is of a recording, and what isn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// How many parts it should have.
    pub part_count: i32,
    /// Places of the missing ones.
    pub missing: Vec<i32>,
}

/// Takes stock of parts, in their order; `announced` is how many there are, if somebody said so.
#[must_use]
pub fn inventory(parts: &[Sent], announced: Option<i32>) -> Inventory {
    let last = parts.last().map_or(0, |part| part.sequence + 1);
    let part_count = announced.unwrap_or(0).max(last);
    let mut there = parts.iter().filter(|part| part.is_there).map(|part| part.sequence).peekable();
    let missing = (0..part_count).filter(|place| there.next_if_eq(place).is_none()).collect();
    Inventory { part_count, missing }
}

/// Whether more is waited for, `since_end_ms` after the meeting's end.
#[must_use]
pub fn is_awaited(parts: &[Sent], announced: Option<i32>, since_end_ms: i64) -> bool {
    if inventory(parts, announced).missing.is_empty() && !parts.is_empty() {
        return false;
    }
    let coming = parts.iter().any(|part| part.is_coming && !part.is_there);
    since_end_ms < if coming { PARTS_LONGEST_MS } else { PARTS_GRACE_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(sequence: i32, is_there: bool, is_coming: bool) -> Sent {
        Sent { sequence, is_there, is_coming }
    }

    #[test]
    fn gaps_are_noticed_within_and_behind() {
        let parts = [sent(0, true, false), sent(1, false, true), sent(4, true, false)];
        assert_eq!(inventory(&parts, None).missing, [1, 2, 3]);
        assert_eq!(inventory(&parts, Some(6)).missing, [1, 2, 3, 5]);
        assert_eq!(inventory(&parts, Some(2)).part_count, 5);
        assert_eq!(inventory(&[], Some(2)).missing, [0, 1]);
        assert_eq!(inventory(&[], None), Inventory { part_count: 0, missing: Vec::new() });
    }

    #[test]
    fn nobody_waits_for_what_is_there_and_nobody_for_ever() {
        let whole = [sent(0, true, false), sent(1, true, false)];
        assert!(!is_awaited(&whole, None, 0));
        assert!(is_awaited(&whole, Some(3), 0), "the third was announced");
        assert!(!is_awaited(&whole, Some(3), PARTS_GRACE_MS));
        let coming = [sent(0, true, false), sent(1, false, true)];
        assert!(is_awaited(&coming, None, PARTS_GRACE_MS));
        assert!(!is_awaited(&coming, None, PARTS_LONGEST_MS));
    }

    #[test]
    fn parts_begin_in_their_order() {
        assert_eq!(check_start(Some(30_000), Some(0), Some(60_000)), Ok(()));
        assert_eq!(check_start(None, Some(0), Some(1)), Ok(()));
        for (start, before, behind) in [
            (0, Some(0), None),
            (60_000, None, Some(60_000)),
            (-1, None, None),
            (i64::MAX, None, None),
        ] {
            assert_eq!(check_start(Some(start), before, behind), Err(Refusal::InvalidStart));
        }
    }

    #[test]
    fn parts_are_bounded_each_and_together() {
        assert_eq!(check_part_size(MAX_PART_BYTES, 0), Ok(()));
        assert_eq!(check_part_size(MAX_PART_BYTES + 1, 0), Err(Refusal::PartTooLarge));
        assert_eq!(check_part_size(1, 2_000_000_000), Err(Refusal::RecordingTooLarge));
        assert_eq!(check_part_size(0, 0), Err(Refusal::RecordingEmpty));
        assert_eq!(check_sequence(MAX_PARTS), Err(Refusal::InvalidSequence));
        assert_eq!(check_count(0), Err(Refusal::InvalidPartCount));
    }
}
