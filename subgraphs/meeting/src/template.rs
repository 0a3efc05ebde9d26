//! Templates of people's own: made, changed and deleted by their owners, and used by nobody else.

use chrono::Utc;
use platform::{
    departure,
    idempotency::{self, Claim},
};
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
    meeting::{Meetings, check_key},
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
        viewer: Uuid,
        draft: Draft,
        key: Option<&str>,
    ) -> Result<TemplateRecord, MeetingError> {
        let key = check_key(key)?;
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
        let mut tx = self.kernel.pool.begin().await?;
        if departure::has_gone(&mut tx, viewer).await? {
            return Err(Refusal::NoAccount.into());
        }
        if let Some(key) = key
            && let Claim::Answered(answer) =
                idempotency::claim(&mut tx, viewer, "createMeetingTemplate", key, new.id).await?
        {
            let made = template::lock(&mut tx, viewer, answer).await?;
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
        viewer: Uuid,
        id: &str,
        version: i32,
        draft: Draft,
    ) -> Result<TemplateRecord, MeetingError> {
        let mut tx = self.kernel.pool.begin().await?;
        let mut own = self.lock_template(&mut tx, viewer, id, Some(version)).await?;
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

    /// Deletes a template of somebody's own. Meetings that follow it stay as they are.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn delete_template(
        &self,
        viewer: Uuid,
        id: &str,
        version: Option<i32>,
    ) -> Result<TemplateRecord, MeetingError> {
        let mut tx = self.kernel.pool.begin().await?;
        let own = self.lock_template(&mut tx, viewer, id, version).await?;
        template::delete(&mut tx, own.id).await?;
        self.tell_template(&mut tx, &own, "DELETED").await?;
        self.commit_template(tx, viewer).await?;
        Ok(own)
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

    async fn lock_template(
        &self,
        tx: &mut PgConnection,
        viewer: Uuid,
        id: &str,
        version: Option<i32>,
    ) -> Result<TemplateRecord, MeetingError> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::TemplateNotFound)?;
        let own = template::lock(tx, viewer, id).await?.ok_or(Refusal::TemplateNotFound)?;
        if version.is_some_and(|seen| seen != own.version) {
            return Err(Refusal::VersionConflict.into());
        }
        Ok(own)
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
