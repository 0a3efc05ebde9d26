//! Subgraphs that die, hang, lie or answer too much.

mod bound;
mod fault;
mod server;
mod share;
