//! Tests of the ai service, on real servers.

mod access;
mod across;
mod asking;
mod erasing;
mod health;
mod listening;
mod peers;
mod sdl;
mod stage;
