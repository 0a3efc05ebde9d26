//! Pure rules: no I/O, no clock, no database. What finds something in a text is in the crate `text`.

pub mod across;
pub mod kind;
