//! What people should look at before they verify minutes.
//!
//! | finding | what is meant |
//! |---|---|
//! | low confidence | a segment of which the recogniser was less sure than [`CONFIDENCE_MIN`], and that nobody has edited |
//! | gap | [`GAP_MIN_MS`] or more without speech: before the first segment, between two, or after the last |
//! | missing part | a part of the recording that never came, or that can't be read |
//! | empty section | a section of the minutes without a line in it |

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::part::{Missing, Reason};

/// Segments of which the recogniser was less sure than this are flagged, from 0 to 1.
pub const CONFIDENCE_MIN: f32 = 0.5;
/// Silence of at least so long is flagged, in milliseconds.
pub const GAP_MIN_MS: i64 = 15_000;
/// Most findings that are kept; the rest is only counted.
pub const FINDINGS_MAX: usize = 500;

/// A segment, as far as it is looked at.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The segment.
    pub id: Uuid,
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds.
    pub end_ms: i64,
    /// How sure the recogniser was, 0 to 1.
    pub confidence: Option<f32>,
    /// Whether a person has edited it.
    pub is_edited: bool,
}

/// A section, as far as it is looked at.
#[derive(Debug, Clone)]
pub struct Drafted {
    /// The section.
    pub id: Uuid,
    /// Whether there is anything in it.
    pub is_empty: bool,
}

/// Something that people should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Finding {
    /// The recogniser wasn't sure.
    LowConfidence {
        /// Of this segment.
        segment_id: Uuid,
        /// How sure it was, 0 to 1.
        confidence: f32,
    },
    /// Nothing was recognised for long.
    Gap {
        /// The segment before it; none at the beginning.
        after: Option<Uuid>,
        /// The segment behind it; none at the end.
        before: Option<Uuid>,
        /// Where it starts in the recording, milliseconds.
        start_ms: i64,
        /// Where it ends, milliseconds.
        end_ms: i64,
    },
    /// A part of the recording isn't in the text.
    MissingPart {
        /// Its place in the recording, from 0.
        sequence: i32,
        /// Where the part before it ends in the recording, milliseconds.
        start_ms: i64,
        /// Where the part behind it begins.
        end_ms: i64,
        /// Whether its file is there, but can't be read.
        is_unreadable: bool,
    },
    /// There is nothing in a section.
    EmptySection {
        /// In this one.
        section_id: Uuid,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// What is in the text in its order, then missing parts and sections in theirs; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many there were.
    pub count: usize,
}

impl Found {
    fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// Looks at a text (in the order of the recording, which is so long, and of which these parts are
/// missing) and its minutes.
#[must_use]
pub fn verify(
    heard: &[Heard],
    duration_ms: i64,
    missing: &[Missing],
    drafted: &[Drafted],
) -> Found {
    let mut found = Found::default();
    let (mut end_ms, mut after) = (0, None);
    for segment in heard {
        if segment.start_ms - end_ms >= GAP_MIN_MS {
            let before = Some(segment.id);
            found.add(Finding::Gap { after, before, start_ms: end_ms, end_ms: segment.start_ms });
        }
        if let Some(confidence) = segment.confidence
            && confidence < CONFIDENCE_MIN
            && !segment.is_edited
        {
            found.add(Finding::LowConfidence { segment_id: segment.id, confidence });
        }
        // Segments may overlap: the silence begins behind the last to end.
        if segment.end_ms >= end_ms {
            (end_ms, after) = (segment.end_ms, Some(segment.id));
        }
    }
    if duration_ms - end_ms >= GAP_MIN_MS {
        found.add(Finding::Gap { after, before: None, start_ms: end_ms, end_ms: duration_ms });
    }
    for &Missing { sequence, reason, start_ms, end_ms } in missing {
        let is_unreadable = reason == Reason::Unreadable;
        found.add(Finding::MissingPart { sequence, start_ms, end_ms, is_unreadable });
    }
    for section in drafted.iter().filter(|section| section.is_empty) {
        found.add(Finding::EmptySection { section_id: section.id });
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(start_ms: i64, end_ms: i64, confidence: f32) -> Heard {
        let id = Uuid::now_v7();
        Heard { id, start_ms, end_ms, confidence: Some(confidence), is_edited: false }
    }

    #[test]
    fn what_is_doubtful_is_found_with_its_place() {
        let text =
            [heard(20_000, 21_000, 0.9), heard(21_000, 22_000, 0.2), heard(40_000, 41_000, 0.5)];
        let [first, second, third] = [text[0].id, text[1].id, text[2].id];
        let sections = [Uuid::now_v7(), Uuid::now_v7()];
        let drafted = [
            Drafted { id: sections[0], is_empty: false },
            Drafted { id: sections[1], is_empty: true },
        ];
        let found = verify(&text, 100_000, &[], &drafted);
        assert_eq!(
            found.findings,
            [
                Finding::Gap { after: None, before: Some(first), start_ms: 0, end_ms: 20_000 },
                Finding::LowConfidence { segment_id: second, confidence: 0.2 },
                Finding::Gap {
                    after: Some(second),
                    before: Some(third),
                    start_ms: 22_000,
                    end_ms: 40_000
                },
                Finding::Gap {
                    after: Some(third),
                    before: None,
                    start_ms: 41_000,
                    end_ms: 100_000
                },
                Finding::EmptySection { section_id: sections[1] },
            ]
        );
        assert_eq!(found.count, 5);
    }

    #[test]
    fn what_somebody_edited_or_nobody_judged_is_not_doubted() {
        let edited = Heard { is_edited: true, ..heard(0, 1_000, 0.1) };
        let unknown = Heard { confidence: None, ..heard(1_000, 2_000, 0.1) };
        assert_eq!(verify(&[edited, unknown], 2_000, &[], &[]), Found::default());
    }

    #[test]
    fn parts_that_are_missing_are_told() {
        let missing =
            Missing { sequence: 3, reason: Reason::NotUploaded, start_ms: 5_000, end_ms: 9_000 };
        let found = verify(&[heard(0, 14_000, 1.0)], 14_000, &[missing], &[]);
        let expected = Finding::MissingPart {
            sequence: 3,
            start_ms: 5_000,
            end_ms: 9_000,
            is_unreadable: false,
        };
        assert_eq!(found.findings, [expected]);
    }

    #[test]
    fn a_short_segment_within_a_long_one_makes_no_gap() {
        let text = [heard(0, 60_000, 1.0), heard(1_000, 2_000, 1.0), heard(61_000, 62_000, 1.0)];
        assert_eq!(verify(&text, 62_000, &[], &[]).count, 0);
    }

    proptest! {
        #[test]
        fn findings_are_bounded_and_counted(
            pieces in prop::collection::vec((0_i64..60_000, 0_i64..30_000, 0.0_f32..1.0), 0..1_200),
        ) {
            let mut at = 0;
            let text: Vec<Heard> = pieces
                .into_iter()
                .map(|(silence, length, confidence)| {
                    at += silence + length;
                    heard(at - length, at, confidence)
                })
                .collect();
            let found = verify(&text, at, &[], &[]);
            prop_assert!(found.findings.len() <= FINDINGS_MAX && found.findings.len() <= found.count);
            for finding in &found.findings {
                match finding {
                    Finding::Gap { start_ms, end_ms, .. } => prop_assert!(end_ms - start_ms >= GAP_MIN_MS),
                    Finding::LowConfidence { confidence, .. } => prop_assert!(*confidence < CONFIDENCE_MIN),
                    Finding::MissingPart { .. } | Finding::EmptySection { .. } => prop_assert!(false),
                }
            }
            let json = serde_json::to_value(&found.findings).unwrap();
            prop_assert_eq!(serde_json::from_value::<Vec<Finding>>(json).unwrap(), found.findings);
        }
    }
}
