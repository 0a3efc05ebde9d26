//! Todos.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{priority::Priority, status::Status};

/// A todo as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TodoRow {
    /// The todo.
    pub id: Uuid,
    /// The meeting that it belongs to; none: somebody's own.
    pub meeting_id: Option<Uuid>,
    /// What is to be done.
    pub title: String,
    /// The same at length.
    pub description: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Who is to do it.
    pub assignee_id: Option<Uuid>,
    /// Who made it; none: found in a text.
    pub created_by: Option<Uuid>,
    /// By when.
    pub due_at: Option<DateTime<Utc>>,
    /// How pressing it is.
    pub priority: Priority,
    /// The segments that it comes from.
    pub evidence: Vec<Uuid>,
    /// The task that found it.
    pub task_id: Option<Uuid>,
    /// Rises with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Writes a new todo: version and times are the database's.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut PgConnection, new: &TodoRow) -> Result<TodoRow, sqlx::Error> {
    sqlx::query_as!(
        TodoRow,
        "INSERT INTO todo (id, meeting_id, title, description, status, assignee_id, created_by,
                           due_at, priority, evidence, task_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         RETURNING *",
        new.id,
        new.meeting_id,
        new.title,
        new.description,
        new.status.as_str(),
        new.assignee_id,
        new.created_by,
        new.due_at,
        new.priority.as_str(),
        &new.evidence,
        new.task_id,
    )
    .fetch_one(tx)
    .await
}

/// Writes what can change of a todo, one version higher. Lock it first.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut PgConnection, row: &TodoRow) -> Result<TodoRow, sqlx::Error> {
    sqlx::query_as!(
        TodoRow,
        "UPDATE todo SET title = $2, description = $3, status = $4, assignee_id = $5, due_at = $6,
                priority = $7, version = version + 1, updated_at = now()
         WHERE id = $1 RETURNING *",
        row.id,
        row.title,
        row.description,
        row.status.as_str(),
        row.assignee_id,
        row.due_at,
        row.priority.as_str(),
    )
    .fetch_one(tx)
    .await
}

/// Reads a todo and locks it until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Option<TodoRow>, sqlx::Error> {
    sqlx::query_as!(TodoRow, "SELECT * FROM todo WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(tx)
        .await
}

/// The todos with these ids.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<TodoRow>, sqlx::Error> {
    sqlx::query_as!(TodoRow, "SELECT * FROM todo WHERE id = ANY($1)", ids).fetch_all(pool).await
}

/// The todos that these tasks found, each task's in the order of the text.
///
/// # Errors
/// When the database fails.
pub async fn of_tasks(pool: &PgPool, tasks: &[Uuid]) -> Result<Vec<TodoRow>, sqlx::Error> {
    sqlx::query_as!(TodoRow, "SELECT * FROM todo WHERE task_id = ANY($1) ORDER BY id", tasks)
        .fetch_all(pool)
        .await
}

/// Which todos are meant. Everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Where they stand: one of these.
    pub statuses: Option<Vec<Status>>,
    /// How pressing they are: one of these.
    pub priorities: Option<Vec<Priority>>,
    /// Due before this moment.
    pub due_before: Option<DateTime<Utc>>,
}

/// Names as the database has them.
type Names = Option<Vec<&'static str>>;

impl Wanted {
    fn names(&self) -> (Names, Names) {
        let statuses = self.statuses.as_ref();
        let priorities = self.priorities.as_ref();
        (
            statuses.map(|some| some.iter().map(|one| one.as_str()).collect()),
            priorities.map(|some| some.iter().map(|one| one.as_str()).collect()),
        )
    }
}

/// Pages of the todos of several meetings at once, oldest first: the three slices belong together by
/// place; `after` of the nil id begins at the first one.
///
/// # Errors
/// When the database fails.
pub async fn of_meetings(
    pool: &PgPool,
    meetings: &[Uuid],
    wanted: &Wanted,
    after: &[Uuid],
    limits: &[i64],
) -> Result<Vec<TodoRow>, sqlx::Error> {
    let (statuses, priorities) = wanted.names();
    sqlx::query_as!(
        TodoRow,
        r#"SELECT t.* FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
                WITH ORDINALITY AS page (meeting_id, after_id, size, place)
           CROSS JOIN LATERAL (
               SELECT * FROM todo
               WHERE meeting_id = page.meeting_id AND id > page.after_id
                 AND ($4::text[] IS NULL OR status = ANY($4))
                 AND ($5::text[] IS NULL OR priority = ANY($5))
                 AND ($6::timestamptz IS NULL OR due_at < $6)
               ORDER BY id LIMIT page.size
           ) t
           ORDER BY page.place, t.id"#,
        meetings,
        after,
        limits,
        statuses.as_deref() as Option<&[&str]>,
        priorities.as_deref() as Option<&[&str]>,
        wanted.due_before,
    )
    .fetch_all(pool)
    .await
}

/// A page of the wanted ones of the todos that somebody is to do, newest first.
///
/// # Errors
/// When the database fails.
pub async fn of_assignee(
    pool: &PgPool,
    assignee: Uuid,
    wanted: &Wanted,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TodoRow>, sqlx::Error> {
    let (statuses, priorities) = wanted.names();
    sqlx::query_as!(
        TodoRow,
        "SELECT * FROM todo
         WHERE assignee_id = $1 AND ($2::uuid IS NULL OR id < $2)
           AND ($4::text[] IS NULL OR status = ANY($4))
           AND ($5::text[] IS NULL OR priority = ANY($5))
           AND ($6::timestamptz IS NULL OR due_at < $6)
         ORDER BY id DESC LIMIT $3",
        assignee,
        after,
        limit,
        statuses.as_deref() as Option<&[&str]>,
        priorities.as_deref() as Option<&[&str]>,
        wanted.due_before,
    )
    .fetch_all(pool)
    .await
}

/// The newest todos that each of these people is to do, up to `limit` each; who has none has an empty
/// list.
///
/// # Errors
/// When the database fails.
pub async fn newest_of(
    pool: &PgPool,
    assignees: &[Uuid],
    limit: i64,
) -> Result<HashMap<Uuid, Vec<TodoRow>>, sqlx::Error> {
    let rows = sqlx::query_as!(
        TodoRow,
        r#"SELECT t.* FROM unnest($1::uuid[]) AS owner (id)
           CROSS JOIN LATERAL (
               SELECT * FROM todo WHERE assignee_id = owner.id ORDER BY id DESC LIMIT $2
           ) t
           ORDER BY t.id DESC"#,
        assignees,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let mut newest: HashMap<Uuid, Vec<TodoRow>> =
        assignees.iter().map(|assignee| (*assignee, Vec::new())).collect();
    for row in rows {
        if let Some(of) = row.assignee_id.and_then(|assignee| newest.get_mut(&assignee)) {
            of.push(row);
        }
    }
    Ok(newest)
}

/// How many todos somebody has, by where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Not agreed to yet.
    pub proposed: i64,
    /// To be done.
    pub open: i64,
    /// Being done.
    pub in_progress: i64,
    /// Done.
    pub done: i64,
    /// Not wanted any more.
    pub cancelled: i64,
}

/// The statistics of each of these people.
///
/// # Errors
/// When the database fails.
pub async fn statistics_of(
    pool: &PgPool,
    assignees: &[Uuid],
) -> Result<HashMap<Uuid, Statistics>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT assignee_id AS "assignee_id!",
                  count(*) FILTER (WHERE status = 'PROPOSED') AS "proposed!",
                  count(*) FILTER (WHERE status = 'OPEN') AS "open!",
                  count(*) FILTER (WHERE status = 'IN_PROGRESS') AS "in_progress!",
                  count(*) FILTER (WHERE status = 'DONE') AS "done!",
                  count(*) FILTER (WHERE status = 'CANCELLED') AS "cancelled!"
           FROM todo WHERE assignee_id = ANY($1) GROUP BY assignee_id"#,
        assignees,
    )
    .fetch_all(pool)
    .await?;
    let none = assignees.iter().map(|assignee| (*assignee, Statistics::default()));
    let mut all: HashMap<Uuid, Statistics> = none.collect();
    all.extend(rows.into_iter().map(|row| {
        let statistics = Statistics {
            proposed: row.proposed,
            open: row.open,
            in_progress: row.in_progress,
            done: row.done,
            cancelled: row.cancelled,
        };
        (row.assignee_id, statistics)
    }));
    Ok(all)
}

/// How many todos of a meeting are done, and how many there are: open, in progress or done.
///
/// # Errors
/// When the database fails.
pub async fn progress(tx: &mut PgConnection, meeting: Uuid) -> Result<(i64, i64), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE status = 'DONE') AS "done!",
                  count(*) FILTER (WHERE status IN ('OPEN', 'IN_PROGRESS', 'DONE')) AS "total!"
           FROM todo WHERE meeting_id = $1"#,
        meeting,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.done, row.total))
}

/// Deletes up to `limit` of somebody's own todos; gives how many there were.
///
/// # Errors
/// When the database fails.
pub async fn delete_own(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        "DELETE FROM todo
         WHERE id IN (SELECT id FROM todo WHERE meeting_id IS NULL AND created_by = $1 LIMIT $2)
         RETURNING id",
        user,
        limit,
    );
    Ok(gone.fetch_all(tx).await?.len())
}

/// Takes somebody's name off up to `limit` todos of meetings; gives who else is to do each.
///
/// # Errors
/// When the database fails.
pub async fn forget(
    tx: &mut PgConnection,
    user: Uuid,
    limit: i64,
) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE todo SET assignee_id = NULLIF(assignee_id, $1), created_by = NULLIF(created_by, $1),
                version = version + 1, updated_at = now()
         WHERE id IN (SELECT id FROM todo WHERE assignee_id = $1 OR created_by = $1 LIMIT $2)
         RETURNING assignee_id",
        user,
        limit,
    )
    .fetch_all(tx)
    .await
}
