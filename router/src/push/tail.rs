//! The one reader of the stream in this process.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::METRICS;

use super::{hub::Hub, log::LogError};

/// First and longest pause before the stream is tried again.
const RETRY_FIRST_MS: u64 = 100;
const RETRY_LONGEST_MS: u64 = 2_000;

/// Reads the stream into the hub until `stop`, through every loss of the connection.
pub(super) async fn run(hub: Hub, stop: CancellationToken) {
    let mut pause_ms = RETRY_FIRST_MS;
    loop {
        let position = hub.position();
        let error = tokio::select! {
            () = stop.cancelled() => break,
            Err(error) = follow(&hub) => error,
        };
        if hub.position() != position {
            pause_ms = RETRY_FIRST_MS;
        }
        tracing::warn!(error = %chain(&error), retry_ms = pause_ms, "push plane lost the stream");
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
        }
        pause_ms = (pause_ms * 2).min(RETRY_LONGEST_MS);
    }
    hub.close();
}

/// Follows the stream from where the hub stands; ends only with an error.
async fn follow(hub: &Hub) -> Result<std::convert::Infallible, LogError> {
    let position = hub.align(hub.log().state().await?);
    let (mut tail, pending) = hub.log().tail(position + 1).await?;
    // Was the stream replaced or cut off between the two? Then the consumer begins
    // at a place that means nothing.
    if hub.align(hub.log().state().await?) != position {
        return Err(LogError::Interrupted);
    }
    if pending == 0 {
        hub.set_ready();
    }
    loop {
        let entry = tail.next().await?;
        METRICS.stream_pending.set(i64::try_from(entry.pending).unwrap_or(i64::MAX));
        // What the ring is warmed up with at the start is old.
        if hub.is_ready()
            && let Some(lag) = entry.event.as_ref().and_then(|event| event.lag())
        {
            METRICS.event_lag.observe(lag);
        }
        hub.fan_out(entry.sequence, entry.event);
        if entry.pending == 0 {
            hub.set_ready();
        }
    }
}

fn chain(error: &LogError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
