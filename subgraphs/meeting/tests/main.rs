//! Tests of the meeting subgraph, over real servers.

mod access;
mod bulk;
mod event;
mod harness;
mod life;
mod part;
mod participation;
mod plan;
mod recording;
mod repeating;
mod retention;
mod rule;
mod template;
mod upload;
