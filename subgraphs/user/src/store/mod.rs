//! SQL of the user service, and nothing else.

pub mod session;
pub mod user;
