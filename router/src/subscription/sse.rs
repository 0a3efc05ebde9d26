//! GraphQL over SSE in distinct connections: one request, one operation, one
//! stream of `next` events, then `complete`.

use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use http::HeaderMap;

use super::{
    Live,
    streaming::{self, Format},
};
use crate::{error, push::Delivery};

/// Where a browser's `EventSource` puts the last `id:` when it reconnects.
const LAST_EVENT_ID: &str = "last-event-id";
const CLOSED: &[u8] = b": SUBSCRIPTION_CLOSED\n\n";
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";

/// The cursor in the request's headers, if there is one.
pub fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// A stream that only tells errors, for an operation that can't be run.
pub fn refuse(live: &Live, errors: Vec<error::GraphQLError>) -> Response {
    let failed = futures::stream::once(std::future::ready(Delivery::Failed(errors)));
    streaming::respond::<Sse>(live, failed.boxed())
}

/// Streams the answers of an operation. Errors of the operation are events of the
/// stream, because a browser can't read the body of a failed request.
pub(crate) fn respond(live: &Live, deliveries: BoxStream<'static, Delivery>) -> Response {
    streaming::respond::<Sse>(live, deliveries)
}

struct Sse;

impl Format for Sse {
    const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";
    const BEGIN: &'static [u8] = b"";
    const HEARTBEAT: &'static [u8] = b":\n\n";

    fn next(cursor: Option<&str>, body: &[u8]) -> Bytes {
        next(cursor, body)
    }

    fn ending(delivery: Delivery) -> Option<Bytes> {
        match delivery {
            Delivery::Failed(errors) => {
                let mut bytes = next(None, &error::response(&errors)).to_vec();
                bytes.extend_from_slice(COMPLETE);
                Some(bytes.into())
            }
            // The client connects again: nothing was completed. The comment is for people.
            Delivery::Closed => Some(Bytes::from_static(CLOSED)),
            Delivery::Complete | Delivery::Next { .. } => Some(Bytes::from_static(COMPLETE)),
        }
    }
}

/// `event: next` with the cursor as `id:`.
fn next(cursor: Option<&str>, body: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(body.len() + 64);
    event.extend_from_slice(b"event: next\n");
    if let Some(cursor) = cursor {
        event.extend_from_slice(b"id: ");
        event.extend_from_slice(cursor.as_bytes());
        event.push(b'\n');
    }
    // A line end can only stand between tokens of JSON; it must not end the field.
    for line in body.split(|byte| matches!(byte, b'\n' | b'\r')) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_its_cursor_and_every_line() {
        let event = next(Some("abc"), b"{\"data\":\n1}");
        assert_eq!(&event[..], b"event: next\nid: abc\ndata: {\"data\":\ndata: 1}\n\n");
        assert_eq!(&next(None, b"{}")[..], b"event: next\ndata: {}\n\n");
    }
}
