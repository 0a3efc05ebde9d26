//! Pure rules: no I/O, no clock, no database.

pub mod cue;
pub mod fault;
pub mod minutes;
pub mod progress;
pub mod salience;
pub mod sentence;
