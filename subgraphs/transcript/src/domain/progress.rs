//! What part of a transcription each stage is.

/// Percent at which decoding is done and recognition begins.
pub const RECOGNISING_FROM: u8 = 5;
/// Percent at which recognition is done and the minutes are written.
pub const WRITING_FROM: u8 = 90;

/// Percent below which the parts of a recording are recognised while its meeting runs: nobody knows how
/// many there will be.
pub const RUNNING_BELOW: u8 = 60;

/// Part of the work that is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The recording is fetched and turned into samples.
    Decoding,
    /// Speech becomes text.
    Recognising,
    /// Transcript and minutes are put together.
    Writing,
}

/// Progress of the whole task, 0 to 99, when `percent` (0 to 100; more counts as 100) of `stage`
/// is done. 100 is said by completion alone.
#[must_use]
pub fn overall(stage: Stage, percent: u8) -> u8 {
    let (from, to) = match stage {
        Stage::Decoding => (0, RECOGNISING_FROM),
        Stage::Recognising => (RECOGNISING_FROM, WRITING_FROM),
        Stage::Writing => (WRITING_FROM, 99),
    };
    let part = u16::from(to - from) * u16::from(percent.min(100)) / 100;
    // At most 94, so it fits.
    from + u8::try_from(part).unwrap_or(0)
}

/// Progress of the whole task over a recording in parts: `done` parts of those that are `known` are
/// text, and `percent` of `stage` of another one. While more may come, one more is reckoned with.
#[must_use]
pub fn overall_of_parts(
    done: usize,
    known: usize,
    is_closed: bool,
    stage: Stage,
    percent: u8,
) -> u8 {
    let current = match stage {
        Stage::Writing => return overall(stage, percent),
        Stage::Decoding => 0,
        Stage::Recognising => usize::from(percent.min(100)),
    };
    let (from, to, all) = match is_closed {
        true => (RUNNING_BELOW, WRITING_FROM, known),
        false => (RECOGNISING_FROM, RUNNING_BELOW, known.saturating_add(1)),
    };
    let share = (done.saturating_mul(100).saturating_add(current)) / all.max(1);
    let part = usize::from(to - from) * share.min(100) / 100;
    from + u8::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other() {
        let mut last = 0;
        for stage in [Stage::Decoding, Stage::Recognising, Stage::Writing] {
            for percent in 0..=u8::MAX {
                let now = overall(stage, percent);
                assert!(last <= now && now < 100, "{stage:?} {percent}");
                last = now;
            }
        }
        assert_eq!(overall(Stage::Recognising, 0), 5);
        assert_eq!(overall(Stage::Recognising, 100), 90);
    }

    #[test]
    fn parts_of_a_running_meeting_leave_room_for_those_to_come() {
        let running = |done, known, percent| {
            overall_of_parts(done, known, false, Stage::Recognising, percent)
        };
        assert_eq!((running(0, 1, 0), running(0, 1, 100), running(1, 1, 0)), (5, 32, 32));
        for parts in 1..500 {
            assert!(running(parts, parts, 100) <= RUNNING_BELOW);
        }
        let closed = |done, percent| overall_of_parts(done, 3, true, Stage::Recognising, percent);
        assert_eq!((closed(0, 0), closed(2, 100)), (RUNNING_BELOW, WRITING_FROM));
        assert_eq!(overall_of_parts(3, 3, true, Stage::Writing, 0), WRITING_FROM);
    }
}
