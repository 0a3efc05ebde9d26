//! Pure rules: no I/O, no clock, no database.

pub mod edit;
pub mod export;
pub mod fault;
pub mod minutes;
pub mod part;
pub mod progress;
pub mod refusal;
pub mod search;
pub mod share;
pub mod verification;
