//! The router's tests.
#![expect(unreachable_pub, reason = "modules of a test binary")]

mod authentication;
mod authorization;
mod document;
mod execution;
mod federation;
mod fixture;
mod fuzz;
mod headers;
mod http;
mod limit;
mod log;
mod mode;
mod push;
mod rate;
mod record;
mod reference;
mod reload;
mod remote;
mod resilience;
mod shop;
mod small;
mod subscription_event;
