//! Types.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::loader::Loaders;
use crate::{
    domain::{
        plan::DEFAULT_LANGUAGE,
        role::Role,
        status::Status,
        template::{self, Section, Template},
    },
    store::{
        meeting::MeetingRecord,
        recording::{RecordingRecord, RecordingStatus},
    },
};

/// A person with an account.
#[derive(SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct User {
    /// The person's id.
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
    pub user: User,
    /// What they are in the meeting.
    pub role: Role,
}

/// A meeting, as those see it who take part.
#[derive(Debug, Clone)]
pub struct Meeting(pub(crate) MeetingRecord);

/// A meeting. Only those who take part can read it.
#[Object]
impl Meeting {
    /// The meeting's id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its title.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What it is to be about.
    async fn agenda(&self) -> Option<&str> {
        self.0.agenda.as_deref()
    }

    /// Spoken language, `ko` or `en`; null when it is to be detected.
    async fn language(&self) -> Option<&str> {
        self.0.language.as_deref()
    }

    /// Where it stands.
    async fn status(&self) -> Status {
        self.0.status
    }

    /// When it is planned.
    async fn scheduled_at(&self) -> Option<DateTime<Utc>> {
        self.0.scheduled_at
    }

    /// When it was started.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    /// When it was ended.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Rises with every change; give it to `updateMeeting` so that nobody's change gets lost.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Who leads it.
    async fn host(&self) -> User {
        self.0.host_id.into()
    }

    /// Who takes part, the host first.
    async fn participants(&self, ctx: &Context<'_>) -> Result<Vec<Participant>> {
        let participants = Loaders::participants(ctx, self.0.id).await?;
        Ok(participants
            .iter()
            .map(|participant| Participant {
                user: participant.user_id.into(),
                role: participant.role,
            })
            .collect())
    }

    /// Which sections its minutes have.
    async fn template(&self) -> Option<MeetingTemplate> {
        let language = self.0.language.clone().unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned());
        let template = template::by_id(self.0.template_id)?;
        Some(MeetingTemplate { template, language })
    }

    /// When all sections of its minutes were verified; null: not yet.
    async fn minutes_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.minutes_verified_at
    }

    /// When its minutes were last shared; null: never.
    async fn minutes_shared_at(&self) -> Option<DateTime<Utc>> {
        self.0.minutes_shared_at
    }

    /// How far its todos are.
    async fn todo_progress(&self) -> TodoProgress {
        TodoProgress { done: self.0.todo_done, total: self.0.todo_total }
    }

    /// Its recordings, oldest first.
    async fn recordings(&self, ctx: &Context<'_>) -> Result<Vec<Recording>> {
        let recordings = Loaders::recordings(ctx, self.0.id).await?;
        Ok(recordings.into_iter().map(Recording).collect())
    }
}

/// How far the todos of a meeting are.
#[derive(SimpleObject)]
pub struct TodoProgress {
    /// How many are done.
    pub done: i32,
    /// How many there are: open, in progress or done. Proposed and cancelled ones don't count.
    pub total: i32,
}

/// A recording of a meeting.
#[derive(Debug, Clone)]
pub struct Recording(pub(crate) RecordingRecord);

/// A recording of a meeting.
#[Object]
impl Recording {
    /// The recording's id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Whether its file is there.
    async fn status(&self) -> RecordingStatus {
        self.0.status
    }

    /// Media type as announced.
    async fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Size in bytes.
    async fn size_bytes(&self) -> i64 {
        self.0.size_bytes
    }

    /// When the upload was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the file had arrived whole.
    async fn uploaded_at(&self) -> Option<DateTime<Utc>> {
        self.0.uploaded_at
    }
}

/// A template, in the language of the meeting or the one asked for.
#[derive(Debug, Clone)]
pub struct MeetingTemplate {
    pub(super) template: &'static Template,
    pub(super) language: String,
}

/// Which sections the minutes of a meeting have.
#[Object]
impl MeetingTemplate {
    /// The template's id.
    async fn id(&self) -> ID {
        self.template.id.into()
    }

    /// Stable name: `general`, `scrum`, `kickoff` or `weekly`.
    async fn key(&self) -> &str {
        self.template.key
    }

    /// Display name.
    async fn name(&self) -> &str {
        self.template.name.in_language(&self.language)
    }

    /// What it is for.
    async fn description(&self) -> &str {
        self.template.description.in_language(&self.language)
    }

    /// The sections of the minutes, in order.
    async fn sections(&self) -> Vec<TemplateSection> {
        let in_language = |section: &Section| TemplateSection {
            key: section.key.to_owned(),
            title: section.title.in_language(&self.language).to_owned(),
        };
        self.template.sections.iter().map(in_language).collect()
    }
}

/// A section of the minutes.
#[derive(SimpleObject)]
pub struct TemplateSection {
    /// Stable name, the same in every language.
    pub key: String,
    /// Heading.
    pub title: String,
}
