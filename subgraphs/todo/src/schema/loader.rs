//! What resolvers read, gathered: one statement per kind of key and request level.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use platform::page::FIRST_MAX;
use uuid::Uuid;

use crate::store::extraction::{self, ExtractionRow};
use crate::store::todo::{self, Statistics, TodoRow, Wanted};
use crate::todo::Todos;

/// How many of somebody's newest todos are read together: the longest page, and one more that says
/// whether there is another.
const NEWEST: i64 = FIRST_MAX as i64 + 1;

/// A todo by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TodoById(pub Uuid);
/// The todos that a task found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TodosOfTask(pub Uuid);
/// How the todos of a task were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtractionOfTask(pub Uuid);
/// A page of a meeting's todos.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TodosOfMeeting {
    /// The meeting.
    pub meeting: Uuid,
    /// Which of them.
    pub wanted: Arc<Wanted>,
    /// The todo before the page.
    pub after: Option<Uuid>,
    /// Most todos.
    pub limit: i64,
}
/// The newest todos that somebody is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewestOf(pub Uuid);
/// How many todos somebody has, by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatisticsOf(pub Uuid);

/// Where resolvers read from.
#[derive(Debug, Clone)]
pub struct Reader {
    todos: Todos,
}

/// The loader of one request.
pub type Reads = DataLoader<Reader, HashMapCache>;

type Failure = Arc<sqlx::Error>;

impl Reader {
    /// A reader over the service's own database and cache.
    #[must_use]
    pub fn new(todos: Todos) -> Self {
        Self { todos }
    }

    /// A loader that lives as long as one request.
    #[must_use]
    pub fn for_request(&self) -> Reads {
        DataLoader::with_cache(self.clone(), tokio::spawn, HashMapCache::default())
    }
}

impl Loader<TodoById> for Reader {
    type Value = TodoRow;
    type Error = Failure;

    async fn load(&self, keys: &[TodoById]) -> Result<HashMap<TodoById, TodoRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = todo::by_ids(self.todos.pool(), &ids).await?;
        Ok(rows.into_iter().map(|row| (TodoById(row.id), row)).collect())
    }
}

impl Loader<TodosOfTask> for Reader {
    type Value = Vec<TodoRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[TodosOfTask],
    ) -> Result<HashMap<TodosOfTask, Vec<TodoRow>>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let mut grouped: HashMap<TodosOfTask, Vec<TodoRow>> = HashMap::new();
        for row in todo::of_tasks(self.todos.pool(), &ids).await? {
            if let Some(task) = row.task_id {
                grouped.entry(TodosOfTask(task)).or_default().push(row);
            }
        }
        Ok(grouped)
    }
}

impl Loader<ExtractionOfTask> for Reader {
    type Value = ExtractionRow;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[ExtractionOfTask],
    ) -> Result<HashMap<ExtractionOfTask, ExtractionRow>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = extraction::of_tasks(self.todos.pool(), &ids).await?;
        Ok(rows.into_iter().map(|row| (ExtractionOfTask(row.task_id), row)).collect())
    }
}

impl Loader<TodosOfMeeting> for Reader {
    type Value = Vec<TodoRow>;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[TodosOfMeeting],
    ) -> Result<HashMap<TodosOfMeeting, Vec<TodoRow>>, Failure> {
        // Almost always one kind of page for all meetings; others are asked for one by one.
        let mut kinds: HashMap<(Arc<Wanted>, Option<Uuid>, i64), Vec<Uuid>> = HashMap::new();
        for key in keys {
            let kind = (Arc::clone(&key.wanted), key.after, key.limit);
            kinds.entry(kind).or_default().push(key.meeting);
        }
        let mut pages: HashMap<TodosOfMeeting, Vec<TodoRow>> = HashMap::new();
        for ((wanted, after, limit), meetings) in kinds {
            let starts = vec![after.unwrap_or(Uuid::nil()); meetings.len()];
            let limits = vec![limit; meetings.len()];
            let pool = self.todos.pool();
            for row in todo::of_meetings(pool, &meetings, &wanted, &starts, &limits).await? {
                if let Some(meeting) = row.meeting_id {
                    let wanted = Arc::clone(&wanted);
                    let key = TodosOfMeeting { meeting, wanted, after, limit };
                    pages.entry(key).or_default().push(row);
                }
            }
        }
        Ok(pages)
    }
}

impl Loader<NewestOf> for Reader {
    type Value = Vec<TodoRow>;
    type Error = Failure;

    async fn load(&self, keys: &[NewestOf]) -> Result<HashMap<NewestOf, Vec<TodoRow>>, Failure> {
        let people: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let load =
            async |missing: Vec<Uuid>| todo::newest_of(self.todos.pool(), &missing, NEWEST).await;
        let newest = self.todos.cached_newest().get_many(&people, load).await?;
        Ok(newest.into_iter().map(|(who, rows)| (NewestOf(who), rows)).collect())
    }
}

impl Loader<StatisticsOf> for Reader {
    type Value = Statistics;
    type Error = Failure;

    async fn load(
        &self,
        keys: &[StatisticsOf],
    ) -> Result<HashMap<StatisticsOf, Statistics>, Failure> {
        let people: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let load =
            async |missing: Vec<Uuid>| todo::statistics_of(self.todos.pool(), &missing).await;
        let all = self.todos.cached_statistics().get_many(&people, load).await?;
        Ok(all.into_iter().map(|(who, statistics)| (StatisticsOf(who), statistics)).collect())
    }
}
