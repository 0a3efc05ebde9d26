//! Minutes and their sections.

use async_graphql::{Context, Enum, ID, Object, Result};
use platform::access::viewer_independent;
use platform::error::Internal as _;

use super::access::reads;
use super::loader::SectionsOf;
use crate::store::minutes::{MinutesRow, SectionRow};

/// How far minutes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum MinutesStatus {
    /// Made from the text, and still to be looked at by people.
    Draft,
    /// People agreed on them.
    Final,
}

/// Minutes that the asker may see.
#[derive(Debug, Clone)]
pub struct Minutes(pub MinutesRow);

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
        if self.0.status == "FINAL" { MinutesStatus::Final } else { MinutesStatus::Draft }
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

    /// Its lines: sentences that were said, most with the time in the recording. Empty when nothing
    /// that belongs here was said.
    #[graphql(directive = viewer_independent::apply())]
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Its place in the minutes, from 0.
    #[graphql(directive = viewer_independent::apply())]
    async fn ordinal(&self) -> i32 {
        self.0.ordinal
    }
}
