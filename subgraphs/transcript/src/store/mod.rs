//! SQL and nothing else. Lookups of many take `= ANY($1)`: one statement for a whole request.

pub mod meeting;
pub mod minutes;
pub mod part;
pub mod search;
pub mod segment;
pub mod share;
pub mod speaker;
pub mod task;
pub mod transcript;
pub mod verification;
