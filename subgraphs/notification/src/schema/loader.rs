//! What resolvers read, gathered: one statement per kind of key and request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use sqlx::PgPool;
use uuid::Uuid;

use crate::store::notification::{self, NotificationRow};
use crate::store::recipient::{self, Recipient};

/// A notification by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotificationById(pub Uuid);
/// What the address book says of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Known(pub Uuid);

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

impl Loader<NotificationById> for Reader {
    type Value = NotificationRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[NotificationById],
    ) -> Result<HashMap<NotificationById, NotificationRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = notification::by_ids(&self.pool, &ids).await?;
        Ok(rows.into_iter().map(|row| (NotificationById(row.id), row)).collect())
    }
}

impl Loader<Known> for Reader {
    type Value = Arc<Recipient>;
    type Error = Failure;

    async fn load(&self, keys: &[Known]) -> Result<HashMap<Known, Arc<Recipient>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let mut connection = self.pool.acquire().await?;
        let known = recipient::by_ids(&mut connection, &ids).await?;
        Ok(known.into_iter().map(|one| (Known(one.user_id), Arc::new(one))).collect())
    }
}
