//! Embedded Postgres, Valkey and NATS as child processes, for one machine and
//! for tests.

pub mod package;
