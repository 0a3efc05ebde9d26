//! Speech to text: decoding, the built-in Whisper engine, its own process.
//!
//! - [`engine::Engine`] is what callers use: a [`engine::Job`] goes in, events
//!   stream out, an [`engine::Outcome`] ends it.
//! - [`process::ProcessEngine`] runs the engine in a niced child process;
//!   [`whisper::WhisperEngine`] runs it here.
//! - [`weights`] fetches and converts the model once.
//! - [`language_tag`] is how languages are named.
//! - [`decode`] turns any recording into 16 kHz mono samples.

pub mod decode;
pub mod engine;
pub mod error;
mod language;
pub mod process;
#[cfg(feature = "testing")]
pub mod testing;
mod voice;
pub mod weights;
pub mod whisper;
mod window;

pub use engine::{Engine, Event, Job, Outcome, SINK_EVENTS, Segment, Sink, Stage};
pub use error::{Code, SpeechError};
pub use language::language_tag;
pub use process::ProcessEngine;
pub use whisper::WhisperEngine;
