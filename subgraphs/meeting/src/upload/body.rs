//! The bytes of a file on their way: exactly as many as announced, and without long silence.

use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use thiserror::Error;

use super::lease::Lease;

/// Longest silence of a client that uploads, in ms.
pub const IDLE_MAX_MS: u64 = 20_000;

/// Why the bytes ended early.
#[derive(Debug, Error)]
pub(super) enum Interruption {
    /// The client ended too early.
    #[error("only {received} bytes arrived")]
    Truncated {
        /// How many bytes arrived.
        received: u64,
    },
    /// The connection broke.
    #[error("the connection broke after {received} bytes")]
    Broken {
        /// How many bytes arrived.
        received: u64,
        /// What broke.
        source: axum::Error,
    },
    /// The client sent more than announced.
    #[error("more bytes arrived than announced")]
    TooLarge,
    /// The client was silent for too long.
    #[error("nothing arrived for {IDLE_MAX_MS} ms")]
    Silent,
    /// Somebody else may write now.
    #[error("the right to write was lost")]
    LeaseLost,
    /// The right to write couldn't be renewed.
    #[error("the right to write could not be renewed")]
    Lease(#[from] sqlx::Error),
}

/// The bytes of `body`; fails at its end unless they are exactly `size`.
pub(super) fn guarded(
    body: BodyDataStream,
    size: u64,
    lease: &mut Lease,
) -> impl Stream<Item = Result<Bytes, Interruption>> + Send {
    stream::try_unfold((body, lease, 0_u64), move |(mut body, lease, mut received)| async move {
        let silence = Duration::from_millis(IDLE_MAX_MS);
        let next = tokio::time::timeout(silence, body.next());
        match next.await.map_err(|_| Interruption::Silent)? {
            None if received == size => Ok(None),
            None => Err(Interruption::Truncated { received }),
            Some(Err(source)) => Err(Interruption::Broken { received, source }),
            Some(Ok(piece)) => {
                received += piece.len() as u64;
                if received > size {
                    return Err(Interruption::TooLarge);
                }
                if !lease.keep().await? {
                    return Err(Interruption::LeaseLost);
                }
                Ok(Some((piece, (body, lease, received))))
            }
        }
    })
}
