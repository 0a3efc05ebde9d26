//! SQL of the meeting service, and nothing else.

mod column;
pub mod erasure;
pub mod meeting;
pub mod participant;
pub mod recording;
pub mod task;
pub mod template;
