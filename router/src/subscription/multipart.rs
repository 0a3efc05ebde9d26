//! Apollo's multipart protocol for subscriptions:
//! `multipart/mixed;boundary=graphql;subscriptionSpec=1.0`. Each part is JSON:
//! `{"payload":…}` is an answer, `{}` a sign of life, and `{"payload":null,
//! "errors":…}` tells that the stream itself broke off.

use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};

use super::{
    Live,
    streaming::{self, Format},
};
use crate::{
    error::{self, GraphQLError, code},
    push::Delivery,
};

/// Ends a part. A client takes a part for whole once it sees the next boundary,
/// so each part is written together with the boundary that follows it.
const BOUNDARY: &[u8] = b"\r\n--graphql";
const PART: &[u8] = b"\r\ncontent-type: application/json\r\n\r\n";
const END: &[u8] = b"--\r\n";

/// A stream that only tells errors, for an operation that can't be run.
pub fn refuse(live: &Live, errors: Vec<GraphQLError>) -> Response {
    let failed = futures::stream::once(std::future::ready(Delivery::Failed(errors)));
    streaming::respond::<Multipart>(live, failed.boxed())
}

/// Streams the answers of an operation.
pub(crate) fn respond(live: &Live, deliveries: BoxStream<'static, Delivery>) -> Response {
    streaming::respond::<Multipart>(live, deliveries)
}

struct Multipart;

impl Format for Multipart {
    const CONTENT_TYPE: &'static str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
    const BEGIN: &'static [u8] = BOUNDARY;
    const HEARTBEAT: &'static [u8] = b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql";

    fn next(_cursor: Option<&str>, body: &[u8]) -> Bytes {
        part(&[b"{\"payload\":", body, b"}"], b"")
    }

    fn ending(delivery: Delivery) -> Option<Bytes> {
        Some(match delivery {
            Delivery::Failed(errors) => {
                part(&[b"{\"payload\":", &error::response(&errors), b"}"], END)
            }
            // The body's end alone would look like a completion.
            Delivery::Closed => {
                let message = "The server ends this stream; subscribe again.";
                let errors = [GraphQLError::new(code::SUBSCRIPTION_CLOSED, message)];
                let errors = serde_json::to_vec(&errors).unwrap_or_default();
                part(&[b"{\"payload\":null,\"errors\":", &errors, b"}"], END)
            }
            Delivery::Complete | Delivery::Next { .. } => Bytes::from_static(END),
        })
    }
}

fn part(json: &[&[u8]], end: &[u8]) -> Bytes {
    [&[PART], json, &[BOUNDARY, end]].concat().concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_boundaries() {
        let mut body = Multipart::BEGIN.to_vec();
        body.extend_from_slice(&Multipart::next(Some("c"), b"{\"data\":null}"));
        body.extend_from_slice(Multipart::HEARTBEAT);
        body.extend_from_slice(&Multipart::ending(Delivery::Complete).expect("an ending"));
        let text = String::from_utf8(body).expect("text");
        assert_eq!(
            text,
            "\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{\"payload\":{\"data\":null}}\
             \r\n--graphql\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql--\r\n"
        );
    }

    #[test]
    fn a_stream_that_breaks_off_is_told_apart_from_one_that_failed() {
        let text = |delivery| {
            let bytes = Multipart::ending(delivery).expect("an ending").to_vec();
            String::from_utf8(bytes).expect("text")
        };
        let failed = text(Delivery::Failed(vec![GraphQLError::new("CODE", "m")]));
        assert!(failed.contains("{\"payload\":{\"errors\":[{\"message\":\"m\""), "{failed}");
        let closed = text(Delivery::Closed);
        assert!(closed.contains("{\"payload\":null,\"errors\":[{\"message\":"), "{closed}");
        assert!(failed.ends_with("--graphql--\r\n") && closed.ends_with("--graphql--\r\n"));
    }
}
