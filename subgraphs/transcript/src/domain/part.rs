//! Recordings in parts: which part is recognised next, where it lies in the recording, and what is
//! missing at the end.

/// Ordinals that the segments of one part may have.
pub const SEGMENTS_PER_PART: i32 = 100_000;

/// A part that has come, as far as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place in the recording, from 0.
    pub sequence: i32,
    /// Where it begins as its sender says, milliseconds.
    pub start_ms: Option<i64>,
    /// Where it was put.
    pub offset_ms: Option<i64>,
    /// Its length, once it is done.
    pub duration_ms: Option<i64>,
    /// Code of what was wrong with it.
    pub problem: Option<String>,
    /// Whether all of it is text.
    pub is_done: bool,
}

impl Part {
    /// Where it ends in the recording, once it is done.
    fn end_ms(&self) -> Option<i64> {
        if self.is_done { Some(self.offset_ms? + self.duration_ms?) } else { None }
    }
}

/// What is to be recognised next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The part's place.
    pub sequence: i32,
    /// Where it lies in the recording, milliseconds.
    pub offset_ms: i64,
    /// Where the parts behind it begin: nothing of it is put there.
    pub ceiling_ms: i64,
}

/// The ordinal of a part's first segment.
#[must_use]
pub fn first_ordinal(sequence: i32) -> i32 {
    sequence.saturating_mul(SEGMENTS_PER_PART)
}

/// The first part (they stand in their order) that can be recognised. One whose beginning nobody said
/// waits for the one before it, until no more come.
#[must_use]
pub fn next(parts: &[Part], is_closed: bool) -> Option<Next> {
    let (mut end_ms, mut expected) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        if part.is_done {
            end_ms = end_ms.max(part.end_ms().unwrap_or(0));
            expected = part.sequence + 1;
            continue;
        }
        let follows = is_closed || part.sequence == expected;
        let offset_ms = match (part.offset_ms, part.start_ms) {
            (Some(offset_ms), _) => Some(offset_ms),
            // The sender's clock and the samples may differ a little.
            (None, Some(start_ms)) => Some(start_ms.max(end_ms)),
            (None, None) => follows.then_some(end_ms),
        };
        if let Some(offset_ms) = offset_ms {
            let behind = parts[at + 1..].iter().filter_map(|part| part.offset_ms);
            let ceiling_ms = behind.min().unwrap_or(i64::MAX).max(offset_ms);
            return Some(Next { sequence: part.sequence, offset_ms, ceiling_ms });
        }
    }
    None
}

/// Where the last of these parts ends, milliseconds.
#[must_use]
pub fn end_ms(parts: &[Part]) -> i64 {
    parts.iter().filter_map(Part::end_ms).max().unwrap_or(0)
}

/// Why a part is not in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "MissingPartReason")]
pub enum Reason {
    /// Its file never came.
    NotUploaded,
    /// Its file is there, but no sound that can be read is in it.
    Unreadable,
}

/// A part that isn't in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Its place in the recording, from 0.
    pub sequence: i32,
    /// Why.
    pub reason: Reason,
    /// Where the part before it ends, milliseconds.
    pub start_ms: i64,
    /// Where the part behind it begins; the same as the start when nobody said how long it was.
    pub end_ms: i64,
}

/// What isn't in the text: parts that can't be read, and those that never came, in their order.
#[must_use]
pub fn missing(parts: &[Part], never_came: &[i32]) -> Vec<Missing> {
    let unreadable = parts.iter().filter(|part| part.problem.is_some());
    let mut places: Vec<(i32, Reason)> =
        unreadable.map(|part| (part.sequence, Reason::Unreadable)).collect();
    places.extend(never_came.iter().map(|sequence| (*sequence, Reason::NotUploaded)));
    places.sort_by_key(|place| place.0);
    places.dedup_by_key(|place| place.0);
    let heard = || parts.iter().filter(|part| part.problem.is_none());
    let gap = |(sequence, reason)| {
        let before = heard().filter(|part| part.sequence < sequence).filter_map(Part::end_ms);
        let start_ms = before.max().unwrap_or(0);
        let behind = heard().filter(|part| part.sequence > sequence).filter_map(|p| p.offset_ms);
        let end_ms = behind.min().unwrap_or(start_ms).max(start_ms);
        Missing { sequence, reason, start_ms, end_ms }
    };
    places.into_iter().map(gap).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(sequence: i32, start_ms: Option<i64>) -> Part {
        Part {
            sequence,
            start_ms,
            offset_ms: None,
            duration_ms: None,
            problem: None,
            is_done: false,
        }
    }

    fn done(sequence: i32, offset_ms: i64, duration_ms: i64) -> Part {
        let (offset_ms, duration_ms) = (Some(offset_ms), Some(duration_ms));
        Part { offset_ms, duration_ms, is_done: true, ..waiting(sequence, None) }
    }

    #[test]
    fn parts_follow_each_other_unless_somebody_said_where_they_begin() {
        let at = |sequence, offset_ms| Some(Next { sequence, offset_ms, ceiling_ms: i64::MAX });
        assert_eq!(next(&[], true), None);
        assert_eq!(next(&[waiting(0, None)], false), at(0, 0));
        assert_eq!(next(&[done(0, 0, 9_000), waiting(1, None)], false), at(1, 9_000));
        // The part between isn't there yet: it may still come, or it won't.
        assert_eq!(next(&[done(0, 0, 9_000), waiting(2, None)], false), None);
        assert_eq!(next(&[done(0, 0, 9_000), waiting(2, None)], true), at(2, 9_000));
        assert_eq!(next(&[done(0, 0, 9_000), waiting(2, Some(20_000))], false), at(2, 20_000));
        // A clock that runs slow puts nothing over what is there.
        assert_eq!(next(&[done(0, 0, 9_000), waiting(1, Some(8_900))], false), at(1, 9_000));
    }

    #[test]
    fn a_late_part_ends_where_the_one_behind_it_begins() {
        let parts = [waiting(0, Some(0)), done(1, 10_000, 10_000)];
        assert_eq!(
            next(&parts, false),
            Some(Next { sequence: 0, offset_ms: 0, ceiling_ms: 10_000 })
        );
    }

    #[test]
    fn what_is_missing_has_its_place() {
        let broken = Part { problem: Some("NOT_AUDIO".into()), ..done(3, 30_000, 0) };
        let parts = [done(1, 0, 10_000), broken, done(4, 40_000, 10_000)];
        let found = missing(&parts, &[0, 2, 5]);
        let told: Vec<_> = found.iter().map(|m| (m.sequence, m.start_ms, m.end_ms)).collect();
        assert_eq!(
            told,
            [(0, 0, 0), (2, 10_000, 40_000), (3, 10_000, 40_000), (5, 50_000, 50_000)]
        );
        assert_eq!(found[2].reason, Reason::Unreadable);
        assert_eq!(end_ms(&parts), 50_000);
    }

    proptest! {
        /// In whatever order parts come, each is recognised once, and none lies over another.
        #[test]
        fn every_part_has_its_turn(
            mut arrivals in prop::collection::btree_map(0..40_i32, (any::<bool>(), 1..30_000_i64), 1..20)
                .prop_map(|parts| parts.into_iter().collect::<Vec<_>>())
                .prop_shuffle(),
        ) {
            let count = arrivals.len();
            let mut parts: Vec<Part> = Vec::new();
            let mut turns = 0;
            let mut durations = std::collections::HashMap::new();
            loop {
                let arrived = arrivals.pop();
                if let Some((sequence, (says, duration_ms))) = arrived {
                    durations.insert(sequence, duration_ms);
                    parts.push(waiting(sequence, says.then_some(i64::from(sequence) * 30_000)));
                    parts.sort_by_key(|part| part.sequence);
                }
                let is_closed = arrived.is_none();
                while let Some(found) = next(&parts, is_closed) {
                    turns += 1;
                    let part = parts.iter_mut().find(|p| p.sequence == found.sequence).unwrap();
                    prop_assert!(!part.is_done);
                    prop_assert!(found.offset_ms <= found.ceiling_ms);
                    let length = durations[&found.sequence].min(found.ceiling_ms - found.offset_ms);
                    part.offset_ms = Some(found.offset_ms);
                    part.duration_ms = Some(length);
                    part.is_done = true;
                }
                if is_closed {
                    break;
                }
            }
            prop_assert_eq!(turns, count);
            prop_assert!(parts.iter().all(|part| part.is_done));
            prop_assert!(missing(&parts, &[]).is_empty());
        }
    }
}
