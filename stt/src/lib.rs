//! An engine that asks a speech-to-text model behind an OpenAI-compatible server
//! (`POST /v1/audio/transcriptions`).
//!
//! The recording is decoded here, whatever its format, and sent in pieces that end in pauses: so text comes
//! while the recording is still being heard, no piece is too large for a server, and an attempt that ends
//! early is gone on with where it was.
//!
//! | module | what is in it |
//! |---|---|
//! | [`piece`] | the recording in pieces |
//! | [`request`] | what is sent |
//! | [`answer`] | what is believed of the answer |
//! | [`engine`] | all of it behind [`speech::Engine`] |

pub mod answer;
pub mod engine;
pub mod piece;
pub mod request;

pub use engine::TranscriptionServer;
