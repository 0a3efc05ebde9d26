//! Full-text search.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use platform::error::{ApiError, Internal as _};
use platform::identity::Identity;
use platform::page::{Connection, Page};
use sqlx::PgPool;

use super::transcript::Segment;
use crate::domain::search::{Fragment, Query};
use crate::store::search;
use crate::store::segment::SegmentRow;

/// A segment in which all words were found, and that the asker may see.
#[derive(Debug, Clone)]
pub struct TranscriptHit {
    row: SegmentRow,
    excerpt: Vec<ExcerptFragment>,
}

/// A place in a text where something was found.
#[Object]
impl TranscriptHit {
    /// Id of the meeting in which it was said.
    async fn meeting_id(&self) -> ID {
        self.row.meeting_id.into()
    }

    /// The segment.
    async fn segment(&self) -> Segment {
        Segment(self.row.clone())
    }

    /// The words around the first place, in parts: those that were searched for, and those between them.
    async fn excerpt(&self) -> &[ExcerptFragment] {
        &self.excerpt
    }
}

/// Part of an excerpt. It is text, not markup.
#[derive(Debug, Clone, SimpleObject)]
pub struct ExcerptFragment {
    /// Its words.
    pub text: String,
    /// Whether it is what was searched for.
    pub is_hit: bool,
}

impl From<Fragment> for ExcerptFragment {
    fn from(fragment: Fragment) -> Self {
        Self { text: fragment.text, is_hit: fragment.is_hit }
    }
}

/// Searches that can be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchQuery;

#[Object]
impl SearchQuery {
    /// What was said in the meetings that the viewer takes part in, or that are shared with them, as it was
    /// last edited: the segments that hold all of the words, whatever their case, the latest first.
    async fn search_transcripts(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "1 to 5 words or parts of words, at most 100 characters; one of at least two Korean syllables or three letters."
        )]
        query: String,
        #[graphql(desc = "How many hits, at most 100 (20 when it isn't given).")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor of the hit after which to begin.")] after: Option<String>,
    ) -> Result<Connection<TranscriptHit>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let page = Page::new(first, after.as_deref())?;
        let query = Query::parse(&query)
            .map_err(|bad| ApiError::bad_input(bad.to_string()).into_graphql())?;
        let pool = ctx.data::<PgPool>()?;
        let rows = search::segments(pool, viewer, &query, page.after, page.limit()).await;
        let hits = rows.internal()?.into_iter().map(|row| {
            let excerpt = query.excerpt(&row.text).into_iter().map(ExcerptFragment::from).collect();
            TranscriptHit { row, excerpt }
        });
        Ok(Connection::new(page, hits.collect(), |hit: &TranscriptHit| hit.row.id))
    }
}
