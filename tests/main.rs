//! End-to-end tests: the binary as an operator starts it, seen through the router as a client sees it.
//!
//! Each test starts its own `moim up` on a free port, with its own databases, Redis keys, streams and data
//! folder, on the servers that the test run shares.

mod kit;

mod access;
mod access_table;
mod api;
mod bad_input;
mod bucket;
mod bulk;
mod check;
mod crash;
mod errors;
mod fault;
mod fresh;
mod listeners;
mod live;
mod main_job;
mod operations;
mod operator;
mod parts;
mod review;
mod several;
mod shared_events;
mod speech_server;
mod statements;
mod tour;
mod trace;
mod transport;
