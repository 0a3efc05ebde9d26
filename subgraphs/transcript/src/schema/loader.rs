//! What resolvers read, gathered: one statement per kind of key and request level.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use platform::cache::{Cache, Kind};
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::part::{Missing, missing};
use crate::store::minutes::{MinutesRow, SectionRow};
use crate::store::segment::{RevisionRow, SegmentRow};
use crate::store::speaker::SpeakerRow;
use crate::store::transcript::TranscriptRow;
use crate::store::verification::VerificationRow;
use crate::store::{meeting, minutes, part, segment, share, speaker, transcript, verification};

/// GraphQL type of this service's tasks.
pub const TASK_TYPENAME: &str = "TranscriptTask";
/// Name of cached transcripts in keys.
const TRANSCRIPT_KIND: &str = "transcript";

/// Name of the cached sections of minutes in keys.
const SECTIONS_KIND: &str = "transcript.sections";

/// The sections of minutes in the cache, by the minutes' id. Whoever writes a section drops them.
#[must_use]
pub fn sections(cache: &Cache) -> Kind<Vec<SectionRow>> {
    cache.kind(SECTIONS_KIND)
}

/// Complete transcripts in the cache.
#[must_use]
pub fn transcripts(cache: &Cache) -> Kind<TranscriptRow> {
    cache.kind(TRANSCRIPT_KIND)
}

/// A transcript by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ById(pub Uuid);
/// The id of a meeting's newest transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewestOfMeeting(pub Uuid);
/// The id of a task's transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OfTask(pub Uuid);
/// A segment by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentById(pub Uuid);
/// Minutes by their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MinutesById(pub Uuid);
/// A meeting's minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MinutesOfMeeting(pub Uuid);
/// A section by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SectionById(pub Uuid);
/// The sections of minutes in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SectionsOf(pub Uuid);
/// A page of a transcript's segments, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentsOf {
    /// The transcript.
    pub transcript: Uuid,
    /// The segment before the page.
    pub after: Option<Uuid>,
    /// Most segments.
    pub limit: i64,
}
/// A page of a segment's earlier revisions, the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionsOf {
    /// The segment.
    pub segment: Uuid,
    /// The revision before the page.
    pub after: Option<Uuid>,
    /// Most revisions.
    pub limit: i64,
}
/// A meeting's title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TitleOf(pub Uuid);
/// Whether a meeting's transcript is shared with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SharedWith {
    /// The meeting.
    pub meeting: Uuid,
    /// Who.
    pub user: Uuid,
}
/// What a task found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FoundBy(pub Uuid);
/// The speakers of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpeakersOf(pub Uuid);
/// The parts of a recording that aren't in this transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MissingOf(pub Uuid);
/// Where resolvers read from.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: PgPool,
    transcripts: Kind<TranscriptRow>,
    sections: Kind<Vec<SectionRow>>,
}

/// The loader of one request.
pub type Reads = DataLoader<Reader, HashMapCache>;

type Failure = Arc<sqlx::Error>;

impl Reader {
    /// A reader over the service's own database and cache.
    #[must_use]
    pub fn new(pool: PgPool, cache: &Cache) -> Self {
        Self { pool, transcripts: transcripts(cache), sections: sections(cache) }
    }

    /// A loader that lives as long as one request.
    #[must_use]
    pub fn for_request(&self) -> Reads {
        DataLoader::with_cache(self.clone(), tokio::spawn, HashMapCache::default())
    }
}

fn one<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

fn many<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut grouped: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        grouped.entry(key(&row)).or_default().push(row);
    }
    grouped
}

impl Loader<ById> for Reader {
    type Value = TranscriptRow;
    type Error = Failure;

    async fn load(&self, keys: &[ById]) -> Result<HashMap<ById, TranscriptRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        // Complete ones only are worth keeping: the others change with every segment.
        let load = async |missing: Vec<Uuid>| {
            transcript::completed(&self.pool, &missing).await.map(|rows| one(rows, |row| row.id))
        };
        let mut found = self.transcripts.get_many(&ids, load).await?;
        let running: Vec<Uuid> = ids.into_iter().filter(|id| !found.contains_key(id)).collect();
        if !running.is_empty() {
            found.extend(one(transcript::current(&self.pool, &running).await?, |row| row.id));
        }
        Ok(found.into_iter().map(|(id, row)| (ById(id), row)).collect())
    }
}

impl Loader<NewestOfMeeting> for Reader {
    type Value = Uuid;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[NewestOfMeeting],
    ) -> Result<HashMap<NewestOfMeeting, Uuid>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let links = transcript::newest_of_meetings(&self.pool, &ids).await?;
        Ok(links.into_iter().map(|link| (NewestOfMeeting(link.of), link.id)).collect())
    }
}

impl Loader<OfTask> for Reader {
    type Value = Uuid;
    type Error = Failure;

    async fn load(&self, keys: &[OfTask]) -> Result<HashMap<OfTask, Uuid>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let links = transcript::of_tasks(&self.pool, &ids).await?;
        Ok(links.into_iter().map(|link| (OfTask(link.of), link.id)).collect())
    }
}

impl Loader<MissingOf> for Reader {
    type Value = Vec<Missing>;
    type Error = Failure;

    async fn load(&self, keys: &[MissingOf]) -> Result<HashMap<MissingOf, Vec<Missing>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = part::of_transcripts(&self.pool, &ids).await?;
        let told = found.into_iter();
        Ok(told
            .map(|(id, (parts, never_came))| (MissingOf(id), missing(&parts, &never_came)))
            .collect())
    }
}

impl Loader<SegmentById> for Reader {
    type Value = SegmentRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[SegmentById],
    ) -> Result<HashMap<SegmentById, SegmentRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        Ok(one(segment::by_ids(&self.pool, &ids).await?, |row| SegmentById(row.id)))
    }
}

impl Loader<SegmentsOf> for Reader {
    type Value = Vec<SegmentRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[SegmentsOf],
    ) -> Result<HashMap<SegmentsOf, Vec<SegmentRow>>, Failure> {
        let transcripts: Vec<Uuid> = keys.iter().map(|key| key.transcript).collect();
        let after: Vec<Uuid> = keys.iter().map(|key| key.after.unwrap_or(Uuid::nil())).collect();
        let limits: Vec<i64> = keys.iter().map(|key| key.limit).collect();
        let mut pages: HashMap<SegmentsOf, Vec<SegmentRow>> = HashMap::new();
        for (place, row) in segment::pages(&self.pool, &transcripts, &after, &limits).await? {
            let key = usize::try_from(place).ok().and_then(|place| keys.get(place));
            if let Some(key) = key {
                pages.entry(*key).or_default().push(row);
            }
        }
        Ok(pages)
    }
}

impl Loader<RevisionsOf> for Reader {
    type Value = Vec<RevisionRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[RevisionsOf],
    ) -> Result<HashMap<RevisionsOf, Vec<RevisionRow>>, Failure> {
        let segments: Vec<Uuid> = keys.iter().map(|key| key.segment).collect();
        let after: Vec<Uuid> = keys.iter().map(|key| key.after.unwrap_or(Uuid::nil())).collect();
        let limits: Vec<i64> = keys.iter().map(|key| key.limit).collect();
        let mut pages: HashMap<RevisionsOf, Vec<RevisionRow>> = HashMap::new();
        for (place, row) in segment::revisions(&self.pool, &segments, &after, &limits).await? {
            let key = usize::try_from(place).ok().and_then(|place| keys.get(place));
            if let Some(key) = key {
                pages.entry(*key).or_default().push(row);
            }
        }
        Ok(pages)
    }
}

impl Loader<TitleOf> for Reader {
    type Value = String;
    type Error = Failure;

    async fn load(&self, keys: &[TitleOf]) -> Result<HashMap<TitleOf, String>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let titles = meeting::titles(&self.pool, &ids).await?;
        Ok(titles.into_iter().map(|(id, title)| (TitleOf(id), title)).collect())
    }
}

impl Loader<SharedWith> for Reader {
    type Value = ();
    type Error = Failure;

    async fn load(&self, keys: &[SharedWith]) -> Result<HashMap<SharedWith, ()>, Failure> {
        let (meetings, users): (Vec<Uuid>, Vec<Uuid>) =
            keys.iter().map(|key| (key.meeting, key.user)).unzip();
        let pairs = share::which(&self.pool, &meetings, &users).await?;
        Ok(pairs.into_iter().map(|(meeting, user)| (SharedWith { meeting, user }, ())).collect())
    }
}

impl Loader<FoundBy> for Reader {
    type Value = VerificationRow;
    type Error = Failure;

    async fn load(&self, keys: &[FoundBy]) -> Result<HashMap<FoundBy, VerificationRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = verification::of_tasks(&self.pool, &ids).await?;
        Ok(one(rows, |row| FoundBy(row.task_id)))
    }
}

impl Loader<SpeakersOf> for Reader {
    type Value = Vec<SpeakerRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[SpeakersOf],
    ) -> Result<HashMap<SpeakersOf, Vec<SpeakerRow>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = speaker::of_transcripts(&self.pool, &ids).await?;
        Ok(many(rows, |row| SpeakersOf(row.transcript_id)))
    }
}

impl Loader<MinutesById> for Reader {
    type Value = MinutesRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[MinutesById],
    ) -> Result<HashMap<MinutesById, MinutesRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        Ok(one(minutes::by_ids(&self.pool, &ids).await?, |row| MinutesById(row.id)))
    }
}

impl Loader<MinutesOfMeeting> for Reader {
    type Value = MinutesRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[MinutesOfMeeting],
    ) -> Result<HashMap<MinutesOfMeeting, MinutesRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = minutes::by_meetings(&self.pool, &ids).await?;
        Ok(one(rows, |row| MinutesOfMeeting(row.meeting_id)))
    }
}

impl Loader<SectionById> for Reader {
    type Value = SectionRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[SectionById],
    ) -> Result<HashMap<SectionById, SectionRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        Ok(one(minutes::sections_by_ids(&self.pool, &ids).await?, |row| SectionById(row.id)))
    }
}

impl Loader<SectionsOf> for Reader {
    type Value = Vec<SectionRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[SectionsOf],
    ) -> Result<HashMap<SectionsOf, Vec<SectionRow>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let load = async |missing: Vec<Uuid>| {
            let rows = minutes::sections_of(&self.pool, &missing).await?;
            Ok::<_, sqlx::Error>(many(rows, |row| row.minutes_id))
        };
        let found = self.sections.get_many(&ids, load).await?;
        Ok(found.into_iter().map(|(id, rows)| (SectionsOf(id), rows)).collect())
    }
}
