//! Minutes and their sections.

use async_graphql::{Context, Enum, ID, Object, Result};
use chrono::{DateTime, Utc};
use platform::access::viewer_independent;
use platform::error::Internal as _;
use uuid::Uuid;

use super::access::reads;
use super::loader::{MinutesById, SectionsOf};
use super::user::User;
use crate::store::minutes::{MinutesRow, SectionRow};

/// How far minutes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum MinutesStatus {
    /// Made from the text, and still to be looked at by people.
    Draft,
    /// All sections are verified and locked.
    Final,
}

impl MinutesStatus {
    /// How far these are.
    #[must_use]
    pub fn of(minutes: &MinutesRow) -> Self {
        if minutes.status == "FINAL" { Self::Final } else { Self::Draft }
    }
}

/// Minutes that the asker may see.
#[derive(Debug, Clone)]
pub struct Minutes(pub MinutesRow);

impl Minutes {
    /// The minutes with this id, for those of whom it is known that they may see them.
    ///
    /// # Errors
    /// Inner ones, masked.
    pub(super) async fn by_id(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(reads(ctx)?.load_one(MinutesById(id)).await.internal()?.map(Self))
    }
}

/// What a meeting came to, in the sections of its template.
#[Object]
impl Minutes {
    /// Id of the minutes.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// How far they are.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> MinutesStatus {
        MinutesStatus::of(&self.0)
    }

    /// Rises with every change of the minutes or of a section of theirs.
    #[graphql(directive = viewer_independent::apply())]
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When the last section was verified; null while they are a draft.
    #[graphql(directive = viewer_independent::apply())]
    async fn finalised_at(&self) -> Option<DateTime<Utc>> {
        self.0.finalised_at
    }

    /// The sections in the template's order.
    #[graphql(directive = viewer_independent::apply())]
    async fn sections(&self, ctx: &Context<'_>) -> Result<Vec<MinutesSection>> {
        let rows = reads(ctx)?.load_one(SectionsOf(self.0.id)).await.internal()?;
        Ok(rows.unwrap_or_default().into_iter().map(MinutesSection).collect())
    }
}

/// A section that the asker may see.
#[derive(Debug, Clone)]
pub struct MinutesSection(pub SectionRow);

/// A section of minutes.
#[Object]
impl MinutesSection {
    /// Id of the section.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its title, from the template.
    #[graphql(directive = viewer_independent::apply())]
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Its lines. As drafted: sentences that were said, most with the time in the recording; empty when
    /// nothing that belongs here was said.
    #[graphql(directive = viewer_independent::apply())]
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Its place in the minutes, from 0.
    #[graphql(directive = viewer_independent::apply())]
    async fn ordinal(&self) -> i32 {
        self.0.ordinal
    }

    /// Rises with every change; give it to a mutation of the section, so that nobody's change gets lost.
    #[graphql(directive = viewer_independent::apply())]
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was verified; from then on it is locked. Null while it can be changed.
    #[graphql(directive = viewer_independent::apply())]
    async fn verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.verified_at
    }

    /// Who verified it; null also when the account is gone.
    #[graphql(directive = viewer_independent::apply())]
    async fn verified_by(&self) -> Option<User> {
        self.0.verified_by.map(User::from)
    }

    /// When somebody last changed its words; null: as drafted.
    #[graphql(directive = viewer_independent::apply())]
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }

    /// Who did; null also when the account is gone.
    #[graphql(directive = viewer_independent::apply())]
    async fn edited_by(&self) -> Option<User> {
        self.0.edited_by.map(User::from)
    }
}
