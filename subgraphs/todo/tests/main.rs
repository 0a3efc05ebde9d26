//! Tests of the todo service, on real servers.

mod access;
mod caching;
mod changing;
mod erasing;
mod extracting;
mod listening;
mod rule;
mod sdl;
mod stage;
