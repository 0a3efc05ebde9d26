//! SQL and nothing else. Lookups of many take `= ANY($1)`: one statement for a whole request.

pub mod analysis;
pub mod insight;
pub mod meeting;
