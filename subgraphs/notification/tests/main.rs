//! Tests of the notification service, on real servers.

mod announcing;
mod channel;
mod delivering;
mod inbox;
mod listening;
mod provider;
mod repeating;
mod rule;
mod sdl;
mod stage;
