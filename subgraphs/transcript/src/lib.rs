//! The transcript subgraph: speech to text, segments, minutes.

pub mod domain;
pub mod store;
