//! A server that speaks OpenAI's HTTP API: where it is, and one bounded request to it.
//!
//! What is asked, and what is believed of the answer, is for the crates `llm` (texts) and `stt` (speech).

mod config;
mod server;

pub use config::Config;
pub use reqwest::StatusCode;
pub use server::{
    ANSWER_MAX_BYTES, Answer, AskError, CONNECT_TIMEOUT_MS, REACH_TIMEOUT_MS, Server, SetupError,
};
