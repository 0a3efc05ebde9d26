//! Tests of the notification service, on real servers.

mod delivering;
mod inbox;
mod listening;
mod rule;
mod sdl;
mod stage;
