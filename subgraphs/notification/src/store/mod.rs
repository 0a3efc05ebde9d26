//! SQL and nothing else. Lookups of many take `= ANY($1)`: one statement for a whole request.

pub mod announcement;
pub mod meeting;
pub mod notification;
pub mod preference;
pub mod recipient;
pub mod webhook;
