//! Types.

use async_graphql::{Context, Enum, ID, InputValueError, InputValueResult, Object, Result, Scalar};
use async_graphql::{ScalarType, SimpleObject, Value};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use contract::spoken::moment;
use platform::error::{Internal as _, internal};
use platform::task::{TaskReads, TasksOf};
use uuid::Uuid;

use super::loader::{InsightOf, Reads};
use super::task::AiTask;
use crate::domain::across::{self, Part, Place, Talk, Topic};
use crate::domain::kind::Kind;
use crate::store::analysis::{AnalysisRow, PartRow};
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

/// Where in a meeting something was said.
#[derive(Debug, Clone, SimpleObject)]
pub struct Citation {
    /// The meeting.
    pub meeting: Meeting,
    /// The segments, in the order of its recording.
    pub segments: Vec<Segment>,
}

impl From<Place> for Citation {
    fn from(place: Place) -> Self {
        Self { meeting: Meeting(place.meeting), segments: segments(place.segment_ids) }
    }
}

fn citations(places: Vec<Place>) -> Vec<Citation> {
    places.into_iter().map(Citation::from).collect()
}

/// Something that was said, and where.
#[derive(Debug, Clone, SimpleObject)]
pub struct CitedText {
    /// What was said.
    pub text: String,
    /// The meeting in which it was said.
    pub meeting: Meeting,
    /// The segments that it comes from.
    pub segments: Vec<Segment>,
}

impl CitedText {
    fn new(meeting: Uuid, cited: text::Cited) -> Self {
        let segments = segments(cited.segment_ids);
        Self { text: cited.text, meeting: Meeting(meeting), segments }
    }

    fn all(meeting: Uuid, cited: &[text::Cited]) -> Vec<Self> {
        cited.iter().cloned().map(|cited| Self::new(meeting, cited)).collect()
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
    /// The same by meeting.
    pub citations: Vec<Citation>,
}

impl From<Topic> for Keyword {
    fn from(topic: Topic) -> Self {
        let all = topic.places.iter().flat_map(|place| place.segment_ids.clone()).collect();
        let Topic { word, count, places } = topic;
        Self { word, count, segments: segments(all), citations: citations(places) }
    }
}

impl Keyword {
    fn new(meeting: Uuid, found: text::Keyword) -> Self {
        let places = vec![Place { meeting, segment_ids: found.segment_ids }];
        Topic { word: found.word, count: found.count, places }.into()
    }
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
        CitedText::all(self.row.meeting_id, &self.found.overview)
    }

    /// What was decided.
    async fn decisions(&self) -> Vec<CitedText> {
        CitedText::all(self.row.meeting_id, &self.found.decisions)
    }

    /// What it was about.
    async fn keywords(&self) -> Vec<Keyword> {
        let keyword = |word: &text::Keyword| Keyword::new(self.row.meeting_id, word.clone());
        self.found.keywords.iter().map(keyword).collect()
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
    /// Where: the longest segments of each meeting, at most 100.
    pub citations: Vec<Citation>,
}

impl From<Talk> for TalkTime {
    fn from(Talk { speaker, duration_ms, places }: Talk) -> Self {
        Self { speaker, duration_ms, citations: citations(places) }
    }
}

/// Something that somebody is to do.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct Todo {
    /// Id of the todo.
    pub id: ID,
}

/// A todo that wasn't finished when an analysis was made.
#[derive(Debug, Clone, SimpleObject)]
pub struct OpenTodo {
    /// The todo as it is now; null when it can't be seen any more.
    pub todo: Option<Todo>,
    /// The meeting that it belongs to.
    pub meeting: Meeting,
    /// What was said that it comes from; empty when a person wrote it down.
    pub segments: Vec<Segment>,
}

/// An analysis that the asker may see: of one meeting, or of those of several that they may see.
#[derive(Debug, Clone)]
pub struct MeetingAnalysis {
    pub(super) id: Uuid,
    /// One for each meeting, at least one.
    parts: Vec<Part>,
    is_over_many: bool,
    engine: String,
    instead_of: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
}

impl TryFrom<InsightRow> for MeetingAnalysis {
    type Error = serde_json::Error;

    fn try_from(row: InsightRow) -> std::result::Result<Self, Self::Error> {
        let found = serde_json::from_value(row.content)?;
        Ok(Self {
            id: row.id,
            parts: vec![Part { meeting: row.meeting_id, found, open_todos: Vec::new() }],
            is_over_many: false,
            engine: row.engine,
            instead_of: row.instead_of,
            version: row.version,
            created_at: row.created_at,
        })
    }
}

impl MeetingAnalysis {
    /// An analysis over several meetings, out of these parts; `None` while it isn't finished, or without any
    /// part.
    ///
    /// # Errors
    /// When a part can't be read.
    pub(super) fn across(
        row: &AnalysisRow,
        parts: Vec<PartRow>,
    ) -> std::result::Result<Option<Self>, serde_json::Error> {
        let Some(created_at) = row.completed_at.filter(|_| !parts.is_empty()) else {
            return Ok(None);
        };
        let by = parts
            .iter()
            .filter_map(|part| Some((part.engine.as_deref()?, part.instead_of.as_deref())));
        let (engine, instead_of) = across::engine(by);
        let (engine, instead_of) = (engine.to_owned(), instead_of.map(str::to_owned));
        let parts = parts.into_iter().map(|part| {
            Ok(Part {
                meeting: part.meeting_id,
                found: serde_json::from_value(part.content.unwrap_or_default())?,
                open_todos: serde_json::from_value(part.open_todos.unwrap_or_default())?,
            })
        });
        let parts = parts.collect::<std::result::Result<_, serde_json::Error>>()?;
        let (id, version) = (row.id, row.version);
        let is_over_many = true;
        Ok(Some(Self { id, parts, is_over_many, engine, instead_of, version, created_at }))
    }
}

/// How a meeting went, or several together.
#[Object]
impl MeetingAnalysis {
    /// Id of the analysis.
    async fn id(&self) -> ID {
        self.id.into()
    }

    /// The meeting; of an analysis over several the first that the viewer takes part in.
    async fn meeting(&self) -> Result<Meeting> {
        let first = self.parts.first().ok_or_else(|| internal("an analysis of nothing"))?;
        Ok(Meeting(first.meeting))
    }

    /// The meetings, in the order in which they were named. Of those that the viewer doesn't take part in any
    /// more nothing is in the analysis.
    async fn meetings(&self) -> Vec<Meeting> {
        self.parts.iter().map(|part| Meeting(part.meeting)).collect()
    }

    /// What it was about, the most frequent first; over several meetings first what came up in more of them.
    async fn topics(&self) -> Vec<Keyword> {
        across::topics(&self.parts).into_iter().map(Keyword::from).collect()
    }

    /// Who spoke for how long, the longest first. Whoever has the same label in several meetings counts as
    /// the same.
    async fn talk_time(&self) -> Vec<TalkTime> {
        across::talk_time(&self.parts).into_iter().map(TalkTime::from).collect()
    }

    /// What was decided, meeting by meeting.
    async fn decisions(&self) -> Vec<CitedText> {
        let of = |part: &Part| CitedText::all(part.meeting, &part.found.decisions);
        self.parts.iter().flat_map(of).collect()
    }

    /// The todos that weren't finished when it was made, meeting by meeting; null for an analysis that
    /// wasn't asked for over several meetings: a meeting has `todos`.
    async fn open_todos(&self) -> Option<Vec<OpenTodo>> {
        let of = |part: &Part| {
            let meeting = Meeting(part.meeting);
            part.open_todos.clone().into_iter().map(move |open| OpenTodo {
                todo: Some(Todo { id: open.todo_id.into() }),
                meeting,
                segments: segments(open.segment_ids),
            })
        };
        self.is_over_many.then(|| self.parts.iter().flat_map(of).collect())
    }

    /// What worked it out: `builtin`, or an engine that the operator chose. `builtin` also when it stood in
    /// for that engine in one of the meetings.
    async fn engine(&self) -> &str {
        &self.engine
    }

    /// The engine that the operator chose, when it gave nothing that can be used and the built-in one
    /// stood in; null otherwise.
    async fn instead_of(&self) -> Option<&str> {
        self.instead_of.as_deref()
    }

    /// Rises when it is worked out anew.
    async fn version(&self) -> i32 {
        self.version
    }

    /// When it was worked out.
    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
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
