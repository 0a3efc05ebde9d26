//! Pure rules of accounts: no I/O, no clock, no database.

pub mod account;
pub mod profile;
pub mod role;
pub mod session;
