//! Types.

use async_graphql::{Context, Enum, ID, InputValueError, InputValueResult, Object, Result, Scalar};
use async_graphql::{ScalarType, SimpleObject, Value};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use contract::spoken::moment;
use platform::error::Internal as _;
use platform::task::{TaskReads, TasksOf};
use uuid::Uuid;

use super::loader::{InsightOf, Reads};
use super::task::AiTask;
use crate::domain::kind::Kind;
use crate::store::insight::InsightRow;

/// A day in the form of ISO 8601, like `2026-12-03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

/// A day in the form of ISO 8601, like `2026-12-03`.
#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse()?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A piece of speech, as the recogniser cut it.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Segment {
    /// Id of the segment.
    pub id: ID,
}

fn segments(ids: Vec<Uuid>) -> Vec<Segment> {
    ids.into_iter().map(|id| Segment { id: id.into() }).collect()
}

/// Something that was said, and where.
#[derive(Debug, Clone, SimpleObject)]
pub struct CitedText {
    /// What was said.
    pub text: String,
    /// The segments that it comes from.
    pub segments: Vec<Segment>,
}

impl From<text::Cited> for CitedText {
    fn from(cited: text::Cited) -> Self {
        Self { text: cited.text, segments: segments(cited.segment_ids) }
    }
}

/// A word that comes up again and again.
#[derive(Debug, Clone, SimpleObject)]
pub struct Keyword {
    /// The word.
    pub word: String,
    /// In how many sentences it comes up.
    pub count: i32,
    /// The segments in which it does.
    pub segments: Vec<Segment>,
}

impl From<text::Keyword> for Keyword {
    fn from(found: text::Keyword) -> Self {
        Self { word: found.word, count: found.count, segments: segments(found.segment_ids) }
    }
}

fn many<A, B: From<A>>(items: &[A]) -> Vec<B>
where
    A: Clone,
{
    items.iter().cloned().map(B::from).collect()
}

macro_rules! insight {
    ($name:ident, $content:ty) => {
        impl TryFrom<InsightRow> for $name {
            type Error = serde_json::Error;

            fn try_from(mut row: InsightRow) -> std::result::Result<Self, Self::Error> {
                let found: $content = serde_json::from_value(row.content.take())?;
                Ok(Self { row, found })
            }
        }
    };
}

/// A summary that the asker may see.
#[derive(Debug, Clone)]
pub struct Summary {
    pub(super) row: InsightRow,
    found: text::Summary,
}

insight!(Summary, text::Summary);

/// What a meeting came to.
#[Object]
impl Summary {
    /// Id of the summary.
    async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The meeting.
    async fn meeting(&self) -> Meeting {
        Meeting(self.row.meeting_id)
    }

    /// The sentences that stand for the rest, one a line.
    async fn overview(&self) -> String {
        let lines: Vec<&str> = self.found.overview.iter().map(|one| one.text.as_str()).collect();
        lines.join("\n")
    }

    /// The same sentences, each with where it was said.
    async fn overview_sentences(&self) -> Vec<CitedText> {
        many(&self.found.overview)
    }

    /// What was decided.
    async fn decisions(&self) -> Vec<CitedText> {
        many(&self.found.decisions)
    }

    /// What it was about.
    async fn keywords(&self) -> Vec<Keyword> {
        many(&self.found.keywords)
    }

    /// What wrote it: `builtin`, or an engine that the operator chose.
    async fn engine(&self) -> &str {
        &self.row.engine
    }

    /// The engine that the operator chose, when it gave nothing that can be used and the built-in one
    /// stood in; null otherwise.
    async fn instead_of(&self) -> Option<&str> {
        self.row.instead_of.as_deref()
    }

    /// Rises when it is written anew.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// What a date is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ScheduleItemKind {
    /// People want to meet again.
    FollowUp,
    /// Something has to be done by then.
    Deadline,
}

/// Something that is to happen on a day.
#[derive(Debug, Clone, SimpleObject)]
pub struct ScheduleItem {
    /// What the date is for.
    pub kind: ScheduleItemKind,
    /// What was said about it.
    pub text: String,
    /// The day; null when it couldn't be told from the words.
    pub date: Option<Date>,
    /// The very moment, in the host's time zone; null when no time of day was said.
    pub at: Option<DateTime<Utc>>,
    /// The segments that it comes from.
    pub segments: Vec<Segment>,
}

impl ScheduleItem {
    fn new(dated: text::Dated, zone: Option<Tz>) -> Self {
        let kind = match dated.kind {
            text::DatedKind::FollowUp => ScheduleItemKind::FollowUp,
            text::DatedKind::Deadline => ScheduleItemKind::Deadline,
        };
        let at = || Some(moment(dated.date?, dated.time?, zone?));
        let at = at();
        let date = dated.date.map(Date);
        Self { kind, text: dated.text, date, at, segments: segments(dated.segment_ids) }
    }
}

/// A schedule that the asker may see.
#[derive(Debug, Clone)]
pub struct ScheduleProposal {
    pub(super) row: InsightRow,
    found: text::Schedule,
}

insight!(ScheduleProposal, text::Schedule);

/// What comes after a meeting, as far as it was said.
#[Object]
impl ScheduleProposal {
    /// Id of the proposal.
    async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The meeting.
    async fn meeting(&self) -> Meeting {
        Meeting(self.row.meeting_id)
    }

    /// Follow-up meetings and deadlines, in the order in which they were said.
    async fn items(&self) -> Vec<ScheduleItem> {
        let zone = self.found.time_zone.parse().ok();
        self.found.items.iter().cloned().map(|item| ScheduleItem::new(item, zone)).collect()
    }

    /// What found them: `builtin`, or an engine that the operator chose.
    async fn engine(&self) -> &str {
        &self.row.engine
    }

    /// The engine that the operator chose, when it gave nothing that can be used and the built-in one
    /// stood in; null otherwise.
    async fn instead_of(&self) -> Option<&str> {
        self.row.instead_of.as_deref()
    }

    /// Rises when it is proposed anew.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// When it was proposed.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// How long somebody spoke.
#[derive(Debug, Clone, SimpleObject)]
pub struct TalkTime {
    /// Label of who spoke; null for all speech without a label.
    pub speaker: Option<String>,
    /// How long, in milliseconds.
    pub duration_ms: i64,
}

/// An analysis that the asker may see.
#[derive(Debug, Clone)]
pub struct MeetingAnalysis {
    pub(super) row: InsightRow,
    found: text::Analysis,
}

insight!(MeetingAnalysis, text::Analysis);

/// How a meeting went.
#[Object]
impl MeetingAnalysis {
    /// Id of the analysis.
    async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The meeting.
    async fn meeting(&self) -> Meeting {
        Meeting(self.row.meeting_id)
    }

    /// What it was about, the most frequent first.
    async fn topics(&self) -> Vec<Keyword> {
        many(&self.found.topics)
    }

    /// Who spoke for how long, the longest first.
    async fn talk_time(&self) -> Vec<TalkTime> {
        let time = |time: &text::said::TalkTime| TalkTime {
            speaker: time.speaker.clone(),
            duration_ms: time.duration_ms,
        };
        self.found.talk_time.iter().map(time).collect()
    }

    /// What was decided.
    async fn decisions(&self) -> Vec<CitedText> {
        many(&self.found.decisions)
    }

    /// What worked it out: `builtin`, or an engine that the operator chose.
    async fn engine(&self) -> &str {
        &self.row.engine
    }

    /// The engine that the operator chose, when it gave nothing that can be used and the built-in one
    /// stood in; null otherwise.
    async fn instead_of(&self) -> Option<&str> {
        self.row.instead_of.as_deref()
    }

    /// Rises when it is worked out anew.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// When it was worked out.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// A meeting that the asker takes part in.
#[derive(Debug, Clone, Copy)]
pub struct Meeting(pub Uuid);

impl Meeting {
    async fn find<T: TryFrom<InsightRow, Error = serde_json::Error>>(
        self,
        ctx: &Context<'_>,
        kind: Kind,
    ) -> Result<Option<T>> {
        let key = InsightOf { meeting: self.0, kind };
        let row = ctx.data::<Reads>()?.load_one(key).await.internal()?;
        row.map(T::try_from).transpose().internal()
    }
}

/// A gathering of people.
#[Object]
impl Meeting {
    /// Id of the meeting.
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// What it came to, once that is written.
    async fn summary(&self, ctx: &Context<'_>) -> Result<Option<Summary>> {
        self.find(ctx, Kind::Summary).await
    }

    /// What comes after it, once that was asked for.
    async fn schedule(&self, ctx: &Context<'_>) -> Result<Option<ScheduleProposal>> {
        self.find(ctx, Kind::Schedule).await
    }

    /// How it went, once that is worked out.
    async fn analysis(&self, ctx: &Context<'_>) -> Result<Option<MeetingAnalysis>> {
        self.find(ctx, Kind::Analysis).await
    }

    /// The tasks that find out about it, the newest first.
    async fn ai_tasks(&self, ctx: &Context<'_>) -> Result<Vec<AiTask>> {
        let tasks = ctx.data::<TaskReads>()?.load_one(TasksOf(self.0)).await.internal()?;
        Ok(tasks.unwrap_or_default().into_iter().map(AiTask).collect())
    }
}
