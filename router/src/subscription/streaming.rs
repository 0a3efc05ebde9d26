//! The streamed body of a response: what SSE and multipart share.

use std::{
    convert::Infallible,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use http::{HeaderValue, header};
use tokio::time::{Instant, Sleep};

use super::Live;
use crate::push::Delivery;

/// How a protocol writes an operation's answers into a body.
pub(super) trait Format: Unpin + Send + 'static {
    /// The body's `content-type`.
    const CONTENT_TYPE: &'static str;
    /// What the body starts with; may be empty.
    const BEGIN: &'static [u8];
    /// Keeps proxies and the client from taking silence for death.
    const HEARTBEAT: &'static [u8];

    /// One answer.
    fn next(cursor: Option<&str>, body: &[u8]) -> Bytes;

    /// What is written when the operation is over; None for nothing at all.
    fn ending(delivery: Delivery) -> Option<Bytes>;
}

/// Answers with a body that follows the deliveries and ends with them.
pub(super) fn respond<F: Format>(
    live: &Live,
    deliveries: BoxStream<'static, Delivery>,
) -> Response {
    let heartbeat = Duration::from_millis(live.config().heartbeat_ms);
    let answers = Answers::<F> {
        begun: F::BEGIN.is_empty(),
        deliveries: Some(deliveries),
        ending: None,
        heartbeat,
        sleep: Box::pin(tokio::time::sleep(heartbeat)),
        format: PhantomData,
    };
    let mut response = Response::new(Body::from_stream(answers));
    for (name, value) in [
        (header::CONTENT_TYPE, F::CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-cache, no-store"),
        // nginx would hold answers back to fill its buffer.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body of the response.
struct Answers<F> {
    begun: bool,
    /// None once the operation ended.
    deliveries: Option<BoxStream<'static, Delivery>>,
    /// What is still to be written then.
    ending: Option<Bytes>,
    heartbeat: Duration,
    sleep: Pin<Box<Sleep>>,
    format: PhantomData<F>,
}

impl<F: Format> Stream for Answers<F> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.begun, true) {
            return Poll::Ready(Some(Ok(Bytes::from_static(F::BEGIN))));
        }
        if let Some(deliveries) = &mut this.deliveries {
            let delivery = match deliveries.poll_next_unpin(context) {
                Poll::Ready(delivery) => delivery.unwrap_or(Delivery::Closed),
                Poll::Pending => {
                    ready!(this.sleep.as_mut().poll(context));
                    this.rest();
                    return Poll::Ready(Some(Ok(Bytes::from_static(F::HEARTBEAT))));
                }
            };
            this.rest();
            if let Delivery::Next { cursor, body } = delivery {
                return Poll::Ready(Some(Ok(F::next(cursor.as_deref(), &body))));
            }
            // Frees the subscription's place before the client takes the ending.
            this.deliveries = None;
            this.ending = F::ending(delivery);
        }
        Poll::Ready(this.ending.take().map(Ok))
    }
}

impl<F> Answers<F> {
    /// Silence is counted anew.
    fn rest(&mut self) {
        self.sleep.as_mut().reset(Instant::now() + self.heartbeat);
    }
}
