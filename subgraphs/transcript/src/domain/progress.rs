//! What part of a transcription each stage is.

/// Percent at which decoding is done and recognition begins.
pub const RECOGNISING_FROM: u8 = 5;
/// Percent at which recognition is done and the minutes are written.
pub const WRITING_FROM: u8 = 90;

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
}
