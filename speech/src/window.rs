//! Which stretch of samples the engine hears next. Pure rules.
//!
//! The engine hears at most 30 s at once and costs the same for less, so a
//! window should be long, but end in a pause: a word cut in two is two wrong
//! words.

use std::ops::Range;

use crate::decode::SAMPLE_RATE_HZ;

/// What the engine hears at once.
pub(crate) const WINDOW_SAMPLES: usize = 30 * SAMPLE_RATE_HZ as usize;
/// A window doesn't end in a pause before this: too many windows cost more
/// than a clean cut gains.
const EARLIEST_CUT_SAMPLES: usize = 15 * SAMPLE_RATE_HZ as usize;
/// The very first window may end here: somebody is waiting for the first words.
const FIRST_CUT_SAMPLES: usize = 6 * SAMPLE_RATE_HZ as usize;
/// Silence kept before speech.
pub(crate) const LEAD_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 5;
/// Kept from a silent stretch, in case a word just begins at its end.
pub(crate) const TAIL_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 2;
/// Less speech than this left over isn't worth another window.
const LEFTOVER_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 2;

/// Where the window that starts at 0 ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Samples to hear.
    pub(crate) end: usize,
    /// Whether it falls into a pause (or the recording's end).
    pub(crate) clean: bool,
}

/// Finds the window's end in `available` samples with speech at `spans`.
/// `ended`: nothing comes after them. `first`: be quick rather than thrifty.
pub(crate) fn cut(spans: &[Range<usize>], available: usize, ended: bool, first: bool) -> Cut {
    let pauses = || spans.windows(2).map(|pair| usize::midpoint(pair[0].end, pair[1].start));
    if first && available > FIRST_CUT_SAMPLES + EARLIEST_CUT_SAMPLES {
        let soon = pauses().find(|at| (FIRST_CUT_SAMPLES..EARLIEST_CUT_SAMPLES).contains(at));
        if let Some(end) = soon {
            return Cut { end, clean: true };
        }
    }
    let last_word = spans.last().map_or(0, |span| span.end);
    if ended || last_word + TAIL_SAMPLES <= available {
        let end = (last_word + LEAD_SAMPLES).min(available);
        return Cut { end, clean: true };
    }
    match pauses().rev().find(|&at| at >= EARLIEST_CUT_SAMPLES) {
        Some(end) => Cut { end, clean: true },
        None => Cut { end: available, clean: false },
    }
}

/// How many of the window's samples are done with, when the engine's text
/// reaches to `heard`: all, or up to `heard` if speech is left after it. Always
/// more than nothing, so that the job ends.
pub(crate) fn done(spans: &[Range<usize>], cut: Cut, heard: Option<usize>) -> usize {
    let Some(heard) = heard.filter(|&heard| heard > LEFTOVER_SAMPLES && heard < cut.end) else {
        return cut.end;
    };
    let left: usize = spans
        .iter()
        .map(|span| span.start.max(heard)..span.end.min(cut.end))
        .map(|rest| rest.len())
        .sum();
    if cut.clean && left < LEFTOVER_SAMPLES { cut.end } else { heard }
}

/// Samples of speech between two positions.
pub(crate) fn speech(spans: &[Range<usize>], within: Range<usize>) -> usize {
    spans.iter().map(|span| (span.start.max(within.start)..span.end.min(within.end)).len()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: usize = SAMPLE_RATE_HZ as usize;

    #[test]
    fn cuts_in_the_last_pause() {
        let spans = [SECOND..10 * SECOND, 11 * SECOND..20 * SECOND, 21 * SECOND..30 * SECOND];
        let cut = cut(&spans, WINDOW_SAMPLES, false, false);
        assert_eq!(cut, Cut { end: 20 * SECOND + SECOND / 2, clean: true });
    }

    #[test]
    fn cuts_soon_when_somebody_waits() {
        let spans = [0..7 * SECOND, 8 * SECOND..20 * SECOND, 21 * SECOND..30 * SECOND];
        let cut = cut(&spans, WINDOW_SAMPLES, false, true);
        assert_eq!(cut, Cut { end: 7 * SECOND + SECOND / 2, clean: true });
    }

    #[test]
    fn cuts_hard_when_nobody_breathes() {
        let breathless = std::iter::once(0..WINDOW_SAMPLES).collect::<Vec<_>>();
        let cut = cut(&breathless, WINDOW_SAMPLES, false, false);
        assert_eq!(cut, Cut { end: WINDOW_SAMPLES, clean: false });
    }

    #[test]
    fn hears_again_what_the_text_left_out() {
        let spans = [0..10 * SECOND, 12 * SECOND..20 * SECOND];
        let cut = Cut { end: 21 * SECOND, clean: true };
        assert_eq!(done(&spans, cut, Some(10 * SECOND)), 10 * SECOND);
        assert_eq!(done(&spans, cut, Some(20 * SECOND)), 21 * SECOND);
        assert_eq!(done(&spans, cut, None), 21 * SECOND);
    }

    fn some_spans() -> impl Strategy<Value = Vec<Range<usize>>> {
        prop::collection::btree_set(0..WINDOW_SAMPLES, 0..20).prop_map(|edges| {
            let edges: Vec<usize> = edges.into_iter().collect();
            edges.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect()
        })
    }

    proptest! {
        #[test]
        fn always_moves_on(
            spans in some_spans(),
            ended: bool,
            first: bool,
            heard in proptest::option::of(0..2 * WINDOW_SAMPLES),
        ) {
            prop_assume!(!spans.is_empty());
            let cut = cut(&spans, WINDOW_SAMPLES, ended, first);
            prop_assert!(cut.end > 0 && cut.end <= WINDOW_SAMPLES);
            let done = done(&spans, cut, heard);
            prop_assert!(done > 0 && done <= cut.end);
        }

        #[test]
        fn a_clean_cut_tears_no_word(spans in some_spans(), first: bool) {
            let cut = cut(&spans, WINDOW_SAMPLES, false, first);
            if cut.clean {
                prop_assert!(spans.iter().all(|span| cut.end <= span.start || cut.end >= span.end));
            }
        }
    }
}
