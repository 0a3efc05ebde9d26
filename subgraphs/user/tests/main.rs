//! Tests of the user subgraph, over real servers.

mod account;
mod administration;
mod event;
mod harness;
mod key;
mod password;
mod profile;
mod reading;
mod repeating;
mod rule;
mod session;
mod throttle;
