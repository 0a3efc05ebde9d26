//! Tests of the ai service, on real servers.

mod access;
mod asking;
mod health;
mod listening;
mod sdl;
mod stage;
