//! Tests of the transcript service: its rules, its events, and its life on real servers.

mod access;
mod event_schema;
mod minutes_rule;
mod sdl;
mod stage;
mod transcribing;
