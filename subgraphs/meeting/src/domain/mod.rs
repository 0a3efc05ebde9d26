//! Pure rules of meetings: no I/O, no clock, no database.

pub mod media;
pub mod part;
pub mod plan;
pub mod refusal;
pub mod response;
pub mod retention;
pub mod role;
pub mod signature;
pub mod status;
pub mod template;
