//! The router's tests.
#![expect(unreachable_pub, reason = "modules of a test binary")]

mod authentication;
mod execution;
mod fixture;
mod http;
mod push;
mod shop;
mod small;
mod subscription_event;
