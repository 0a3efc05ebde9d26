//! Pure rules: no I/O, no clock, no database.

pub mod kind;
pub mod language;
pub mod notice;
pub mod way;
