//! Inbox: which events a consumer has handled. The row is written in the transaction of the effect,
//! so that an event that is delivered twice has its effect once.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::event::Event;
use crate::subgraph::Cause;
use futures::future::BoxFuture;

/// What a service does with the events of a consumer.
pub trait Handler: Send + Sync + 'static {
    /// Whether events of a kind matter; the others are passed over. All do, unless overridden.
    fn wants(&self, kind: &str) -> bool {
        let _ = kind;
        true
    }

    /// Handles an event in a transaction that also notes that it was handled. It must have no effect
    /// outside of the transaction that mustn't be repeated: it is called again after a failure.
    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>>;
}

/// Why an event wasn't handled.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It may go better later: the event is delivered again.
    #[error("not handled now")]
    Later(#[source] Cause),
    /// It will never go better: the event becomes a dead letter.
    #[error("can't be handled")]
    Never(#[source] Cause),
}

impl HandleError {
    /// It may go better later.
    pub fn later(cause: impl Into<Cause>) -> Self {
        Self::Later(cause.into())
    }

    /// It will never go better.
    pub fn never(cause: impl Into<Cause>) -> Self {
        Self::Never(cause.into())
    }
}

impl From<sqlx::Error> for HandleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Later(error.into())
    }
}

impl From<serde_json::Error> for HandleError {
    /// Data of a shape that isn't understood doesn't get better.
    fn from(error: serde_json::Error) -> Self {
        Self::Never(error.into())
    }
}

/// Notes that a consumer handles an event; `false` if it did so before. Waits while another
/// transaction is at the same event.
///
/// # Errors
/// When the database refuses.
pub async fn first_time(
    tx: &mut PgConnection,
    consumer: &str,
    event_id: Uuid,
) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        consumer,
        event_id,
    )
    .execute(tx)
    .await?;
    Ok(noted.rows_affected() == 1)
}
