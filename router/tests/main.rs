//! The router's tests.
#![expect(unreachable_pub, reason = "modules of a test binary")]

mod execution;
mod fixture;
mod shop;
