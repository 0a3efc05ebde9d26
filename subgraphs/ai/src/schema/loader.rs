//! What resolvers read, gathered: one statement per kind of key and request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::kind::Kind;
use crate::store::analysis::{self, AnalysisRow, PartRow};
use crate::store::insight::{self, InsightRow};

/// What was found, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsightById(pub Uuid);
/// What was found in a meeting's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsightOf {
    /// The meeting.
    pub meeting: Uuid,
    /// What it is.
    pub kind: Kind,
}

/// An analysis over several meetings, finished or not, with all of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnalysisById(pub Uuid);

/// Where resolvers read from.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: PgPool,
}

/// The loader of one request.
pub type Reads = DataLoader<Reader, HashMapCache>;

type Failure = Arc<sqlx::Error>;

impl Reader {
    /// A reader over the service's own database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// A loader that lives as long as one request.
    #[must_use]
    pub fn for_request(&self) -> Reads {
        DataLoader::with_cache(self.clone(), tokio::spawn, HashMapCache::default())
    }
}

impl Loader<InsightById> for Reader {
    type Value = InsightRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[InsightById],
    ) -> Result<HashMap<InsightById, InsightRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = insight::by_ids(&self.pool, &ids).await?;
        Ok(rows.into_iter().map(|row| (InsightById(row.id), row)).collect())
    }
}

impl Loader<InsightOf> for Reader {
    type Value = InsightRow;
    type Error = Failure;

    async fn load(&self, keys: &[InsightOf]) -> Result<HashMap<InsightOf, InsightRow>, Failure> {
        let mut meetings: Vec<Uuid> = keys.iter().map(|key| key.meeting).collect();
        meetings.sort_unstable();
        meetings.dedup();
        let rows = insight::of_meetings(&self.pool, &meetings).await?;
        let key = |row: &InsightRow| InsightOf { meeting: row.meeting_id, kind: row.kind };
        Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
    }
}

impl Loader<AnalysisById> for Reader {
    type Value = (AnalysisRow, Vec<PartRow>);
    type Error = Failure;

    async fn load(
        &self,
        keys: &[AnalysisById],
    ) -> Result<HashMap<AnalysisById, Self::Value>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = analysis::by_ids(&self.pool, &ids).await?;
        let mut parts: HashMap<Uuid, Vec<PartRow>> = HashMap::new();
        for part in analysis::parts(&self.pool, &ids).await? {
            parts.entry(part.analysis_id).or_default().push(part);
        }
        let with_parts = |row: AnalysisRow| {
            let parts = parts.remove(&row.id).unwrap_or_default();
            (AnalysisById(row.id), (row, parts))
        };
        Ok(rows.into_iter().map(with_parts).collect())
    }
}
