//! Tests of the transcript service: its rules, its events, and its life on real servers.

mod access;
mod editing;
mod erasing;
mod event_schema;
mod exporting;
mod minutes_rule;
mod parts;
mod repeating;
mod review;
mod sdl;
mod searching;
mod sharing;
mod stage;
mod transcribing;
mod verifying;
