//! What a verification found.

use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject, Union};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use uuid::Uuid;

use super::access::reads;
use super::loader::{SectionById, SegmentById};
use super::minutes::MinutesSection;
use super::transcript::{MissingPart, Segment};
use crate::domain::part::Reason;
use crate::domain::verification::Finding;
use crate::store::verification::VerificationRow;

/// What a task found that the asker may see.
#[derive(Debug, Clone)]
pub struct TranscriptVerification {
    findings: Vec<Finding>,
    count: i32,
}

impl TryFrom<VerificationRow> for TranscriptVerification {
    type Error = serde_json::Error;

    fn try_from(row: VerificationRow) -> std::result::Result<Self, serde_json::Error> {
        Ok(Self { findings: serde_json::from_value(row.findings)?, count: row.finding_count })
    }
}

/// What people should look at before they verify the minutes.
#[Object]
impl TranscriptVerification {
    /// How many findings there are.
    #[graphql(directive = viewer_independent::apply())]
    async fn finding_count(&self) -> i32 {
        self.count
    }

    /// Those of the text in its order, then those of the minutes; at most 500.
    #[graphql(directive = viewer_independent::apply())]
    async fn findings(&self) -> Vec<VerificationFinding> {
        self.findings.iter().cloned().map(VerificationFinding::from).collect()
    }
}

/// Something that people should look at.
#[derive(Debug, Clone, Union)]
pub enum VerificationFinding {
    /// The recogniser wasn't sure.
    LowConfidence(LowConfidenceFinding),
    /// Nothing was recognised for long.
    Gap(GapFinding),
    /// A part of the recording isn't in the text.
    MissingPart(MissingPart),
    /// There is nothing in a section.
    EmptySection(EmptySectionFinding),
}

/// A segment that the recogniser wasn't sure of, and that nobody has edited.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct LowConfidenceFinding {
    /// How sure it was, from 0 to 1; below 0.5.
    #[graphql(directive = viewer_independent::apply())]
    pub confidence: f32,
    #[graphql(skip)]
    segment_id: Uuid,
}

#[ComplexObject]
impl LowConfidenceFinding {
    /// The segment.
    #[graphql(directive = viewer_independent::apply())]
    async fn segment(&self, ctx: &Context<'_>) -> Result<Option<Segment>> {
        segment(ctx, Some(self.segment_id)).await
    }
}

/// A stretch of 15 seconds or more in which nothing was recognised.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct GapFinding {
    /// Where it starts in the recording, in milliseconds.
    #[graphql(directive = viewer_independent::apply())]
    pub start_ms: i64,
    /// Where it ends in the recording, in milliseconds.
    #[graphql(directive = viewer_independent::apply())]
    pub end_ms: i64,
    #[graphql(skip)]
    after_id: Option<Uuid>,
    #[graphql(skip)]
    before_id: Option<Uuid>,
}

#[ComplexObject]
impl GapFinding {
    /// The segment before it; null at the beginning of the recording.
    #[graphql(directive = viewer_independent::apply())]
    async fn after(&self, ctx: &Context<'_>) -> Result<Option<Segment>> {
        segment(ctx, self.after_id).await
    }

    /// The segment behind it; null at the end of the recording.
    #[graphql(directive = viewer_independent::apply())]
    async fn before(&self, ctx: &Context<'_>) -> Result<Option<Segment>> {
        segment(ctx, self.before_id).await
    }
}

/// A section that was empty when it was looked at.
#[derive(Debug, Clone)]
pub struct EmptySectionFinding {
    section_id: Uuid,
}

/// A section of the minutes without a line in it.
#[Object]
impl EmptySectionFinding {
    /// The section; null when the minutes were drafted anew since.
    #[graphql(directive = viewer_independent::apply())]
    async fn section(&self, ctx: &Context<'_>) -> Result<Option<MinutesSection>> {
        let row = reads(ctx)?.load_one(SectionById(self.section_id)).await.internal()?;
        Ok(row.map(MinutesSection))
    }
}

impl From<Finding> for VerificationFinding {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::LowConfidence { segment_id, confidence } => {
                Self::LowConfidence(LowConfidenceFinding { confidence, segment_id })
            }
            Finding::Gap { after, before, start_ms, end_ms } => {
                Self::Gap(GapFinding { start_ms, end_ms, after_id: after, before_id: before })
            }
            Finding::MissingPart { sequence, start_ms, end_ms, is_unreadable } => {
                let reason = match is_unreadable {
                    true => Reason::Unreadable,
                    false => Reason::NotUploaded,
                };
                Self::MissingPart(MissingPart { sequence, reason, start_ms, end_ms })
            }
            Finding::EmptySection { section_id } => {
                Self::EmptySection(EmptySectionFinding { section_id })
            }
        }
    }
}

async fn segment(ctx: &Context<'_>, id: Option<Uuid>) -> Result<Option<Segment>> {
    let Some(id) = id else { return Ok(None) };
    Ok(reads(ctx)?.load_one(SegmentById(id)).await.internal()?.map(Segment))
}
