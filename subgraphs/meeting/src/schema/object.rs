//! Types.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::{
    access::viewer_independent,
    page::{Connection, Page},
};
use sqlx::types::Json;
use uuid::Uuid;

use super::loader::Loaders;
use crate::{
    domain::{
        part::inventory,
        plan::DEFAULT_LANGUAGE,
        response::Response,
        role::Role,
        status::Status,
        template::{self, Outline, OwnSection, Section, Template},
    },
    store::{
        meeting::MeetingRecord,
        participant::ParticipantRecord,
        recording::{RecordingRecord, RecordingStatus},
        template::TemplateRecord,
    },
};

/// Most places of missing parts that are listed.
const MISSING_SHOWN_MAX: usize = 100;

/// A person with an account.
#[derive(SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct User {
    /// The person's id.
    #[graphql(directive = viewer_independent::apply())]
    pub id: ID,
}

impl From<Uuid> for User {
    fn from(id: Uuid) -> Self {
        Self { id: id.into() }
    }
}

/// Somebody who takes part in a meeting.
#[derive(SimpleObject)]
pub struct Participant {
    /// Who it is.
    #[graphql(directive = viewer_independent::apply())]
    pub user: User,
    /// What they are in the meeting.
    #[graphql(directive = viewer_independent::apply())]
    pub role: Role,
    /// Whether they come. The host does.
    #[graphql(directive = viewer_independent::apply())]
    pub response: Response,
    /// When they answered the invitation last; null: not yet.
    #[graphql(directive = viewer_independent::apply())]
    pub responded_at: Option<DateTime<Utc>>,
}

/// How many of those who take part answered what.
#[derive(Default, SimpleObject)]
pub struct ResponseCounts {
    /// How many come, the host among them.
    #[graphql(directive = viewer_independent::apply())]
    pub accepted: i32,
    /// How many don't come.
    #[graphql(directive = viewer_independent::apply())]
    pub declined: i32,
    /// How many may come.
    #[graphql(directive = viewer_independent::apply())]
    pub tentative: i32,
    /// How many haven't answered yet.
    #[graphql(directive = viewer_independent::apply())]
    pub pending: i32,
}

impl FromIterator<Response> for ResponseCounts {
    fn from_iter<I: IntoIterator<Item = Response>>(responses: I) -> Self {
        let mut counts = Self::default();
        for response in responses {
            *match response {
                Response::Accepted => &mut counts.accepted,
                Response::Declined => &mut counts.declined,
                Response::Tentative => &mut counts.tentative,
                Response::Pending => &mut counts.pending,
            } += 1;
        }
        counts
    }
}

/// A meeting, as those see it who take part.
#[derive(Debug, Clone)]
pub struct Meeting(pub(crate) MeetingRecord);

/// A meeting. Only those who take part can read it.
#[Object]
impl Meeting {
    /// The meeting's id.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its title.
    #[graphql(directive = viewer_independent::apply())]
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What it is to be about.
    #[graphql(directive = viewer_independent::apply())]
    async fn agenda(&self) -> Option<&str> {
        self.0.agenda.as_deref()
    }

    /// Spoken language, `ko` or `en`; null when it is to be detected.
    #[graphql(directive = viewer_independent::apply())]
    async fn language(&self) -> Option<&str> {
        self.0.language.as_deref()
    }

    /// Where it stands.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> Status {
        self.0.status
    }

    /// When it is planned.
    #[graphql(directive = viewer_independent::apply())]
    async fn scheduled_at(&self) -> Option<DateTime<Utc>> {
        self.0.scheduled_at
    }

    /// When it was started.
    #[graphql(directive = viewer_independent::apply())]
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    /// When it was ended.
    #[graphql(directive = viewer_independent::apply())]
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }

    /// When it was created.
    #[graphql(directive = viewer_independent::apply())]
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Rises with every change; give it to `updateMeeting` so that nobody's change gets lost.
    #[graphql(directive = viewer_independent::apply())]
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Who leads it.
    #[graphql(directive = viewer_independent::apply())]
    async fn host(&self) -> User {
        self.0.host_id.into()
    }

    /// Who takes part, the host first.
    #[graphql(directive = viewer_independent::apply())]
    async fn participants(&self, ctx: &Context<'_>) -> Result<Vec<Participant>> {
        let participants = Loaders::participants(ctx, self.0.id).await?;
        Ok(participants
            .iter()
            .map(|participant| Participant {
                user: participant.user_id.into(),
                role: participant.role,
                response: participant.comes(),
                responded_at: participant.responded_at,
            })
            .collect())
    }

    /// How many of those who take part answered what to the invitation.
    #[graphql(directive = viewer_independent::apply())]
    async fn responses(&self, ctx: &Context<'_>) -> Result<ResponseCounts> {
        let participants = Loaders::participants(ctx, self.0.id).await?;
        Ok(participants.iter().map(ParticipantRecord::comes).collect())
    }

    /// Which sections its minutes have.
    #[graphql(directive = viewer_independent::apply())]
    async fn template(&self) -> Option<MeetingTemplate> {
        if let Some(Json(outline)) = &self.0.template {
            return Some(MeetingTemplate::Kept(outline.clone()));
        }
        let language = self.0.language.clone().unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned());
        Some(MeetingTemplate::BuiltIn(template::by_id(self.0.template_id)?, language))
    }

    /// When all sections of its minutes were verified; null: not yet.
    #[graphql(directive = viewer_independent::apply())]
    async fn minutes_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.minutes_verified_at
    }

    /// When its minutes were last shared; null: never.
    #[graphql(directive = viewer_independent::apply())]
    async fn minutes_shared_at(&self) -> Option<DateTime<Utc>> {
        self.0.minutes_shared_at
    }

    /// How far its todos are.
    #[graphql(directive = viewer_independent::apply())]
    async fn todo_progress(&self) -> TodoProgress {
        TodoProgress { done: self.0.todo_done, total: self.0.todo_total }
    }

    /// For how many days after its end its host wants the files of its recordings kept; null: as long as the
    /// installation says.
    #[graphql(directive = viewer_independent::apply())]
    async fn recording_retention_days(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(Loaders::retention(ctx, self.0.id).await?.0.days)
    }

    /// Its recordings, oldest first.
    #[graphql(directive = viewer_independent::apply())]
    async fn recordings(&self, ctx: &Context<'_>) -> Result<Vec<Recording>> {
        let recordings = Loaders::recordings(ctx, self.0.id).await?;
        Ok(recordings.into_iter().map(Recording).collect())
    }
}

/// How far the todos of a meeting are.
#[derive(SimpleObject)]
pub struct TodoProgress {
    /// How many are done.
    #[graphql(directive = viewer_independent::apply())]
    pub done: i32,
    /// How many there are: open, in progress or done. Proposed and cancelled ones don't count.
    #[graphql(directive = viewer_independent::apply())]
    pub total: i32,
}

/// A recording of a meeting.
#[derive(Debug, Clone)]
pub struct Recording(pub(crate) RecordingRecord);

/// A recording of a meeting.
#[Object]
impl Recording {
    /// The recording's id.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Whether its file is there.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> RecordingStatus {
        self.0.status
    }

    /// Media type as announced.
    #[graphql(directive = viewer_independent::apply())]
    async fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Size in bytes; of a recording in parts: of those that are there.
    #[graphql(directive = viewer_independent::apply())]
    async fn size_bytes(&self) -> i64 {
        self.0.size_bytes
    }

    /// Whether it comes in parts.
    #[graphql(directive = viewer_independent::apply())]
    async fn is_parted(&self) -> bool {
        self.0.parted
    }

    /// Its parts in their order; none of a recording in one piece.
    #[graphql(directive = viewer_independent::apply())]
    async fn parts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many parts, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the part after which to begin.")] after: Option<String>,
    ) -> Result<Connection<RecordingPart>> {
        let page = Page::new(first, after.as_deref())?;
        let parts = Loaders::parts(ctx, self.0.id, page).await?;
        let parts = parts.into_iter().map(RecordingPart).collect();
        Ok(Connection::new(page, parts, |part: &RecordingPart| part.0.id))
    }

    /// Places of parts that are missing: those before the last one asked for, or before the number that
    /// `endMeeting` was given, that haven't arrived; at most 100.
    #[graphql(directive = viewer_independent::apply())]
    async fn missing_parts(&self, ctx: &Context<'_>) -> Result<Vec<i32>> {
        let sent = Loaders::sent(ctx, self.0.id).await?;
        let mut missing = inventory(&sent, self.0.part_count).missing;
        missing.truncate(MISSING_SHOWN_MAX);
        Ok(missing)
    }

    /// Of a recording in parts: since when no more come; null while they do.
    #[graphql(directive = viewer_independent::apply())]
    async fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.0.closed_at
    }

    /// When its file will be deleted; null as long as nobody knows: it is kept, or the meeting hasn't ended.
    #[graphql(directive = viewer_independent::apply())]
    async fn expires_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        let (kept, installation) = Loaders::retention(ctx, self.0.meeting_id).await?;
        Ok(installation.ends(kept.days, kept.over_at, self.0.uploaded_at))
    }

    /// Since when its file isn't to be had any more.
    #[graphql(directive = viewer_independent::apply())]
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// When the upload was asked for.
    #[graphql(directive = viewer_independent::apply())]
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the file had arrived whole.
    #[graphql(directive = viewer_independent::apply())]
    async fn uploaded_at(&self) -> Option<DateTime<Utc>> {
        self.0.uploaded_at
    }
}

/// A part of a recording.
#[derive(Debug, Clone)]
pub struct RecordingPart(pub(crate) RecordingRecord);

/// A part of a recording that came while the meeting ran.
#[Object]
impl RecordingPart {
    /// The part's id.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its place in the recording, from 0.
    #[graphql(directive = viewer_independent::apply())]
    async fn sequence(&self) -> i32 {
        self.0.sequence.unwrap_or_default()
    }

    /// Where it begins in the recording, in milliseconds, as its sender said; null: where the part before it
    /// ends.
    #[graphql(directive = viewer_independent::apply())]
    async fn start_ms(&self) -> Option<i64> {
        self.0.start_ms
    }

    /// Whether its file is there.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> RecordingStatus {
        self.0.status
    }

    /// Media type as announced.
    #[graphql(directive = viewer_independent::apply())]
    async fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Size in bytes.
    #[graphql(directive = viewer_independent::apply())]
    async fn size_bytes(&self) -> i64 {
        self.0.size_bytes
    }

    /// When the upload was asked for.
    #[graphql(directive = viewer_independent::apply())]
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the file had arrived whole.
    #[graphql(directive = viewer_independent::apply())]
    async fn uploaded_at(&self) -> Option<DateTime<Utc>> {
        self.0.uploaded_at
    }
}

/// A template.
#[derive(Debug, Clone)]
pub enum MeetingTemplate {
    /// A built-in one, in a language: of the meeting, or the one asked for.
    BuiltIn(&'static Template, String),
    /// One of the asker's own.
    Own(TemplateRecord),
    /// What a meeting keeps of one of somebody's own.
    Kept(Outline),
}

/// Which sections the minutes of a meeting have: a built-in template, or one of somebody's own. A meeting
/// keeps its template as it was when the meeting was planned.
#[Object]
impl MeetingTemplate {
    /// The template's id.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        match self {
            Self::BuiltIn(template, _) => template.id,
            Self::Own(own) => own.id,
            Self::Kept(outline) => outline.id,
        }
        .into()
    }

    /// Stable name of a built-in one: `general`, `scrum`, `kickoff` or `weekly`; of any other `own`.
    #[graphql(directive = viewer_independent::apply())]
    async fn key(&self) -> &str {
        match self {
            Self::BuiltIn(template, _) => template.key,
            Self::Own(_) | Self::Kept(_) => template::OWN_KEY,
        }
    }

    /// Whether it is built in; else it is of somebody's own.
    #[graphql(directive = viewer_independent::apply())]
    async fn built_in(&self) -> bool {
        matches!(self, Self::BuiltIn(..))
    }

    /// Display name.
    #[graphql(directive = viewer_independent::apply())]
    async fn name(&self) -> &str {
        match self {
            Self::BuiltIn(template, language) => template.name.in_language(language),
            Self::Own(own) => &own.name,
            Self::Kept(outline) => &outline.name,
        }
    }

    /// What it is for; may be empty.
    #[graphql(directive = viewer_independent::apply())]
    async fn description(&self) -> &str {
        let own = match self {
            Self::BuiltIn(template, language) => return template.description.in_language(language),
            Self::Own(own) => &own.description,
            Self::Kept(outline) => &outline.description,
        };
        own.as_deref().unwrap_or_default()
    }

    /// Title of meetings that name none; null when it has none, and on a meeting, which has one.
    #[graphql(directive = viewer_independent::apply())]
    async fn title(&self) -> Option<&str> {
        match self {
            Self::Own(own) => own.title.as_deref(),
            Self::BuiltIn(..) | Self::Kept(_) => None,
        }
    }

    /// Agenda of meetings that name none, likewise.
    #[graphql(directive = viewer_independent::apply())]
    async fn agenda(&self) -> Option<&str> {
        match self {
            Self::Own(own) => own.agenda.as_deref(),
            Self::BuiltIn(..) | Self::Kept(_) => None,
        }
    }

    /// Rises with every change; give it to `updateMeetingTemplate`. On a meeting: the version that it
    /// keeps.
    #[graphql(directive = viewer_independent::apply())]
    async fn version(&self) -> i32 {
        match self {
            Self::BuiltIn(..) => 1,
            Self::Own(own) => own.version,
            Self::Kept(outline) => outline.version,
        }
    }

    /// The sections of the minutes, in order.
    #[graphql(directive = viewer_independent::apply())]
    async fn sections(&self) -> Vec<TemplateSection> {
        let own = match self {
            Self::BuiltIn(template, language) => {
                let in_language = |section: &Section| TemplateSection {
                    key: section.key.to_owned(),
                    title: section.title.in_language(language).to_owned(),
                };
                return template.sections.iter().map(in_language).collect();
            }
            Self::Own(own) => &own.sections.0,
            Self::Kept(outline) => &outline.sections,
        };
        let section = |section: &OwnSection| TemplateSection {
            key: section.key.clone(),
            title: section.title.clone(),
        };
        own.iter().map(section).collect()
    }
}

/// A section of the minutes.
#[derive(SimpleObject)]
pub struct TemplateSection {
    /// Stable name, the same in every language.
    #[graphql(directive = viewer_independent::apply())]
    pub key: String,
    /// Heading.
    #[graphql(directive = viewer_independent::apply())]
    pub title: String,
}
