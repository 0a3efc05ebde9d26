//! The two planes of errors. Public ones have a stable [`Code`] and are meant for the client; inner
//! ones are logged once, where they are handled, and masked.

use std::error::Error as StdError;
use std::fmt;

use async_graphql::SimpleObject;

use crate::departure::BeginError;
use crate::idempotency::BadKey;
use crate::queue::QueueError;
use crate::{metrics, telemetry};

/// Most causes of an error that are written to the log.
const CAUSES_MAX: usize = 8;

/// A stable code that clients see as `extensions.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub &'static str);

impl Code {
    /// A login is needed.
    pub const UNAUTHENTICATED: Self = Self("UNAUTHENTICATED");
    /// Not allowed for this identity.
    pub const FORBIDDEN: Self = Self("FORBIDDEN");
    /// Doesn't exist, or isn't the asker's to see.
    pub const NOT_FOUND: Self = Self("NOT_FOUND");
    /// An argument's value can't be used.
    pub const BAD_USER_INPUT: Self = Self("BAD_USER_INPUT");
    /// The document isn't GraphQL.
    pub const GRAPHQL_PARSE_FAILED: Self = Self("GRAPHQL_PARSE_FAILED");
    /// The document doesn't fit the schema.
    pub const GRAPHQL_VALIDATION_FAILED: Self = Self("GRAPHQL_VALIDATION_FAILED");
    /// The request isn't a GraphQL request.
    pub const BAD_REQUEST: Self = Self("BAD_REQUEST");
    /// Too many attempts; `extensions.retryAfter` says how many seconds to wait.
    pub const RATE_LIMITED: Self = Self("RATE_LIMITED");
    /// The queue takes no more work for now.
    pub const QUEUE_FULL: Self = Self("QUEUE_FULL");
    /// Something failed inside; the log tells what.
    pub const INTERNAL_SERVER_ERROR: Self = Self("INTERNAL_SERVER_ERROR");
    /// The request didn't come from the router or a service of ours.
    pub const SUBGRAPH_UNTRUSTED_REQUEST: Self = Self("SUBGRAPH_UNTRUSTED_REQUEST");

    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An error that is meant for the client.
///
/// A resolver may return it with `?`: the subgraph's endpoint finds it and writes its code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What programs look at.
    pub code: Code,
    /// What people read.
    pub message: String,
}

impl ApiError {
    /// An error with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A login is needed.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::UNAUTHENTICATED, "log in first")
    }

    /// Not allowed for this identity.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(Code::FORBIDDEN, "this isn't allowed to you")
    }

    /// Doesn't exist, or isn't the asker's to see.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NOT_FOUND, message)
    }

    /// An argument's value can't be used.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Code::BAD_USER_INPUT, message)
    }

    /// The same as an error of the GraphQL library, with `extensions.code`.
    #[must_use]
    pub fn into_graphql(self) -> async_graphql::Error {
        coded(self.code, self.message)
    }
}

fn coded(code: Code, message: impl Into<String>) -> async_graphql::Error {
    let mut extensions = async_graphql::ErrorExtensionValues::default();
    extensions.set("code", code.as_str());
    let mut error = async_graphql::Error::new(message);
    error.extensions = Some(extensions);
    error
}

/// What a client reads instead of an inner error.
pub const INTERNAL_MESSAGE: &str = "something failed on our side";

/// Logs an inner error with its causes, once, and gives what the client sees instead: code
/// `INTERNAL_SERVER_ERROR` and, inside a traced request, `extensions.traceId` to find it again.
pub fn internal(error: impl Into<Box<dyn StdError + Send + Sync>>) -> async_graphql::Error {
    let error = error.into();
    let trace_id = log_internal(&*error);
    let mut public = coded(Code::INTERNAL_SERVER_ERROR, INTERNAL_MESSAGE);
    if let (Some(id), Some(extensions)) = (trace_id, public.extensions.as_mut()) {
        extensions.set("traceId", id);
    }
    public
}

/// Writes an inner error to the log; gives the id of the trace that it belongs to.
pub(crate) fn log_internal(error: &(dyn StdError + 'static)) -> Option<String> {
    let trace_id = telemetry::current().map(|trace| trace.trace_id());
    let trace = trace_id.as_deref().unwrap_or("-");
    tracing::error!(trace_id = trace, error = %chain(error), "internal error");
    trace_id
}

/// An error and its causes in one line: `what: why: why that`.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(this) = cause else { break };
        let part = this.to_string();
        // Many libraries repeat the cause in their own message.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = this.source();
    }
    text
}

/// Lets resolvers write `.internal()?` on results with inner errors.
pub trait Internal<T> {
    /// Logs the error, if there is one, and masks it: see [`internal`].
    ///
    /// # Errors
    /// The masked error.
    fn internal(self) -> Result<T, async_graphql::Error>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Internal<T> for Result<T, E> {
    fn internal(self) -> Result<T, async_graphql::Error> {
        self.map_err(internal)
    }
}

/// Something the user can mend, told in a mutation's payload.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct UserError {
    /// What programs look at: a stable word in upper case.
    pub code: String,
    /// The field of the input that it is about, if it is about one.
    pub field: Option<String>,
    /// What people read.
    pub message: String,
}

impl UserError {
    /// An error about the whole input. Its code is a word of the program, so that counting by code
    /// keeps within what the program knows.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        metrics::error::told(code);
        Self { code: code.to_owned(), field: None, message: message.into() }
    }

    /// The same error, about one field of the input.
    #[must_use]
    pub fn on(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same error, about this field, if it is about one.
    #[must_use]
    pub fn about(self, field: Option<&'static str>) -> Self {
        match field {
            Some(field) => self.on(field),
            None => self,
        }
    }
}

/// Why a request wasn't done.
#[derive(Debug)]
pub enum Refused {
    /// Whoever asked can mend it.
    Mend(Vec<UserError>),
    /// They can't: an error of the request, in its public form.
    Failed(async_graphql::Error),
}

impl Refused {
    /// What the client is told: user errors for the payload, or an error of the request.
    ///
    /// # Errors
    /// What the user can't mend.
    pub fn told(self) -> Result<Vec<UserError>, async_graphql::Error> {
        match self {
            Self::Mend(errors) => Ok(errors),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<UserError> for Refused {
    fn from(error: UserError) -> Self {
        Self::Mend(vec![error])
    }
}

impl From<Vec<UserError>> for Refused {
    fn from(errors: Vec<UserError>) -> Self {
        Self::Mend(errors)
    }
}

impl From<async_graphql::Error> for Refused {
    fn from(error: async_graphql::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<BadKey> for Refused {
    fn from(bad: BadKey) -> Self {
        UserError::from(bad).into()
    }
}

impl From<BeginError> for Refused {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Gone => UserError::new("NO_ACCOUNT", error.to_string()).into(),
            BeginError::Database(error) => error.into(),
        }
    }
}

impl From<QueueError> for Refused {
    fn from(error: QueueError) -> Self {
        Self::Failed(error.into_graphql())
    }
}

impl From<sqlx::Error> for Refused {
    /// An inner error: logged and masked.
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(internal(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn inner_errors_are_masked() {
        let result: Result<(), _> = Err(Outer(std::io::Error::other("secret")));
        let error = result.internal().unwrap_err();
        assert_eq!(error.message, INTERNAL_MESSAGE);
        let code = error.extensions.unwrap().get("code").cloned();
        assert_eq!(code, Some("INTERNAL_SERVER_ERROR".into()));
        assert!(error.source.is_none());
    }

    #[test]
    fn causes_are_told_in_the_log() {
        assert_eq!(chain(&Outer(std::io::Error::other("why"))), "outer: why");
    }
}
