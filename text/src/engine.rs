//! Whatever finds something in a text.

use futures::future::BoxFuture;

use crate::said::{Action, Analysis, Said, Schedule, Summary};

/// Why an engine gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It may go better later.
    #[error("the engine gives no answer now")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It gave something that can't be used.
    #[error("the engine's answer can't be used: {0}")]
    Unusable(String),
}

/// What was found, and by which engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By<T> {
    /// What was found.
    pub found: T,
    /// The engine that found it ([`Engine::name`]).
    pub engine: &'static str,
    /// The engine that was asked first and gave nothing that can be used.
    pub instead_of: Option<&'static str>,
}

/// The outcome of a question to an engine.
pub type Found<'a, T> = BoxFuture<'a, Result<By<T>, EngineError>>;

/// Finds something in what was said. Dropping a future abandons the question.
pub trait Engine: Send + Sync + 'static {
    /// What it is called in results, in lower case.
    fn name(&self) -> &'static str;

    /// Whether it can be asked now. Called about once a second, so it must be cheap.
    fn check(&self) -> BoxFuture<'static, Result<(), EngineError>>;

    /// What the meeting came to.
    fn summarise<'a>(&'a self, said: &'a Said) -> Found<'a, Summary>;

    /// Follow-up meetings and deadlines.
    fn schedule<'a>(&'a self, said: &'a Said) -> Found<'a, Schedule>;

    /// How the meeting went.
    fn analyse<'a>(&'a self, said: &'a Said) -> Found<'a, Analysis>;

    /// What somebody is to do.
    fn actions<'a>(&'a self, said: &'a Said) -> Found<'a, Vec<Action>>;
}
