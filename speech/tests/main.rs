//! The engine against real recordings with the real weights, which are fetched
//! into the cache on first use.

mod decoding;
mod fixture;
mod memory;
mod process;
mod recognition;
mod weights;
