//! Pure rules: no I/O, no clock, no database.

pub mod plan;
pub mod priority;
pub mod refusal;
pub mod status;
