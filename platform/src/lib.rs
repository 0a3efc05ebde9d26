//! Kernel: the mechanisms every service shares, and no word of any domain.
//!
//! | module | mechanism |
//! |---|---|
//! | [`config`] | configuration, read through [`config::Source`] |
//! | [`error`] | the two planes of errors: public with a code, inner and masked |
//! | [`identity`], [`signature`] | who asks, and the proof that a trusted caller says so |
//! | [`subgraph`] | transports to a subgraph: over HTTP and in the process |
//! | [`cache`], [`object`] | cache-aside in Redis, object storage |
//! | [`membership`] | a service's own view of who belongs to a group |
//! | [`page`] | Relay connections with keyset cursors |
//! | [`health`], [`telemetry`], [`shutdown`] | operations |
//! | [`kernel`] | everything of the above that a service is handed |

pub mod cache;
pub mod config;
pub mod error;
pub mod health;
pub mod identity;
pub mod membership;
pub mod object;
pub mod page;
pub mod shutdown;
pub mod signature;
pub mod subgraph;
pub mod telemetry;

// DATA: add your `pub mod` lines below this line (kernel is switched on when bus and outbox are there).
pub mod event;
pub mod outbox;
pub mod queue;
pub mod task;
