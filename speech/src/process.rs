//! The engine in a niced child process, so that it can neither starve nor
//! crash its parent. Parent and child exchange JSON lines.

mod child;
mod parent;
mod protocol;

pub use child::child_main;
pub use parent::{Config, ProcessEngine};
