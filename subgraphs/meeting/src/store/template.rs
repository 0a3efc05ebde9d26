//! Templates of people's own.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use crate::domain::template::{Outline, OwnSection};

/// A template of somebody's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRecord {
    /// The template's id.
    pub id: Uuid,
    /// Whose it is.
    pub owner_id: Uuid,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Title of meetings that name none.
    pub title: Option<String>,
    /// Agenda of meetings that name none.
    pub agenda: Option<String>,
    /// Its sections in order.
    pub sections: Json<Vec<OwnSection>>,
    /// Rises with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl TemplateRecord {
    /// What a meeting keeps of it.
    #[must_use]
    pub fn outline(&self) -> Outline {
        Outline {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            version: self.version,
            sections: self.sections.0.clone(),
        }
    }
}

/// How many templates somebody has; nobody else adds one of theirs until the transaction ends.
///
/// # Errors
/// Whatever the database answers.
pub async fn count(conn: &mut PgConnection, owner_id: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('template:' || $1::uuid, 0)) AS "lock!: ()""#,
        owner_id
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM template WHERE owner_id = $1"#,
        owner_id
    )
    .fetch_one(conn)
    .await
}

/// Writes a new template.
///
/// # Errors
/// Whatever the database answers.
pub async fn insert(conn: &mut PgConnection, new: &TemplateRecord) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO template (id, owner_id, name, description, title, agenda, sections, version,
                               created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id,
        new.owner_id,
        new.name,
        new.description,
        new.title,
        new.agenda,
        Json(&new.sections.0) as _,
        new.version,
        new.created_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads somebody's template and locks it until the transaction ends; `None` when they have no such.
///
/// # Errors
/// Whatever the database answers.
pub async fn lock(
    conn: &mut PgConnection,
    owner_id: Uuid,
    id: Uuid,
) -> Result<Option<TemplateRecord>, sqlx::Error> {
    sqlx::query_as!(
        TemplateRecord,
        r#"SELECT id, owner_id, name, description, title, agenda,
                  sections AS "sections: Json<Vec<OwnSection>>", version, created_at
           FROM template WHERE owner_id = $1 AND id = $2 FOR UPDATE"#,
        owner_id,
        id
    )
    .fetch_optional(conn)
    .await
}

/// Writes what can change of a template, its version among it. Lock it first.
///
/// # Errors
/// Whatever the database answers.
pub async fn update(conn: &mut PgConnection, template: &TemplateRecord) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE template SET name = $2, description = $3, title = $4, agenda = $5, sections = $6,
                version = $7
         WHERE id = $1",
        template.id,
        template.name,
        template.description,
        template.title,
        template.agenda,
        Json(&template.sections.0) as _,
        template.version,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a template.
///
/// # Errors
/// Whatever the database answers.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM template WHERE id = $1", id).execute(conn).await?;
    Ok(())
}

/// Deletes all templates of somebody; gives them, in the order of their ids.
///
/// # Errors
/// Whatever the database answers.
pub async fn forget(
    conn: &mut PgConnection,
    owner_id: Uuid,
) -> Result<Vec<TemplateRecord>, sqlx::Error> {
    let mut gone = sqlx::query_as!(
        TemplateRecord,
        r#"DELETE FROM template WHERE owner_id = $1
           RETURNING id, owner_id, name, description, title, agenda,
                     sections AS "sections: Json<Vec<OwnSection>>", version, created_at"#,
        owner_id
    )
    .fetch_all(conn)
    .await?;
    gone.sort_unstable_by_key(|template| template.id);
    Ok(gone)
}

/// The templates of these people, oldest first; somebody who has none is there with none.
///
/// # Errors
/// Whatever the database answers.
pub async fn by_owners(
    pool: &PgPool,
    owners: &[Uuid],
) -> Result<HashMap<Uuid, Vec<TemplateRecord>>, sqlx::Error> {
    let rows = sqlx::query_as!(
        TemplateRecord,
        r#"SELECT id, owner_id, name, description, title, agenda,
                  sections AS "sections: Json<Vec<OwnSection>>", version, created_at
           FROM template WHERE owner_id = ANY($1) ORDER BY id"#,
        owners
    )
    .fetch_all(pool)
    .await?;
    let mut found: HashMap<Uuid, Vec<TemplateRecord>> =
        owners.iter().map(|owner| (*owner, Vec::new())).collect();
    for row in rows {
        found.entry(row.owner_id).or_default().push(row);
    }
    Ok(found)
}
