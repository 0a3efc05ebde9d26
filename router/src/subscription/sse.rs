//! GraphQL over SSE in distinct connections: one request, one operation, one
//! stream of `next` events, then `complete`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderValue, header};
use tokio::time::{Instant, Sleep};

use crate::{engine::RequestContext, error, push::Delivery};

use super::{Live, Query};

/// Where a browser's `EventSource` puts the last `id:` when it reconnects.
const LAST_EVENT_ID: &str = "last-event-id";
/// Keeps proxies and the client from taking silence for death.
const HEARTBEAT: &[u8] = b":\n\n";
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";

/// The cursor in the request's headers, if there is one.
pub fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// A stream that only tells errors, for an operation that can't be run.
pub fn refuse(live: &Live, errors: Vec<error::GraphQLError>) -> Response {
    let failed = futures::stream::once(std::future::ready(Delivery::Failed(errors)));
    stream(live, failed.boxed())
}

/// Runs an operation and streams its answers. Errors of the operation are events of
/// the stream, because a browser can't read the body of a failed request.
pub fn respond(live: &Arc<Live>, query: Query, context: RequestContext) -> Response {
    stream(live, live.run(query, context))
}

fn stream(live: &Live, deliveries: BoxStream<'static, Delivery>) -> Response {
    let heartbeat = Duration::from_millis(live.config().heartbeat_ms);
    let events = Events {
        deliveries: Some(deliveries),
        ending: None,
        heartbeat,
        sleep: Box::pin(tokio::time::sleep(heartbeat)),
    };
    let mut response = Response::new(Body::from_stream(events));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-store"),
        // nginx would hold events back to fill its buffer.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body of the response.
struct Events {
    /// None once the operation ended.
    deliveries: Option<BoxStream<'static, Delivery>>,
    /// What is still to be written then.
    ending: Option<Bytes>,
    heartbeat: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(deliveries) = &mut this.deliveries {
            let delivery = match deliveries.poll_next_unpin(context) {
                Poll::Ready(delivery) => delivery.unwrap_or(Delivery::Closed),
                Poll::Pending => {
                    ready!(this.sleep.as_mut().poll(context));
                    this.rest();
                    return Poll::Ready(Some(Ok(Bytes::from_static(HEARTBEAT))));
                }
            };
            this.rest();
            if let Delivery::Next { cursor, body } = delivery {
                return Poll::Ready(Some(Ok(next(cursor.as_deref(), &body))));
            }
            // Frees the subscription's place before the client takes the ending.
            this.deliveries = None;
            this.ending = ending(delivery);
        }
        Poll::Ready(this.ending.take().map(Ok))
    }
}

impl Events {
    /// Silence is counted anew.
    fn rest(&mut self) {
        self.sleep.as_mut().reset(Instant::now() + self.heartbeat);
    }
}

fn ending(delivery: Delivery) -> Option<Bytes> {
    match delivery {
        Delivery::Failed(errors) => {
            let mut bytes = next(None, &error::response(&errors)).to_vec();
            bytes.extend_from_slice(COMPLETE);
            Some(bytes.into())
        }
        Delivery::Closed => None,
        Delivery::Complete | Delivery::Next { .. } => Some(Bytes::from_static(COMPLETE)),
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
