//! Templates of people's own: made, changed and deleted by their owners, and used by nobody else.

use chrono::Utc;
use platform::{departure, idempotency::Once};
use sqlx::{PgConnection, Postgres, Transaction, types::Json};
use uuid::Uuid;

use crate::{
    domain::{
        plan::{check_agenda, check_title},
        refusal::Refusal,
        template::{MAX_TEMPLATES, check_description, check_name, check_sections},
    },
    error::MeetingError,
    events,
    meeting::Meetings,
    store::template::{self, TemplateRecord},
};

/// What somebody says of a template; when it is changed, `None` stays as it is, and an empty text is none.
#[derive(Debug, Default)]
pub struct Draft {
    /// Display name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Title of meetings that name none.
    pub title: Option<String>,
    /// Agenda of meetings that name none.
    pub agenda: Option<String>,
    /// Keys, if chosen, and titles of the sections.
    pub sections: Option<Vec<(Option<String>, String)>>,
}

impl Draft {
    /// Writes what is said into a template.
    fn apply(self, template: &mut TemplateRecord) -> Result<(), Refusal> {
        if let Some(name) = self.name {
            template.name = check_name(&name)?;
        }
        if let Some(text) = self.description {
            template.description = check_description(&text)?;
        }
        if let Some(title) = self.title {
            let given = !title.trim().is_empty();
            template.title = given.then(|| check_title(&title)).transpose()?;
        }
        if let Some(agenda) = self.agenda {
            template.agenda = check_agenda(Some(&agenda))?;
        }
        if let Some(sections) = self.sections {
            template.sections = Json(check_sections(&sections)?);
        }
        Ok(())
    }
}

impl Meetings {
    /// Makes a template of somebody's own.
    ///
    /// # Errors
    /// [`MeetingError`]; refusals name the field to mend.
    pub async fn create_template(
        &self,
        once: Once<'_>,
        draft: Draft,
    ) -> Result<TemplateRecord, MeetingError> {
        let viewer = once.viewer();
        let mut new = TemplateRecord {
            id: Uuid::now_v7(),
            owner_id: viewer,
            name: String::new(),
            description: None,
            title: None,
            agenda: None,
            sections: Json(Vec::new()),
            version: 1,
            created_at: Utc::now(),
        };
        draft.apply(&mut new)?;
        let mut tx = departure::begin(self.pool(), viewer).await?;
        if let Some(earlier) = once.answer(&mut tx, new.id).await? {
            let made = template::lock(&mut tx, viewer, earlier).await?;
            return Ok(made.ok_or(Refusal::TemplateNotFound)?);
        }
        if template::count(&mut tx, viewer).await? >= MAX_TEMPLATES as i64 {
            return Err(Refusal::TooManyTemplates.into());
        }
        template::insert(&mut tx, &new).await?;
        self.tell_template(&mut tx, &new, "CREATED").await?;
        self.commit_template(tx, viewer).await?;
        Ok(new)
    }

    /// Changes a template of somebody's own. Meetings that follow it stay as they are.
    ///
    /// # Errors
    /// [`MeetingError`]; `VERSION_CONFLICT` when it was changed since they saw it.
    pub async fn update_template(
        &self,
        once: Once<'_>,
        id: &str,
        version: i32,
        draft: Draft,
    ) -> Result<TemplateRecord, MeetingError> {
        let (viewer, id) = (once.viewer(), parsed(id)?);
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let own = template::lock(&mut tx, viewer, id).await?;
        let mut own = own.ok_or(Refusal::TemplateNotFound)?;
        if once.of(id).is_repeated(&mut tx).await? {
            return Ok(own);
        }
        check_version(&own, Some(version))?;
        let before = own.clone();
        draft.apply(&mut own)?;
        if own != before {
            own.version += 1;
            template::update(&mut tx, &own).await?;
            self.tell_template(&mut tx, &own, "UPDATED").await?;
        }
        self.commit_template(tx, viewer).await?;
        Ok(own)
    }

    /// Deletes a template of somebody's own, and gives what it was; `None` when the same request did so before.
    /// Meetings that follow it stay as they are.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn delete_template(
        &self,
        once: Once<'_>,
        id: &str,
        version: Option<i32>,
    ) -> Result<Option<TemplateRecord>, MeetingError> {
        let (viewer, id) = (once.viewer(), parsed(id)?);
        let mut tx = departure::begin(self.pool(), viewer).await?;
        let own = template::lock(&mut tx, viewer, id).await?;
        if once.of(id).is_repeated(&mut tx).await? {
            return Ok(None);
        }
        let own = own.ok_or(Refusal::TemplateNotFound)?;
        check_version(&own, version)?;
        template::delete(&mut tx, own.id).await?;
        self.tell_template(&mut tx, &own, "DELETED").await?;
        self.commit_template(tx, viewer).await?;
        Ok(Some(own))
    }

    /// Deletes all templates of somebody whose account is deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn forget_templates(
        &self,
        tx: &mut PgConnection,
        owner: Uuid,
    ) -> Result<(), sqlx::Error> {
        for gone in template::forget(tx, owner).await? {
            self.tell_template(tx, &gone, "DELETED").await?;
        }
        Ok(())
    }

    async fn tell_template(
        &self,
        tx: &mut PgConnection,
        template: &TemplateRecord,
        change: &'static str,
    ) -> Result<(), sqlx::Error> {
        let keys = vec![self.cached_templates().key(template.owner_id)];
        self.kernel.outbox.append(tx, events::template(template, change, keys)).await?;
        Ok(())
    }

    async fn commit_template(
        &self,
        tx: Transaction<'_, Postgres>,
        owner: Uuid,
    ) -> Result<(), sqlx::Error> {
        tx.commit().await?;
        self.kernel.cache.invalidate(&[self.cached_templates().key(owner)]).await;
        self.kernel.outbox.wake();
        Ok(())
    }
}

fn parsed(id: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(id).map_err(|_| Refusal::TemplateNotFound)
}

/// Refuses who saw another version.
fn check_version(own: &TemplateRecord, seen: Option<i32>) -> Result<(), Refusal> {
    match seen.is_some_and(|seen| seen != own.version) {
        true => Err(Refusal::VersionConflict),
        false => Ok(()),
    }
}
