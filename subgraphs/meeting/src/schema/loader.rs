//! Batches the reads of one request.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, Request, Result,
    dataloader::{DataLoader, Loader},
};
use futures::future::try_join_all;
use platform::{access, cache::AtLeast, error::internal, identity::Identity, page::Page};
use uuid::Uuid;

use crate::{
    domain::{part::Sent, retention::Retention},
    meeting::Meetings,
    store::{
        meeting::{self, MeetingRecord},
        part,
        participant::{self, ParticipantRecord},
        recording::{self, RecordingRecord},
        retention::{self, Kept},
        template::{self, TemplateRecord},
    },
    worker::TASK_TYPENAME,
};

/// The GraphQL type of meetings.
const TYPENAME: &str = "Meeting";

/// Loads meetings: from the cache with one command, the missing ones with one query.
pub struct MeetingLoader(Meetings, AtLeast);

impl Loader<Uuid> for MeetingLoader {
    type Value = MeetingRecord;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, MeetingRecord>> {
        let load = async |missing: Vec<Uuid>| meeting::by_ids(self.0.pool(), &missing).await;
        let minimum = |id: &Uuid| self.1.version(TYPENAME, id);
        let found = self.0.cached_meetings().get_many_at_least(ids, minimum, load);
        found.await.map_err(internal)
    }
}

/// Loads who takes part in meetings, likewise.
pub struct ParticipantLoader(Meetings);

impl Loader<Uuid> for ParticipantLoader {
    type Value = Arc<[ParticipantRecord]>;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Self::Value>> {
        let load =
            async |missing: Vec<Uuid>| participant::by_meetings(self.0.pool(), &missing).await;
        let found = self.0.cached_participants().get_many(ids, load).await.map_err(internal)?;
        Ok(found.into_iter().map(|(id, participants)| (id, participants.into())).collect())
    }
}

/// Loads the templates of people's own, likewise.
pub struct TemplateLoader(Meetings);

impl Loader<Uuid> for TemplateLoader {
    type Value = Vec<TemplateRecord>;
    type Error = async_graphql::Error;

    async fn load(&self, owners: &[Uuid]) -> Result<HashMap<Uuid, Vec<TemplateRecord>>> {
        let load = async |missing: Vec<Uuid>| template::by_owners(self.0.pool(), &missing).await;
        self.0.cached_templates().get_many(owners, load).await.map_err(internal)
    }
}

/// Loads the recordings of meetings from the database.
pub struct RecordingLoader(Meetings);

impl Loader<Uuid> for RecordingLoader {
    type Value = Vec<RecordingRecord>;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<RecordingRecord>>> {
        recording::by_meetings(self.0.pool(), ids).await.map_err(internal)
    }
}

/// A page of a recording's parts, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartsOf {
    recording: Uuid,
    after: Option<Uuid>,
    limit: i64,
}

/// How far the parts of a recording are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SentOf(Uuid);

/// Loads parts of recordings from the database.
pub struct PartLoader(Meetings);

impl Loader<PartsOf> for PartLoader {
    type Value = Vec<RecordingRecord>;
    type Error = async_graphql::Error;

    async fn load(&self, keys: &[PartsOf]) -> Result<HashMap<PartsOf, Vec<RecordingRecord>>> {
        let recordings: Vec<Uuid> = keys.iter().map(|key| key.recording).collect();
        let after: Vec<Uuid> = keys.iter().map(|key| key.after.unwrap_or(Uuid::nil())).collect();
        let limits: Vec<i64> = keys.iter().map(|key| key.limit).collect();
        let rows = part::pages(self.0.pool(), &recordings, &after, &limits).await;
        let mut pages: HashMap<PartsOf, Vec<RecordingRecord>> = HashMap::new();
        for (place, row) in rows.map_err(internal)? {
            if let Some(key) = usize::try_from(place).ok().and_then(|place| keys.get(place)) {
                pages.entry(*key).or_default().push(row);
            }
        }
        Ok(pages)
    }
}

impl Loader<SentOf> for PartLoader {
    type Value = Vec<Sent>;
    type Error = async_graphql::Error;

    async fn load(&self, keys: &[SentOf]) -> Result<HashMap<SentOf, Vec<Sent>>> {
        let recordings: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = part::sent_of(self.0.pool(), &recordings).await.map_err(internal)?;
        let mut found: HashMap<SentOf, Vec<Sent>> = HashMap::new();
        for (recording, sent) in rows {
            found.entry(SentOf(recording)).or_default().push(sent);
        }
        Ok(found)
    }
}

/// Loads for how long the recordings of meetings are kept.
pub struct RetentionLoader(Meetings);

impl Loader<Uuid> for RetentionLoader {
    type Value = Kept;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Kept>> {
        retention::of_meetings(self.0.pool(), ids).await.map_err(internal)
    }
}

/// The loaders of one request.
pub struct Loaders {
    meetings: DataLoader<MeetingLoader>,
    participants: DataLoader<ParticipantLoader>,
    recordings: DataLoader<RecordingLoader>,
    parts: DataLoader<PartLoader>,
    retentions: DataLoader<RetentionLoader>,
    installation: Retention,
    templates: DataLoader<TemplateLoader>,
}

impl Loaders {
    /// Puts new loaders into a request.
    #[must_use]
    pub fn attach(meetings: &Meetings, request: Request) -> Request {
        let at_least = AtLeast::of(&request);
        let tasks = meetings.tasks.reads(TASK_TYPENAME, &request);
        request.data(tasks).data(Self {
            meetings: DataLoader::new(MeetingLoader(meetings.clone(), at_least), tokio::spawn),
            participants: DataLoader::new(ParticipantLoader(meetings.clone()), tokio::spawn),
            recordings: DataLoader::new(RecordingLoader(meetings.clone()), tokio::spawn),
            parts: DataLoader::new(PartLoader(meetings.clone()), tokio::spawn),
            retentions: DataLoader::new(RetentionLoader(meetings.clone()), tokio::spawn),
            installation: meetings.config.retention,
            templates: DataLoader::new(TemplateLoader(meetings.clone()), tokio::spawn),
        })
    }

    /// A meeting, if the one who asks may read it: somebody who takes part, or a service of ours.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a log-in.
    pub(super) async fn readable(ctx: &Context<'_>, id: &str) -> Result<Option<MeetingRecord>> {
        access::known(ctx)?;
        let Ok(id) = Uuid::parse_str(id) else { return Ok(None) };
        if !Self::may_read(ctx, id).await? {
            return Ok(None);
        }
        ctx.data::<Self>()?.meetings.load_one(id).await
    }

    /// Meetings by id, in the order asked for; those that the asker may not read are left out.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a log-in.
    pub(super) async fn readable_ones(
        ctx: &Context<'_>,
        ids: &[Uuid],
    ) -> Result<Vec<MeetingRecord>> {
        access::known(ctx)?;
        let may = ids.iter().map(|id| Self::may_read(ctx, *id));
        let may = try_join_all(may).await?;
        let ids: Vec<Uuid> =
            ids.iter().zip(may).filter(|(_, may)| *may).map(|(id, _)| *id).collect();
        Self::meetings(ctx, &ids).await
    }

    async fn may_read(ctx: &Context<'_>, id: Uuid) -> Result<bool> {
        Ok(match Identity::from_ctx(ctx) {
            Identity::Anonymous => false,
            Identity::Viewer(viewer) => Self::participates(ctx, id, viewer.id).await?,
            Identity::Group { id: group } => *group == id,
            Identity::Service { .. } => true,
        })
    }

    /// Meetings by id, in the order asked for; unknown ones are left out.
    pub(super) async fn meetings(ctx: &Context<'_>, ids: &[Uuid]) -> Result<Vec<MeetingRecord>> {
        let mut found = ctx.data::<Self>()?.meetings.load_many(ids.iter().copied()).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// Does this user take part in this meeting?
    pub(super) async fn participates(
        ctx: &Context<'_>,
        meeting_id: Uuid,
        user_id: Uuid,
    ) -> Result<bool> {
        let participants = Self::participants(ctx, meeting_id).await?;
        Ok(participants.iter().any(|participant| participant.user_id == user_id))
    }

    /// Who takes part in a meeting, host first.
    pub(super) async fn participants(
        ctx: &Context<'_>,
        meeting_id: Uuid,
    ) -> Result<Arc<[ParticipantRecord]>> {
        let found = ctx.data::<Self>()?.participants.load_one(meeting_id).await?;
        Ok(found.unwrap_or_default())
    }

    /// The templates of somebody's own, oldest first.
    pub(super) async fn templates(ctx: &Context<'_>, owner: Uuid) -> Result<Vec<TemplateRecord>> {
        let found = ctx.data::<Self>()?.templates.load_one(owner).await?;
        Ok(found.unwrap_or_default())
    }

    /// The recordings of a meeting, oldest first.
    pub(super) async fn recordings(
        ctx: &Context<'_>,
        meeting_id: Uuid,
    ) -> Result<Vec<RecordingRecord>> {
        let found = ctx.data::<Self>()?.recordings.load_one(meeting_id).await?;
        Ok(found.unwrap_or_default())
    }

    /// A page of a recording's parts, in their order, and one more as a sign that there is a next page.
    pub(super) async fn parts(
        ctx: &Context<'_>,
        recording: Uuid,
        page: Page,
    ) -> Result<Vec<RecordingRecord>> {
        let key = PartsOf { recording, after: page.after, limit: page.limit() };
        let found = ctx.data::<Self>()?.parts.load_one(key).await?;
        Ok(found.unwrap_or_default())
    }

    /// How far the parts of a recording are, in their order.
    pub(super) async fn sent(ctx: &Context<'_>, recording: Uuid) -> Result<Vec<Sent>> {
        let found = ctx.data::<Self>()?.parts.load_one(SentOf(recording)).await?;
        Ok(found.unwrap_or_default())
    }

    /// For how long the recordings of a meeting are kept, and what the installation says.
    pub(super) async fn retention(ctx: &Context<'_>, meeting: Uuid) -> Result<(Kept, Retention)> {
        let loaders = ctx.data::<Self>()?;
        let kept = loaders.retentions.load_one(meeting).await?;
        Ok((kept.unwrap_or_default(), loaders.installation))
    }
}
