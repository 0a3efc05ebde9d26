//! SQL of the meeting service, and nothing else.

mod column;
pub mod meeting;
pub mod part;
pub mod participant;
pub mod recording;
pub mod retention;
pub mod task;
pub mod template;
