//! The push plane on a real JetStream.

mod access;
mod resume;
mod stand;
