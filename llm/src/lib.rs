//! An engine that asks a language model behind an OpenAI-compatible server.
//!
//! A model makes things up, so nothing of its answer is believed unseen: each item must name the lines that
//! it comes from, days and names must be ones that there are ([`answer`]). What can't be used is asked for
//! again with the reason ([`engine`]), and in the end the built-in engine stands in and says so
//! ([`text::By::instead_of`]).
//!
//! | module | what is in it |
//! |---|---|
//! | [`config`] | which engine the operator chose |
//! | [`client`] | the server: one question, one answer, bounded |
//! | [`passage`] | what was said as numbered lines, in passages that a model can read at once |
//! | [`prompt`] | what is asked, and the JSON Schema of the answer |
//! | [`answer`] | what is believed of it |
//! | [`engine`] | all of it behind [`text::Engine`] |

pub mod answer;
pub mod client;
pub mod config;
pub mod engine;
pub mod passage;
pub mod prompt;

pub use config::chosen;
pub use engine::LanguageModel;
