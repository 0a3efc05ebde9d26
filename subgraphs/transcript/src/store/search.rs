//! Full-text search.

use sqlx::PgPool;
use uuid::Uuid;

use super::segment::SegmentRow;
use crate::domain::search::{Query, WORDS_MAX};

/// A page of the segments in which all words are found, of what somebody may read, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn segments(
    pool: &PgPool,
    viewer: Uuid,
    query: &Query,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SegmentRow>, sqlx::Error> {
    let [a, b, c, d, e]: [String; WORDS_MAX] = query.patterns();
    sqlx::query_file_as!(SegmentRow, "src/store/search.sql", viewer, a, b, c, d, e, after, limit)
        .fetch_all(pool)
        .await
}
