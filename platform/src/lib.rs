//! Kernel: the mechanisms every service shares, and no word of any domain.
//!
//! | module | mechanism |
//! |---|---|
//! | [`config`] | configuration, read through [`config::Source`] |
//! | [`error`] | the two planes of errors: public with a code, inner and masked |
//! | [`identity`], [`signature`] | who asks, and the proof that a trusted caller says so |
//! | [`subgraph`] | transports to a subgraph: over HTTP and in the process |
//! | [`cache`], [`object`] | cache-aside in Redis, object storage |
//! | [`tls`] | who encrypts |
//! | [`address`] | signed addresses, good for one thing and until they end |
//! | [`throttle`] | slows down who keeps failing |
//! | [`membership`], [`access`] | a service's own view of who belongs to a group, and the check of it on every path |
//! | [`idempotency`] | repeated requests: the same key, the same answer |
//! | [`departure`], [`erasure`] | whose account is deleted: nothing is written of them, and what is held goes |
//! | [`page`] | Relay connections with keyset cursors |
//! | [`database`] | a service's own database and its migrations |
//! | [`event`], [`outbox`], [`relay`], [`inbox`], [`bus`], [`topology`] | events, told once the change is committed, handled once |
//! | [`dead_letter`] | what was given up, and how it gets another chance |
//! | [`queue`], [`task`] | long work: jobs, their workers, and the state that everybody sees |
//! | [`health`], [`metrics`], [`operations`], [`telemetry`], [`shutdown`] | what operators see and do |
//! | [`crash`] | places at which tests let the process die |
//! | [`kernel`] | everything of the above that a service is handed |

pub mod access;
pub mod address;
pub mod cache;
pub mod config;
pub mod crash;
pub mod error;
pub mod health;
pub mod idempotency;
pub mod identity;
pub mod kernel;
pub mod membership;
pub mod metrics;
pub mod object;
pub mod operations;
pub mod page;
pub mod search;
pub mod shutdown;
pub mod signature;
pub mod subgraph;
pub mod telemetry;
pub mod throttle;
pub mod tls;

// Data in motion and at rest.
pub mod bus;
pub mod database;
pub mod dead_letter;
pub mod departure;
pub mod erasure;
pub mod event;
pub mod inbox;
pub mod outbox;
pub mod queue;
pub mod relay;
pub mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topology;
