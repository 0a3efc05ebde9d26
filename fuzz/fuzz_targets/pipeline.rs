//! The operation pipeline, from text to response, in front of subgraphs that lie.
#![no_main]

#[path = "../../router/tests/fuzz/entry.rs"]
#[allow(dead_code, reason = "each target uses one of them")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::pipeline(data));
