//! Federation 2, case by case: small supergraphs over scripted subgraphs, with
//! the data that the specification demands of a router.
//!
//! `schema/<case>.graphql` holds the subgraphs, `schema/<case>.supergraph.graphql`
//! what `compose.mjs` makes of them; both are checked in.

mod abstraction;
mod argument;
mod combination;
mod differential;
mod execution;
mod interface_object;
mod key;
mod leaf;
mod legacy;
mod member;
mod mend;
mod operation;
mod provides;
mod random;
mod requires;
mod sdl;
mod sharing;
mod stage;
mod subgraph;
mod unsupported;
mod world;
